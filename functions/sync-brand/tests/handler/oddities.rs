//! CMSes as they are: odd answers, each one met by asking the CMS what it holds. "Synced" is true with all of them.

use std::time::Duration;

use cms::{Cms, CmsBrand};
use reconcile::Conflicts;
use tokio::time::sleep;

use crate::world::{BRAND, World};

/// Waits until the row is due again, and delivers the sweep's reminder.
async fn wait_and_remind(world: &World) {
    let due_at = world.row().due_at.unwrap();
    sleep(due_at.since(world.now()) + Duration::from_secs(1)).await;
    world.remind(None).await;
}

fn assert_refused(world: &World, reason: &str) {
    assert_eq!(world.mark(), Some("refused"));
    let mark = world.state().mark.unwrap();
    assert!(mark.cause.contains(reason), "{}", mark.cause);
    assert!(!world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_another_entry_has_is_refused_with_the_reason_of_the_cms() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"conflict"}]"#);
    world.remind(None).await;
    assert_refused(&world, "the name is taken by another entry");
    assert_eq!(world.cms.brands(), []);
}

#[tokio::test(start_paused = true)]
async fn a_brand_that_the_cms_holds_already_is_synced_without_a_second_entry() {
    let world = World::with_brand("");
    let acme = CmsBrand {
        id: BRAND.to_owned(),
        name: "Acme".to_owned(),
    };
    world.cms.create_brand(&acme, "by hand").await.unwrap();
    world.remind(None).await;
    assert!(world.is_synced());
    assert_eq!(world.cms.brands(), [acme]);
    assert_eq!(world.cms.calls().updates, 0);
}

#[tokio::test(start_paused = true)]
async fn an_entry_with_our_id_and_another_name_is_brought_to_ours_if_the_policy_says_so() {
    for (conflicts, name, is_synced) in [
        (Conflicts::Ours, "Acme", true),
        (Conflicts::Report, "Acme of old", false),
    ] {
        let world = World::with_conflicts(conflicts);
        let other = CmsBrand {
            id: BRAND.to_owned(),
            name: "Acme of old".to_owned(),
        };
        world.cms.create_brand(&other, "by hand").await.unwrap();
        world.remind(None).await;
        assert_eq!(world.is_synced(), is_synced);
        assert_eq!(world.mark().is_some(), !is_synced);
        assert_eq!(world.name_in_cms().as_deref(), Some(name));
    }
}

#[tokio::test(start_paused = true)]
async fn a_maintenance_page_is_an_outage() {
    let world = World::with_brand(r#"[{"kind":"page"}]"#);
    world.remind(None).await;
    assert_eq!((world.mark(), world.is_synced()), (None, false));
    assert_eq!(world.cms.brands(), []);
    world.cms.set_faults("".parse().unwrap());
    wait_and_remind(&world).await;
    assert!(world.is_synced());
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
}

#[tokio::test(start_paused = true)]
async fn an_error_in_the_body_of_a_200_is_a_refusal() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"errors"}]"#);
    world.remind(None).await;
    assert_refused(&world, "the stub was told to fail in the body");
    assert_eq!(world.cms.brands(), []);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_the_cms_keeps_under_its_key_is_tried_again_under_another() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"before","kept":true,"times":1}]"#,
    );
    world.remind(None).await;
    assert!(world.is_synced());
    assert_eq!(world.cms.calls().creates, 2);
    assert_eq!(world.cms.creates(BRAND), 1);
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_an_editor_has_changed_is_read_and_written_again() {
    let world = World::with_brand("");
    world.remind(None).await;
    world.cms.describe(BRAND, "Anvils since 1949");
    let renamed = world.rename("Globex").await;
    world.hear_of(&renamed).await;
    assert!(world.is_synced());
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
    assert_eq!(
        world.cms.calls().updates,
        2,
        "the first has an old revision"
    );
    let description = world.cms.description(BRAND);
    assert_eq!(description.as_deref(), Some("Anvils since 1949"));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_that_does_not_pass_is_a_refusal() {
    let world = World::with_brand(r#"[{"operation":"update","kind":"conflict"}]"#);
    world.remind(None).await;
    let renamed = world.rename("Globex").await;
    world.hear_of(&renamed).await;
    assert_refused(&world, "the name is taken by another entry");
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
    assert_eq!(world.held_name().as_deref(), Some("Acme"));
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_an_editor_has_deleted_is_made_again() {
    let world = World::with_brand("");
    world.remind(None).await;
    world.cms.delete_brand(BRAND, "by hand").await.unwrap();
    let renamed = world.rename("Globex").await;
    world.hear_of(&renamed).await;
    assert!(world.is_synced());
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_refused_for_a_while_is_an_outage() {
    let world = World::with_brand(r#"[{"kind":"unauthorized"}]"#);
    world.remind(None).await;
    assert_eq!(world.cms.calls().creates, 1, "the circuit opens at once");
    assert_eq!((world.mark(), world.is_synced()), (None, false));
    let circuit = world.breaker.load().await.unwrap();
    let cause = circuit.open.unwrap().cause;
    assert!(cause.contains("the api key has expired"), "{cause}");
    world.cms.set_faults("".parse().unwrap());
    let closed = world
        .breaker
        .close("operate", "the key is right", world.clock.now());
    closed.await.unwrap();
    wait_and_remind(&world).await;
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn what_the_key_does_not_permit_for_one_brand_is_refused_after_an_hour() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"forbidden"}]"#);
    let begun = world.now();
    world.remind(None).await;
    while world.mark().is_none() {
        assert!(world.now().since(begun) < Duration::from_hours(2));
        wait_and_remind(&world).await;
    }
    assert!(world.now().since(begun) >= Duration::from_hours(1));
    assert_refused(&world, "the api key does not permit this");
    let circuit = world.breaker.load().await.unwrap();
    assert!(!circuit.is_open(), "one brand does not open it");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_acts_and_answers_500_is_found_by_a_read() {
    // Payload answers so, also to the second create of an id.
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","status":500,"when":"before","only":"existing"},
            {"operation":"create","kind":"transient","status":500,"when":"after"}]"#,
    );
    world.remind(None).await;
    assert!(world.is_synced());
    let calls = world.cms.calls();
    assert_eq!((calls.creates, calls.retrieves, calls.deletes), (1, 1, 0));
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_more_than_twelve_hours_is_kept() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","times":1,"retry_after_seconds":50000}]"#,
    );
    let begun = world.now();
    world.remind(None).await;
    let due_at = world.row().due_at.unwrap();
    assert!(due_at.since(begun) >= Duration::from_secs(50_000));
    wait_and_remind(&world).await;
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_change_to_the_name_that_the_cms_holds_asks_nothing_of_it() {
    let world = World::with_brand("");
    world.remind(None).await;
    let renamed = world.rename("Acme").await;
    world.hear_of(&renamed).await;
    assert!(world.is_synced());
    assert_eq!(world.cms.calls().updates, 0);
}
