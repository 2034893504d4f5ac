//! What becomes of messages, whatever they are about.

use std::pin::pin;

use futures::poll;
use sync_brand::MAX_EVENT;

use crate::world::{
    BRAND, MAX_RECEIVES, MIXED, ONE, Queues, World, acme, batch, failures, received,
};

#[tokio::test]
async fn one_bad_message_harms_no_other() {
    let world = World::new("");
    world.brands.put(acme());
    let response = world.handler.handle(batch(MIXED), None).await;
    assert_eq!(
        failures(&response),
        [""; 0],
        "all are acknowledged: done, or parked"
    );
    assert_eq!(world.cms.brands().len(), 1);
    let mut parked = world.parked();
    parked.sort();
    let kinds: Vec<(&str, &str)> = parked
        .iter()
        .map(|(id, kind, _)| (&id[..8], kind.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("00000002", "malformed"),
            ("00000003", "unknown_type"),
            ("00000004", "malformed")
        ]
    );
    assert!(
        parked[1]
            .2
            .contains(r#"no event is of type "product.created""#),
        "{}",
        parked[1].2
    );
}

#[tokio::test]
async fn a_parked_message_stays_in_the_trace_that_it_was_sent_in() {
    let world = World::new("");
    let response = world.handler.handle(received(1), None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.parked().len(), 1, "its brand is not there");
    let traces = world.queues.traces.lock().unwrap().clone();
    assert_eq!(
        traces,
        [Some("0af7651916cd43dd8448eb211c80319c".to_owned())]
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_parked_is_not_acknowledged() {
    let queues = Queues {
        dead_letters_away: true,
        ..Queues::default()
    };
    let world = World::with("", queues);
    let response = world.handler.handle(batch(MIXED), None).await;
    assert_eq!(response.batch_item_failures.len(), 4);
}

#[tokio::test]
async fn a_message_without_an_id_fails_the_whole_batch() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"before","retry_after_seconds":1}]"#,
    );
    let mut event = received(1);
    event.records[0].message_id = None;
    // The engine gives up when the invocation ends, which it has.
    let response = world.handler.handle(event, Some(1_000_000_000_000)).await;
    assert_eq!(failures(&response), [""]);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_parked_at_once() {
    let world = World::with_brand("");
    let mut event = received(1);
    let body = event.records[0].body.as_mut().unwrap();
    *body = format!("{body}{}", " ".repeat(MAX_EVENT));
    let response = world.handler.handle(event, None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.parked()[0].1, "too_large");
    assert_eq!(world.cms.calls().creates, 0);
}

#[tokio::test]
async fn an_event_without_subscribers_is_acknowledged() {
    let world = World::with_brand("");
    let handler = world.handler.with_subscriptions(&[]);
    let response = handler.handle(batch(ONE), None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.queues.parked.lock().unwrap().len(), 0);
    assert_eq!(world.cms.calls().creates, 0);
}

#[tokio::test]
async fn the_last_delivery_that_finds_another_worker_at_the_run_is_sent_anew() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"hang","when":"before"}]"#);
    let mut first = pin!(world.handler.handle(batch(ONE), None));
    assert!(poll!(&mut first).is_pending(), "it is at its run");
    let response = world.handler.handle(received(MAX_RECEIVES), None).await;
    assert_eq!(failures(&response), [""; 0], "it is acknowledged");
    assert_eq!(world.parked(), []);
    let anew = world.queues.sent_anew.lock().unwrap().clone();
    assert_eq!(anew.len(), 1);
    assert!(anew[0].0.contains(BRAND));
}
