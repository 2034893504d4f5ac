//! What becomes of messages, whatever they are about.

use std::pin::pin;

use cms::StubCms;
use futures::poll;
use sync_brand::MAX_EVENT;

use crate::world::{BRAND, DeadLetters, MIXED, ONE, World, acme, batch, failures};

#[tokio::test(start_paused = true)]
async fn one_bad_message_harms_no_other() {
    let world = World::with_brand("");
    let response = world
        .handler
        .handle(batch(MIXED), Some(world.deadline()))
        .await;
    assert_eq!(failures(&response), [""; 0], "all are acknowledged");
    assert_eq!(world.cms.brands().len(), 1);
    let mut parked = world.parked();
    parked.sort_by(|one, other| one.id.cmp(&other.id));
    let kinds: Vec<(&str, &str)> = parked
        .iter()
        .map(|parked| (&parked.id[..8], parked.kind.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("00000002", "malformed"),
            ("00000003", "unknown_type"),
            ("00000004", "malformed")
        ]
    );
    let reason = &parked[1].reason;
    assert_eq!(reason, r#"unknown event type "product.created""#);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_is_followed_as_an_event_is() {
    let world = World::with_brand("");
    let event = batch(include_str!("../../../../events/sqs-sync-due.json"));
    let response = world.handler.handle(event, Some(world.deadline())).await;
    assert_eq!(failures(&response), [""; 0]);
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_message_about_a_brand_that_is_not_there_is_parked_in_its_trace() {
    let world = World::new("");
    let response = world
        .handler
        .handle(batch(ONE), Some(world.deadline()))
        .await;
    assert_eq!(failures(&response), [""; 0]);
    let parked = &world.parked()[0];
    assert_eq!(parked.kind, "unknown_brand");
    assert_eq!(
        parked.reason,
        format!("brand with id {BRAND} was not found")
    );
    let trace = parked.trace.as_deref();
    assert_eq!(trace, Some("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(world.cms.calls().creates, 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_parked_is_not_acknowledged() {
    let dead_letters = DeadLetters {
        is_away: true,
        ..DeadLetters::default()
    };
    let cms = StubCms::new(None, "".parse().unwrap());
    let world = World::with(cms, Vec::new(), dead_letters);
    let response = world
        .handler
        .handle(batch(MIXED), Some(world.deadline()))
        .await;
    assert_eq!(response.batch_item_failures.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_id_that_cannot_be_parked_fails_the_whole_batch() {
    let dead_letters = DeadLetters {
        is_away: true,
        ..DeadLetters::default()
    };
    let cms = StubCms::new(None, "".parse().unwrap());
    let world = World::with(cms, Vec::new(), dead_letters);
    let mut event = batch(ONE);
    event.records[0].message_id = None;
    let response = world.handler.handle(event, Some(world.deadline())).await;
    assert_eq!(failures(&response), [""]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_parked_at_once() {
    let world = World::with_brand("");
    let mut event = batch(ONE);
    let body = event.records[0].body.as_mut().unwrap();
    *body = format!("{body}{}", " ".repeat(MAX_EVENT));
    let response = world.handler.handle(event, Some(world.deadline())).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.parked()[0].kind, "too_large");
    assert_eq!(world.cms.calls().creates, 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_meets_another_worker_is_acknowledged_and_the_row_stays_due() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"hang","when":"before"}]"#);
    let due_at = world.row().due_at;
    let mut first = pin!(world.handler.handle(batch(ONE), Some(world.deadline())));
    assert!(poll!(&mut first).is_pending(), "it is at its run");
    world.remind(None).await;
    assert_eq!(world.cms.calls().creates, 1);
    assert_eq!(world.row().due_at, due_at);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_when_no_time_is_left_is_acknowledged_and_the_row_stays_due() {
    let world = World::with_brand("");
    let now = Some(world.clock.now().as_millis());
    let response = world.handler.handle(batch(ONE), now).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.calls().creates, 0);
    assert_eq!(world.row().due_at, Some(acme().updated_at));
}
