//! Editors of the CMS, who rename entries, delete them and make their own.

use std::time::Duration;

use brand::{BrandRow, CMS_SUBSCRIBER, Held, SubscriberState, TakeUp};
use reconcile::Conflicts;
use tokio::time::sleep;

use crate::world::{BRAND, World, acme};

/// Acme is synced; an editor renames its entry, and a client the brand.
async fn renamed_on_both_sides(conflicts: Conflicts) -> World {
    let world = World::with_conflicts(conflicts);
    world.hear_of(&acme()).await;
    assert!(world.is_synced());
    assert!(world.cms.edit(BRAND, "Theirs"));
    let renamed = world.rename("Ours").await;
    world.hear_of(&renamed).await;
    world
}

#[tokio::test(start_paused = true)]
async fn what_an_editor_wrote_is_not_overwritten_and_the_row_says_so() {
    for conflicts in [Conflicts::Report, Conflicts::Theirs] {
        let world = renamed_on_both_sides(conflicts).await;
        assert_eq!(world.name_in_cms().as_deref(), Some("Theirs"));
        assert_eq!(world.mark(), Some("refused"));
        let state = world.state();
        let cause = state.mark.unwrap().cause;
        assert!(
            cause.contains("an editor has renamed the entry since"),
            "{cause}"
        );
        let held = state.holds.unwrap();
        assert_eq!(held.name, "Acme", "as both sides agreed on it");
        // It is what an operator wants.
        world.take_up(TakeUp::Marked).await;
        world.remind(None).await;
        assert!(world.is_synced());
        assert_eq!(world.name_in_cms().as_deref(), Some("Ours"));
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_policy_says_ours_the_name_here_wins() {
    let world = renamed_on_both_sides(Conflicts::Ours).await;
    assert!(world.is_synced());
    assert_eq!(world.name_in_cms().as_deref(), Some("Ours"));
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_other_fields_is_no_conflict() {
    let world = World::with_conflicts(Conflicts::Report);
    world.hear_of(&acme()).await;
    world.cms.describe(BRAND, "A brand.");
    let renamed = world.rename("Ours").await;
    world.hear_of(&renamed).await;
    assert!(world.is_synced());
    assert_eq!(world.name_in_cms().as_deref(), Some("Ours"));
    assert_eq!(world.cms.description(BRAND).as_deref(), Some("A brand."));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_an_editor_deleted_comes_back_with_the_next_change() {
    let world = World::with_conflicts(Conflicts::Report);
    world.hear_of(&acme()).await;
    assert!(world.cms.remove(BRAND));
    let renamed = world.rename("Ours").await;
    world.hear_of(&renamed).await;
    assert!(world.is_synced());
    assert_eq!(world.name_in_cms().as_deref(), Some("Ours"));
}

/// An editor has made an entry, and Acme was made of it.
fn taken_in(world: &World) -> String {
    let own = world.cms.add_entry("Acme", None);
    let holds = Held {
        entry: Some(own.clone()),
        revision: Some("1".to_owned()),
        unlinked: true,
        ..Held::named("Acme")
    };
    let state = SubscriberState {
        holds: Some(holds),
        ..SubscriberState::default()
    };
    let mut row = BrandRow::from(acme());
    row.subscribers.insert(CMS_SUBSCRIBER.to_owned(), state);
    world.brands.put(row);
    own
}

fn is_linked(world: &World) -> bool {
    let held = world.state().holds;
    world.is_synced()
        && held.is_some_and(|held| !held.unlinked)
        && world.cms.unlinked().is_empty()
        && world.cms.brands().len() == 1
        && world.name_in_cms().as_deref() == Some("Acme")
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_an_editor_made_gets_the_brands_id_and_no_second_one_is_made() {
    for faults in [
        "[]",
        r#"[{"operation": "update", "kind": "transient", "times": 1}]"#,
        r#"[{"operation": "update", "kind": "transient", "when": "after", "times": 1}]"#,
        r#"[{"operation": "update", "kind": "hang", "when": "after", "times": 1}]"#,
        r#"[{"operation": "update", "kind": "page", "when": "after", "times": 1}]"#,
    ] {
        let world = World::new(faults);
        let own = taken_in(&world);
        // It has other words by now.
        world.cms.describe(&own, "A brand.");
        world.hear_of(&acme()).await;
        // A call that was not answered may still take effect; then the run goes on.
        sleep(Duration::from_mins(2)).await;
        world.remind(None).await;
        assert!(is_linked(&world), "{faults}");
        assert_eq!(world.cms.description(BRAND).as_deref(), Some("A brand."));
        assert_eq!(world.cms.calls().creates, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_linked_also_where_all_is_in_doubt() {
    let world = World::new("[]");
    taken_in(&world);
    world.take_up(TakeUp::Everything).await;
    world.remind(None).await;
    assert!(is_linked(&world));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_has_gone_or_changed_is_not_linked_and_none_is_made() {
    for is_gone in [true, false] {
        let world = World::new("[]");
        let own = taken_in(&world);
        if is_gone {
            assert!(world.cms.remove(&own));
        } else {
            assert!(world.cms.edit(&own, "Edited"));
        }
        world.hear_of(&acme()).await;
        assert_eq!(world.mark(), Some("refused"));
        assert_eq!(world.cms.brands(), []);
        let held = world.state().holds.unwrap();
        assert!(
            held.unlinked,
            "the next reconciliation knows which entry it is"
        );
        assert_eq!(held.entry, Some(own));
    }
}

#[tokio::test(start_paused = true)]
async fn a_brand_that_is_deleted_before_it_is_linked_leaves_the_editors_entry() {
    let world = World::new("[]");
    taken_in(&world);
    let deleted = world.delete().await;
    world.hear_of(&deleted).await;
    assert!(world.is_synced());
    assert_eq!(world.cms.unlinked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_refused_is_marked_and_the_entry_stays_as_it_is() {
    let world = World::new(r#"[{"operation": "update", "kind": "permanent"}]"#);
    taken_in(&world);
    world.hear_of(&acme()).await;
    assert_eq!(world.mark(), Some("refused"));
    assert_eq!(world.cms.unlinked().len(), 1);
    assert_eq!(world.cms.brands(), []);
}

/// An editor renames the entry while the run waits, whose last call the CMS answered with 503; then the run goes on.
async fn renamed_while_it_waits(world: &World) {
    assert_eq!(world.mark(), None);
    assert!(world.cms.edit(BRAND, "Theirs"));
    world.cms.set_faults("".parse().unwrap());
    let due_at = world.row().due_at.unwrap();
    sleep(due_at.since(world.now()) + Duration::from_secs(1)).await;
    world.remind(None).await;
    assert_eq!(world.mark(), Some("refused"));
    assert_eq!(world.name_in_cms().as_deref(), Some("Theirs"));
}

#[tokio::test(start_paused = true)]
async fn what_an_editor_writes_between_two_attempts_is_not_overwritten() {
    let world = World::with_conflicts(Conflicts::Report);
    world.hear_of(&acme()).await;
    let fails = r#"[{"operation":"update","kind":"transient","when":"before"}]"#;
    world.cms.set_faults(fails.parse().unwrap());
    let renamed = world.rename("Ours").await;
    world.hear_of(&renamed).await;
    renamed_while_it_waits(&world).await;
}

#[tokio::test(start_paused = true)]
async fn what_an_editor_writes_before_a_refused_brand_is_undone_is_not_deleted() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"permanent","when":"after"},
            {"operation":"delete","kind":"transient","when":"before"}]"#,
    );
    world.remind(None).await;
    renamed_while_it_waits(&world).await;
}
