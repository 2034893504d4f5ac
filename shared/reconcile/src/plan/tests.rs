use brand::{
    Brand, BrandName, BrandRow, Held, Lease, Mark, MarkKind, RunRecord, SubscriberState, Timestamp,
};
use proptest::{option, prelude::*, sample::select};

use super::{Class, Ours, Repair, Standing, classify};
use crate::{Conflicts, Edits, Made, Orphans, Policies};

#[expect(
    clippy::unnecessary_wraps,
    reason = "the table has rows without a brand"
)]
fn settled<'a>(name: Option<&'a str>, agreed: Option<&'a Held>) -> Option<Ours<'a>> {
    Some(Ours {
        name,
        standing: Standing::Settled,
        agreed,
    })
}

#[test]
fn the_table() {
    let (acme, globex) = (Held::named("Acme"), Held::named("Globex"));
    let spelled = Held {
        spelled: Some("ACME".to_owned()),
        ..Held::named("Acme")
    };
    let unlinked = Held {
        unlinked: true,
        ..Held::named("Acme")
    };
    let (a, g) = (Some("Acme"), Some("Globex"));
    for (ours, theirs, expected) in [
        (None, None, Class::Equal),
        (None, a, Class::Orphan),
        (settled(None, Some(&acme)), None, Class::Equal),
        (settled(None, Some(&acme)), a, Class::Orphan),
        (settled(None, None), a, Class::Orphan),
        (settled(a, None), None, Class::MissingThere),
        (settled(a, Some(&unlinked)), None, Class::MissingThere),
        (settled(a, Some(&acme)), None, Class::DeletedThere),
        (settled(a, Some(&globex)), None, Class::DeletedThere),
        (settled(a, Some(&acme)), a, Class::Equal),
        (settled(a, Some(&globex)), a, Class::Equal),
        (settled(a, None), a, Class::Equal),
        (settled(a, Some(&acme)), g, Class::EditedThere),
        (settled(a, Some(&globex)), g, Class::StaleThere),
        (
            settled(a, Some(&globex)),
            Some("Initech"),
            Class::EditedOnBothSides,
        ),
        (settled(a, None), g, Class::EditedOnBothSides),
        // As the CMS spells it.
        (settled(a, Some(&spelled)), Some("ACME"), Class::Equal),
        (settled(g, Some(&spelled)), Some("ACME"), Class::StaleThere),
        (settled(a, Some(&spelled)), g, Class::EditedThere),
    ] {
        assert_eq!(classify(ours, theirs), expected, "{ours:?} {theirs:?}");
    }
}

#[test]
fn how_a_row_stands() {
    let now = Timestamp::from_millis(1_795_427_107_966);
    let row = BrandRow::from(Brand::new(BrandName::stored("Acme"), now));
    let mark_as = |kind, version| Some(Mark::new(kind, "the cause".to_owned(), now, version));
    let mark = |version| mark_as(MarkKind::Refused, version);
    let reached = SubscriberState {
        reached: 1,
        ..SubscriberState::default()
    };
    let lease = |until| Some(Lease::following(None, "a", until));
    let leased = BrandRow {
        lease: lease(Some(Timestamp::from_millis(now.as_millis() + 1))),
        ..row.clone()
    };
    let left = BrandRow {
        lease: lease(None),
        ..row.clone()
    };
    for (row, state, expected) in [
        (&row, SubscriberState::default(), Standing::InFlight),
        (&row, reached.clone(), Standing::Settled),
        (&left, reached.clone(), Standing::Settled),
        (&leased, reached.clone(), Standing::InFlight),
        (
            &row,
            SubscriberState {
                in_doubt: true,
                ..reached.clone()
            },
            Standing::InFlight,
        ),
        (
            &row,
            SubscriberState {
                mark: mark(1),
                ..SubscriberState::default()
            },
            Standing::Marked,
        ),
        (
            &row,
            SubscriberState {
                mark: mark_as(MarkKind::Cancelled, 1),
                ..SubscriberState::default()
            },
            Standing::Cancelled,
        ),
        // What the CMS holds may be the doing of the paused run.
        (
            &row,
            SubscriberState {
                mark: mark_as(MarkKind::Paused, 1),
                run: Some(RunRecord {
                    version: 1,
                    record: "{}".to_owned(),
                }),
                ..SubscriberState::default()
            },
            Standing::InFlight,
        ),
        // A mark of an earlier version says nothing.
        (
            &row,
            SubscriberState {
                mark: mark(2),
                ..SubscriberState::default()
            },
            Standing::InFlight,
        ),
    ] {
        let ours = Ours::of(row, &state, now);
        assert_eq!(ours.standing, expected, "{state:?}");
        assert_eq!(ours.name, Some("Acme"));
    }
    let deleted = BrandRow {
        brand: Brand {
            deleted_at: Some(now),
            ..row.brand.clone()
        },
        ..row
    };
    assert_eq!(Ours::of(&deleted, &reached, now).name, None);
}

fn name() -> impl Strategy<Value = &'static str> {
    select(&["a", "b", "c"][..])
}

fn held() -> impl Strategy<Value = Held> {
    (name(), option::of(name()), any::<bool>()).prop_map(|(name, spelled, unlinked)| Held {
        spelled: spelled
            .filter(|spelled| *spelled != name)
            .map(str::to_owned),
        unlinked,
        ..Held::named(name)
    })
}

