//! Brands that are synced in the end.

use workflow::RunState;

use crate::world::{BRAND, ONE, World, batch, failures, received};

#[tokio::test]
async fn a_brand_that_was_created_reaches_the_cms_once_and_is_marked_synced() {
    let world = World::with_brand("");
    let response = world.handler.handle(batch(ONE), None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.brands().len(), 1);
    assert_eq!(world.cms.creates(BRAND), 1);
    assert!(world.brand().await.unwrap().synced_at.is_some());
    assert_eq!(world.run().await.unwrap().state, RunState::Done);
    assert_eq!(world.parked(), []);
}

#[tokio::test]
async fn an_event_that_comes_twice_has_the_effect_of_one() {
    let world = World::with_brand("");
    for _ in 0..2 {
        let response = world.handler.handle(batch(ONE), None).await;
        assert_eq!(failures(&response), [""; 0]);
    }
    assert_eq!(world.cms.calls().creates, 1);
}

#[tokio::test]
async fn an_event_that_comes_twice_at_once_has_the_effect_of_one() {
    let world = World::with_brand("");
    let (one, other) = futures::join!(
        world.handler.handle(batch(ONE), None),
        world.handler.handle(batch(ONE), None)
    );
    assert!(failures(&one).len() + failures(&other).len() <= 1);
    assert_eq!(world.cms.creates(BRAND), 1);
    assert!(world.brand().await.unwrap().synced_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_cms_that_is_away_postpones_the_message_and_the_next_delivery_goes_on() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"before","times":3}]"#,
    );
    let response = world.handler.handle(batch(ONE), None).await;
    assert_eq!(
        failures(&response),
        ["059f36b4-87a3-44ab-83d2-661975830a7d"]
    );
    assert_eq!(world.queues.postponed.lock().unwrap().len(), 1);
    assert_eq!(world.parked(), []);
    let run = world.run().await.unwrap();
    assert_eq!((run.state, run.lease_until), (RunState::Invoking, None));

    let response = world.handler.handle(received(2), None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.creates(BRAND), 1);
    assert_eq!(world.run().await.unwrap().state, RunState::Done);
}

#[tokio::test]
async fn an_event_that_is_sent_again_after_its_run_was_reverted_starts_afresh() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"permanent","when":"after","times":1}]"#,
    );
    world.handler.handle(batch(ONE), None).await;
    assert_eq!(world.cms.brands(), []);
    world.handler.handle(batch(ONE), None).await;
    assert_eq!(world.cms.brands().len(), 1);
    let run = world.run().await.unwrap();
    assert_eq!((run.state, run.attempt), (RunState::Done, 2));
}
