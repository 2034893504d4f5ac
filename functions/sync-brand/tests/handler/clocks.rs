//! Rows that a worker has written whose clock was a year ahead. Its brand must not wait for a year.

use std::time::Duration;

use brand::{BrandRow, CMS_SUBSCRIBER, Lease};
use workflow::Run;

use crate::world::{BRAND, ONE, World, batch};

const YEAR: Duration = Duration::from_hours(365 * 24);

/// A row whose run waits for the CMS, as `change` leaves it.
async fn world_with(change: impl FnOnce(&World, &mut BrandRow, &mut Run)) -> World {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"before","times":3}]"#,
    );
    let deadline = Some(world.deadline());
    world.handler.handle(batch(ONE), deadline).await;
    let mut row = world.row();
    let mut state = world.state();
    let mut record = state.run.take().unwrap();
    let mut run = serde_json::from_str(&record.record).unwrap();
    change(&world, &mut row, &mut run);
    record.record = serde_json::to_string(&run).unwrap();
    state.run = Some(record);
    row.subscribers.insert(CMS_SUBSCRIBER.to_owned(), state);
    world.brands.put(row);
    world
}

fn lease_for_a_year(world: &World, row: &mut BrandRow) {
    row.lease = Some(Lease {
        token: "ahead".to_owned(),
        sequence: 7,
        until: Some(world.now().plus(YEAR)),
    });
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_leased_for_a_year_is_taken() {
    let world = world_with(|world, row, run| {
        lease_for_a_year(world, row);
        run.resume_at = None;
        run.lease_until = Some(world.clock.now().plus(YEAR));
    })
    .await;
    world.remind(None).await;
    assert_eq!(world.cms.creates(BRAND), 1);
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_new_row_that_is_leased_for_a_year_is_taken() {
    let world = World::with_brand("");
    let mut row = world.row();
    lease_for_a_year(&world, &mut row);
    world.brands.put(row);
    world.remind(None).await;
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_to_go_on_in_a_year_is_begun_anew() {
    let world = world_with(|world, row, run| {
        row.due_at = Some(world.now().plus(YEAR));
        run.resume_at = Some(world.clock.now().plus(YEAR));
    })
    .await;
    world.remind(None).await;
    assert_eq!(world.cms.creates(BRAND), 1);
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_a_day_goes_on_waiting() {
    let day = Duration::from_hours(24);
    let world = world_with(|world, _, run| {
        run.resume_at = Some(world.clock.now().plus(day));
    })
    .await;
    world.remind(None).await;
    assert_eq!(world.cms.creates(BRAND), 0);
    assert!(!world.is_synced());
}
