//! What the handler reports of its calls to the CMS.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use circuit::{CallReports, last_hour};
use tokio::time::advance;

use crate::world::{World, acme};

#[tokio::test(start_paused = true)]
async fn calls_are_reported_at_the_end_of_a_batch_once_a_minute_has_passed() {
    let mut world = World::with_brand("");
    let reports = CallReports::new(Arc::new(world.circuits.clone()), "cms");
    world.handler = world.handler.with_reports(reports);
    world.hear_of(&acme()).await;
    let reported = async |world: &World| {
        let hour = last_hour(&world.circuits, "cms", world.clock.now()).await;
        let calls = hour.unwrap().into_iter().map(|(_, calls)| calls.calls);
        calls.collect::<Vec<_>>()
    };
    assert_eq!(reported(&world).await, [0; 0]);
    advance(Duration::from_mins(1)).await;
    let renamed = world.rename("Globex").await;
    world.hear_of(&renamed).await;
    assert_eq!(reported(&world).await, [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn without_time_for_it_nothing_is_reported_until_the_next_batch() {
    let mut world = World::with_brand("");
    let reports = CallReports::new(Arc::new(world.circuits.clone()), "cms");
    world.handler = world.handler.with_reports(reports);
    world.hear_of(&acme()).await;
    advance(Duration::from_mins(1)).await;
    let nothing = SqsEvent::default();
    // The answer's margin is two seconds, and a report may take one.
    let soon = world.clock.now().plus(Duration::from_millis(2_999));
    world
        .handler
        .handle(nothing.clone(), Some(soon.as_millis()))
        .await;
    let hour = last_hour(&world.circuits, "cms", world.clock.now()).await;
    assert_eq!(hour.unwrap(), []);
    world.handler.handle(nothing, Some(world.deadline())).await;
    let hour = last_hour(&world.circuits, "cms", world.clock.now()).await;
    assert_eq!(hour.unwrap().len(), 1);
}
