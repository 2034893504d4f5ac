//! What the policies have it mend.

use brand::{BrandId, BrandName, BrandWriter, CMS_SUBSCRIBER, SyncStore};
use cms::{Cms, CmsBrand};
use reconcile::{Class, Conflicts, Edits, Made, Orphans, Policies};
use reconcile_brands::Answer;

use crate::world::{World, all_for_the_cms, all_for_us, count};

/// Brands that differ in each way, and one that does not.
struct Differing {
    equal: BrandId,
    edited: BrandId,
    deleted: BrandId,
    both: BrandId,
    stale: BrandId,
    left: BrandId,
    orphan: BrandId,
    made: String,
}

async fn differing(world: &World) -> Differing {
    let brands = world.synced_brands(6).await;
    let [equal, edited, deleted, both, stale, left] = brands[..] else {
        unreachable!()
    };
    assert!(world.cms.edit(&edited.to_string(), "Edited"));
    assert!(world.cms.remove(&deleted.to_string()));
    world.rename_refused(both).await;
    assert!(world.cms.edit(&both.to_string(), "Both"));
    world.rename_refused(stale).await;
    world.delete_and_leave_there(left).await;
    Differing {
        equal,
        edited,
        deleted,
        both,
        stale,
        left,
        orphan: world.orphan(0),
        made: world.cms.add_entry("Made", None),
    }
}

fn there(world: &World, id: BrandId) -> Option<String> {
    world.cms.brand(&id.to_string()).map(|brand| brand.name)
}

#[tokio::test(start_paused = true)]
async fn where_editors_are_right_the_brands_follow_and_both_sides_are_equal() {
    let world = World::new(all_for_the_cms());
    let of = differing(&world).await;
    assert_eq!(world.reconcile().await, Answer::Done);
    let report = world.report().await;
    assert_eq!(report.not_repaired, 0, "{:?}", report.examples);
    assert_eq!(report.repairs(), 6);
    assert_eq!(
        report.drift(),
        1,
        "the refused rename waits for an operator"
    );
    assert_eq!(world.name(of.edited), "Edited");
    assert!(world.row(of.deleted).brand.deleted_at.is_some());
    assert_eq!(world.name(of.both), "Both");
    assert_eq!(world.name(of.stale), "Refused");
    assert_eq!(world.name(of.equal), "Brand 0");
    world.sync().await;
    assert_eq!(there(&world, of.left), None);
    assert_eq!(there(&world, of.orphan), None);
    assert_eq!(there(&world, of.edited).as_deref(), Some("Edited"));
    assert_eq!(there(&world, of.both).as_deref(), Some("Both"));
    // The entry that an editor made bears the id of one brand now, and it is the same entry.
    assert_eq!(world.cms.unlinked(), []);
    let made: Vec<CmsBrand> = world
        .cms
        .brands()
        .into_iter()
        .filter(|one| one.name == "Made")
        .collect();
    let [made] = &made[..] else {
        panic!("{made:?}")
    };
    let id: BrandId = made.id.parse().unwrap();
    assert_eq!(world.name(id), "Made");
    assert_eq!(id, BrandId::of_entry("https://cms.example", &of.made));

    assert_eq!(world.reconcile().await, Answer::Done);
    let again = world.report().await;
    let left: u64 = again.counts.values().sum::<u64>() - count(&again, Class::Equal);
    assert_eq!(
        (left, count(&again, Class::StaleThere)),
        (1, 1),
        "{:?}",
        again.counts
    );
}

#[tokio::test(start_paused = true)]
async fn where_we_are_right_the_cms_follows() {
    let world = World::new(all_for_us());
    let of = differing(&world).await;
    assert_eq!(world.reconcile().await, Answer::Done);
    world.sync().await;
    assert_eq!(there(&world, of.edited).as_deref(), Some("Brand 1"));
    assert_eq!(there(&world, of.deleted).as_deref(), Some("Brand 2"));
    assert_eq!(there(&world, of.both).as_deref(), Some("Refused"));
    assert_eq!(world.name(of.edited), "Brand 1");
    world.reconcile().await;
    let again = world.report().await;
    assert_eq!(again.drift(), 1, "{:?}", again.counts);
}

