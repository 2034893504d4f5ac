//! A process that takes its share of the rate at which the CMS may be called.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use brand::{Brand, BrandId, CloudEvent, Timestamp};
use circuit::ProbeToken;

use crate::world::{World, acme, message};

/// Stores so many new brands; the batch announces them.
fn announced(world: &World, count: u64) -> SqsEvent {
    let mut batch = SqsEvent::default();
    for number in 0..count {
        let brand = Brand {
            id: BrandId::new(Timestamp::from_millis(number)),
            ..acme()
        };
        world.brands.put(brand.clone());
        let event = serde_json::to_string(&CloudEvent::about(&brand)).unwrap();
        batch.records.append(&mut message(&event).records);
    }
    batch
}

/// How long the process works on the batch.
async fn time_for(world: &World, batch: SqsEvent) -> Duration {
    let begun = world.clock.now();
    world.deliver_batch(batch).await;
    begun.until(world.clock.now())
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_called_about_at_the_pace_of_the_process() {
    let world = World::with_share("", 2.0);
    let took = time_for(&world, announced(&world, 10)).await;
    assert_eq!(world.cms.brands().len(), 10);
    let (least, most) = (Duration::from_millis(4_500), Duration::from_millis(5_500));
    assert!((least..most).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_configured_rate_a_batch_is_called_about_at_once() {
    let world = World::new("");
    let took = time_for(&world, announced(&world, 10)).await;
    assert_eq!(world.cms.brands().len(), 10);
    assert!(took < Duration::from_millis(100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_gets_no_call_in_time_stays_due_and_is_not_begun() {
    let world = World::with_share("", 0.2);
    let took = time_for(&world, announced(&world, 10)).await;
    let there = world.cms.brands().len();
    assert!((4..=5).contains(&there), "{there}");
    assert!(took < Duration::from_secs(26), "{took:?}");
    let rows = world.brands.all_rows();
    let left = rows.iter().filter(|row| row.due_at.is_some());
    assert_eq!(left.clone().count(), 10 - there);
    for row in left {
        assert_eq!((&row.lease, row.subscribers.len()), (&None, 0));
        assert_eq!(row.attention_since(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_call_takes_one_of_its_own_also_where_calls_are_far_apart() {
    for (share, least) in [(1.0, 1_000), (0.2, 2_000)] {
        let failing_once =
            r#"[{"operation":"create","kind":"transient","when":"before","times":1}]"#;
        let world = World::with_share(failing_once, share);
        let took = time_for(&world, announced(&world, 1)).await;
        assert_eq!(world.cms.brands().len(), 1, "share {share}");
        assert!(took >= Duration::from_millis(least), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_does_not_wait() {
    let world = World::with_share("", 0.04);
    world.deliver_batch(announced(&world, 1)).await;
    world.brands.put(acme());
    let now = world.clock.now();
    let token = ProbeToken::new("any").to_string();
    world.remind(Some(token)).await;
    assert!(world.is_synced());
    assert_eq!(world.clock.now(), now);
}