fn standing() -> impl Strategy<Value = Standing> {
    let all = [
        Standing::Settled,
        Standing::InFlight,
        Standing::Marked,
        Standing::Cancelled,
    ];
    select(all.to_vec())
}

fn policies() -> impl Strategy<Value = Policies> {
    (
        select(Edits::ALL),
        select(Conflicts::ALL),
        select(Made::ALL),
        select(Orphans::ALL),
    )
        .prop_map(|(edits, conflicts, made, orphans)| Policies {
            edits,
            conflicts,
            made,
            orphans,
        })
}

proptest! {
    #[test]
    fn what_both_sides_have_alike_is_equal_and_nothing_else_is(
        ours in option::of((option::of(name()), standing(), option::of(held()))),
        theirs in option::of(name()),
    ) {
        let of_row = ours.as_ref().map(|(name, standing, agreed)| Ours {
            name: *name,
            standing: *standing,
            agreed: agreed.as_ref(),
        });
        let class = classify(of_row, theirs);
        let in_flight = of_row.is_some_and(|ours| ours.standing == Standing::InFlight);
        prop_assert_eq!(class == Class::InFlight, in_flight);
        let here = of_row.and_then(|ours| ours.name);
        // As agreed on, the name may be spelled in another way.
        let is_spelled = |agreed: &Held| {
            !agreed.unlinked && Some(&*agreed.name) == here && Some(agreed.shown()) == theirs
        };
        let is_equal = here == theirs
            || of_row.and_then(|ours| ours.agreed).is_some_and(is_spelled);
        prop_assert_eq!(class == Class::Equal, !in_flight && is_equal);
        prop_assert_ne!(class, Class::MadeThere);
        prop_assert_ne!(class, Class::Double);
    }

    /// An editor wrote it, unless it is what both sides agreed on.
    #[test]
    fn nothing_that_an_editor_wrote_goes_unless_a_policy_says_so(
        ours in option::of((option::of(name()), standing(), option::of(held()))),
        theirs in option::of(name()),
        policies in policies(),
    ) {
        let of_row = ours.as_ref().map(|(name, standing, agreed)| Ours {
            name: *name,
            standing: *standing,
            agreed: agreed.as_ref(),
        });
        let class = classify(of_row, theirs);
        let standing = of_row.map_or(Standing::Settled, |ours| ours.standing);
        let agreed = of_row.and_then(|ours| ours.agreed).filter(|agreed| !agreed.unlinked);
        let is_agreed = theirs.is_some() && agreed.map(Held::shown) == theirs;
        match Repair::of(class, standing, policies) {
            Some(Repair::Sync) if theirs.is_some() && !is_agreed => prop_assert!(
                policies.edits == Edits::Overwrite || policies.conflicts == Conflicts::Ours
            ),
            Some(Repair::Remove) => prop_assert_eq!(policies.orphans, Orphans::Delete),
            Some(Repair::Create) => prop_assert_eq!(policies.made, Made::Create),
            Some(Repair::Delete) => prop_assert_eq!(policies.edits, Edits::Accept),
            Some(Repair::Rename) => prop_assert!(
                policies.edits == Edits::Accept || policies.conflicts == Conflicts::Theirs
            ),
            Some(Repair::Sync) | None => {}
        }
    }
}

#[test]
fn each_policy_alone_changes_what_it_is_about() {
    let all = |standing, policies: Policies| -> Vec<(Class, Repair)> {
        let classes = Class::ALL.into_iter();
        let repaired = |class| Some((class, Repair::of(class, standing, policies)?));
        classes.filter_map(repaired).collect()
    };
    let none = Policies::default();
    let always = [
        (Class::MissingThere, Repair::Sync),
        (Class::StaleThere, Repair::Sync),
    ];
    assert_eq!(all(Standing::Settled, none), always);
    assert_eq!(all(Standing::Marked, none), []);
    let edits = |edits| Policies { edits, ..none };
    let both = |conflicts| Policies { conflicts, ..none };
    for (policies, expected) in [
        (
            edits(Edits::Overwrite),
            &[
                (Class::EditedThere, Repair::Sync),
                (Class::DeletedThere, Repair::Sync),
            ][..],
        ),
        (
            edits(Edits::Accept),
            &[
                (Class::EditedThere, Repair::Rename),
                (Class::DeletedThere, Repair::Delete),
            ],
        ),
        (
            both(Conflicts::Ours),
            &[(Class::EditedOnBothSides, Repair::Sync)],
        ),
        (
            both(Conflicts::Theirs),
            &[(Class::EditedOnBothSides, Repair::Rename)],
        ),
        (
            Policies {
                made: Made::Create,
                ..none
            },
            &[(Class::MadeThere, Repair::Create)],
        ),
    ] {
        assert_eq!(all(Standing::Marked, policies), expected);
    }
    let orphans = Policies {
        orphans: Orphans::Delete,
        ..none
    };
    // What an operator has cancelled is not synced, whatever a policy says.
    let overwrite = Policies {
        edits: Edits::Overwrite,
        conflicts: Conflicts::Ours,
        ..none
    };
    assert_eq!(all(Standing::Cancelled, overwrite), []);
    assert_eq!(all(Standing::InFlight, overwrite), []);
    let removed = Repair::of(Class::Orphan, Standing::Settled, orphans);
    assert_eq!(removed, Some(Repair::Remove));
    assert_eq!(all(Standing::Marked, orphans), []);
}