#[tokio::test(start_paused = true)]
async fn each_policy_mends_its_classes_alone() {
    let none = Policies::default();
    let cases: [(Policies, &[Class]); 7] = [
        (none, &[]),
        (
            Policies {
                edits: Edits::Accept,
                ..none
            },
            &[Class::EditedThere, Class::DeletedThere],
        ),
        (
            Policies {
                edits: Edits::Overwrite,
                ..none
            },
            &[Class::EditedThere, Class::DeletedThere],
        ),
        (
            Policies {
                conflicts: Conflicts::Ours,
                ..none
            },
            &[Class::EditedOnBothSides],
        ),
        (
            Policies {
                conflicts: Conflicts::Theirs,
                ..none
            },
            &[Class::EditedOnBothSides],
        ),
        (
            Policies {
                made: Made::Create,
                ..none
            },
            &[Class::MadeThere],
        ),
        (
            Policies {
                orphans: Orphans::Delete,
                ..none
            },
            &[Class::Orphan],
        ),
    ];
    for (policies, classes) in cases {
        let world = World::new(policies);
        differing(&world).await;
        assert_eq!(world.reconcile().await, Answer::Done);
        let report = world.report().await;
        let repaired: Vec<Class> = report.repaired.keys().copied().collect();
        assert_eq!(repaired, classes, "{policies:?}");
        for class in classes {
            assert_eq!(report.repaired[class], report.counts[class], "{policies:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_only_looks_whatever_the_policies_say() {
    let world = World::new(all_for_the_cms());
    differing(&world).await;
    let before = (world.brands.all_rows(), world.cms.brands());
    world.ask("user_1", true).await;
    assert_eq!(world.tick().await, Answer::Done);
    assert_eq!((world.brands.all_rows(), world.cms.brands()), before);
    assert_eq!(world.report().await.drift(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_in_needs_no_call_of_the_cms() {
    let world = World::new(all_for_the_cms());
    let of = differing(&world).await;
    world.cms.edit(&of.equal.to_string(), "e\u{301}");
    world.reconcile().await;
    let state = world.row(of.equal).subscriber(CMS_SUBSCRIBER);
    assert_eq!(world.name(of.equal), "\u{e9}");
    let held = state.holds.unwrap();
    assert_eq!((&*held.name, held.shown()), ("\u{e9}", "e\u{301}"));
    world.reconcile().await;
    let calls = world.cms.calls().updates;
    world.sync_one(of.edited).await;
    assert_eq!(world.cms.calls().updates, calls);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_none_stays_in_the_cms_and_the_report_says_why() {
    let world = World::new(all_for_the_cms());
    let brands = world.synced_brands(12).await;
    world.cms.edit(&brands[0].to_string(), "  ");
    world.cms.add_entry("a\nb", None);
    world.reconcile().await;
    let report = world.report().await;
    assert_eq!((report.repairs(), report.not_repaired), (0, 2));
    let mut notes: Vec<_> = report
        .examples
        .iter()
        .map(|one| one.note.clone().unwrap())
        .collect();
    notes.sort();
    assert_eq!(
        notes,
        ["the name has a control character", "the name is blank"]
    );
    assert_eq!(world.name(brands[0]), "Brand 0");
    assert_eq!(world.brands.all_rows().len(), 12);
}

/// The client's change comes between what the reconciliation reads and what it writes.
#[tokio::test(start_paused = true)]
async fn a_brand_that_the_api_changes_meanwhile_is_not_overwritten() {
    for policies in [all_for_the_cms(), all_for_us()] {
        // The reads are: the CMS twice for the brands, the entries, the others; then again, to mend.
        for read in 1..=8 {
            let world = World::new(policies);
            let brands = world.synced_brands(3).await;
            world.cms.edit(&brands[0].to_string(), "Edited");
            let (store, id, now) = (world.brands.clone(), brands[0], world.now());
            world.on_read(move |number| {
                if number == read {
                    let name = BrandName::parse("Client").unwrap();
                    let changed = store.update(id, &name, None, now);
                    futures::executor::block_on(changed).unwrap();
                }
            });
            world.reconcile().await;
            let is_changed = world.reads() >= read;
            let row = futures::executor::block_on(world.brands.load(brands[0]))
                .unwrap()
                .unwrap();
            if is_changed {
                assert_eq!(row.brand.name.as_str(), "Client", "at read {read}");
                assert!(row.due_at.is_some());
            }
        }
    }
}

/// A sync that runs while the CMS and the row are being read is not an edit.
#[tokio::test(start_paused = true)]
async fn a_sync_that_passes_by_is_not_taken_for_an_edit() {
    for policies in [all_for_the_cms(), all_for_us()] {
        for read in 1..=6 {
            let world = World::new(policies);
            let renamed = world.synced_brands(3).await[0];
            world.rename(renamed, "New").await;
            let shared = std::sync::Arc::new(world);
            let passer = shared.clone();
            shared.on_read(move |number| {
                if number == read {
                    futures::executor::block_on(passer.sync_one(renamed));
                }
            });
            shared.reconcile().await;
            let report = shared.report().await;
            assert_eq!((report.drift(), report.repairs()), (0, 0), "at read {read}");
            assert_eq!(shared.name(renamed), "New");
            shared.forget_on_read();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_taken_in_once_even_if_its_brand_is_deleted_since() {
    let world = World::new(all_for_the_cms());
    world.synced_brands(1).await;
    let own = world.cms.add_entry("Made", None);
    world.reconcile().await;
    // Before the sync has given the entry the brand's id, everything is asked once more.
    world.reconcile().await;
    assert_eq!(
        count(&world.report().await, Class::InFlight),
        2,
        "here and there"
    );
    let id = BrandId::of_entry("https://cms.example", &own);
    assert_eq!(world.brands.all_rows().len(), 2);
    let now = world.now();
    world.brands.delete(id, None, now).await.unwrap();
    world.sync_one(id).await;
    assert_eq!(
        world.cms.unlinked().len(),
        1,
        "it is an editor's, and bears no id of ours"
    );
    world.reconcile().await;
    let report = world.report().await;
    assert_eq!((count(&report, Class::MadeThere), report.repairs()), (1, 0));
    let note = report.examples[0].note.as_deref();
    assert_eq!(note, Some("its brand was deleted here"));
    let entries = world.cms.list_unlinked(None, 10).await.unwrap().entries;
    assert_eq!(entries.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_renamed_before_it_is_linked_is_taken_in_by_its_new_name() {
    let world = World::new(all_for_the_cms());
    world.synced_brands(1).await;
    let own = world.cms.add_entry("Made", None);
    world.reconcile().await;
    let id = BrandId::of_entry("https://cms.example", &own);
    // The sync came too late for the first name.
    assert!(world.cms.edit(&own, "Renamed"));
    world.refuse(id).await;
    world.reconcile().await;
    assert_eq!(world.name(id), "Renamed");
    world.sync().await;
    assert_eq!(there(&world, id).as_deref(), Some("Renamed"));
    assert_eq!(world.cms.unlinked(), []);
}
