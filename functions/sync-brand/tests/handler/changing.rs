//! Brands that are changed and deleted: the CMS follows, in whichever order the events come.

use brand::TakeUp;
use std::time::Duration;
use tokio::time::sleep;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_change_reaches_the_cms_and_a_deletion_takes_the_brand_from_it() {
    let world = World::with_brand("");
    world.remind(None).await;
    let renamed = world.rename("Globex").await;
    world.hear_of(&renamed).await;
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
    let deleted = world.delete().await;
    world.hear_of(&deleted).await;
    assert_eq!(world.name_in_cms(), None);
    assert!(world.is_synced());
    assert_eq!(world.state().holds, None);
    assert_eq!(world.parked(), []);
    let expires_at = world.brands.expires_at(deleted.id).unwrap();
    assert!(expires_at > world.now().plus(Duration::from_hours(29 * 24)));
}

#[tokio::test(start_paused = true)]
async fn events_that_come_late_or_twice_or_in_the_wrong_order_change_nothing() {
    let world = World::with_brand("");
    let created = world.row().brand;
    let first = world.rename("First").await;
    let second = world.rename("Second").await;
    for brand in [&second, &created, &first, &second, &created] {
        world.hear_of(brand).await;
    }
    assert_eq!(world.name_in_cms().as_deref(), Some("Second"));
    let calls = world.cms.calls();
    assert_eq!((calls.creates, calls.updates), (1, 0), "one call is enough");
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_supersedes_a_run_that_waits_and_reads_the_cms_first() {
    // The CMS creates it, says that it has not, and cannot be asked.
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"after"},
            {"operation":"retrieve","kind":"transient","when":"before"}]"#,
    );
    world.remind(None).await;
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
    assert!(world.state().run.is_some(), "it waits");
    world.cms.set_faults("".parse().unwrap());
    let retrieves = world.cms.calls().retrieves;
    let deleted = world.delete().await;
    world.hear_of(&deleted).await;
    assert_eq!(world.cms.calls().retrieves, retrieves + 1);
    assert_eq!(world.name_in_cms(), None);
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_is_undone_to_what_the_cms_really_held() {
    // Version 1 reached the CMS, though it did not say so; version 2 is refused after it has acted.
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"after"},
            {"operation":"update","name":"Globex","kind":"permanent","when":"after"}]"#,
    );
    world.remind(None).await;
    let renamed = world.rename("Globex").await;
    world.hear_of(&renamed).await;
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"), "not removed");
    assert_eq!(world.mark(), Some("refused"));
    assert_eq!(world.held_name().as_deref(), Some("Acme"));
}

#[tokio::test(start_paused = true)]
async fn a_brand_that_changes_during_its_sync_is_taken_on_by_the_same_worker() {
    let world =
        World::with_brand(r#"[{"operation":"create","kind":"hang","when":"after","times":1}]"#);
    let change = async {
        sleep(Duration::from_secs(1)).await;
        world.rename("Globex").await;
    };
    tokio::join!(world.remind(None), change);
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
    assert!(world.is_synced(), "{:?}", world.row());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_the_cms_refuses_after_acting_creates_the_brand_again() {
    let world = World::with_brand(
        r#"[{"operation":"delete","kind":"permanent","when":"after","times":1}]"#,
    );
    world.remind(None).await;
    let deleted = world.delete().await;
    world.hear_of(&deleted).await;
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
    assert_eq!(world.mark(), Some("refused"));
    assert_eq!(world.brands.expires_at(deleted.id), None, "the row stays");

    world.take_up(TakeUp::Marked).await;
    world.remind(None).await;
    assert_eq!(world.name_in_cms(), None);
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_follows_a_refused_one_reaches_the_cms() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"permanent","when":"after"},
            {"operation":"delete","kind":"permanent","when":"before","times":1}]"#,
    );
    world.remind(None).await;
    assert_eq!(world.mark(), Some("failed"));
    assert_eq!(world.row().due_at, None);
    let renamed = world.rename("Globex").await;
    world.hear_of(&renamed).await;
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
    assert!(world.is_synced());
    assert_eq!(world.mark(), None);
}

#[tokio::test(start_paused = true)]
async fn a_row_restored_from_a_backup_is_synced_like_any_other() {
    let world = World::with_brand("");
    world.remind(None).await;
    let backup = world.row();
    for name in ["Second", "Third"] {
        let renamed = world.rename(name).await;
        world.hear_of(&renamed).await;
    }
    world.brands.put(backup);
    world.take_up(TakeUp::Everything).await;
    world.remind(None).await;
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
    // The version numbers come a second time.
    for name in ["Another", "Third"] {
        let renamed = world.rename(name).await;
        world.hear_of(&renamed).await;
        assert_eq!(world.name_in_cms().as_deref(), Some(name));
        assert!(world.is_synced());
    }
}

#[tokio::test(start_paused = true)]
async fn no_key_is_used_twice_whatever_was_lost() {
    let world = World::with_brand("");
    world.remind(None).await;
    for name in ["L2", "L3", "L4", "L5", "Acme"] {
        // The record of what was done is lost each time.
        let mut row = world.row();
        row.subscribers.clear();
        world.brands.put(row);
        let renamed = world.rename(name).await;
        world.take_up(TakeUp::Everything).await;
        world.hear_of(&renamed).await;
        assert_eq!(world.name_in_cms().as_deref(), Some(name));
        assert!(world.is_synced());
    }
}
