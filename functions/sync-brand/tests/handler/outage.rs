//! A CMS that is away: the circuit opens, the rows wait, one probe at a time looks whether it is back.

use brand::{Brand, BrandId, BrandName, CloudEvent, Timestamp};
use circuit::ProbeToken;
use std::time::Duration;

use crate::world::{BRAND, ONE, World, acme, batch, failures, id, message};

const AWAY: &str = r#"[{"operation":"create","kind":"transient","when":"before"},
    {"operation":"update","kind":"transient","when":"before"},
    {"operation":"delete","kind":"transient","when":"before"},
    {"operation":"retrieve","kind":"transient","when":"before"}]"#;

fn brands(count: u64) -> Vec<Brand> {
    let brand = |number| Brand {
        id: BrandId::new(Timestamp::from_millis(number)),
        name: BrandName::parse("Acme").unwrap(),
        ..acme()
    };
    (0..count).map(brand).collect()
}

/// What the sweep does, where a probe is due.
async fn begin_probe(world: &World) -> ProbeToken {
    let circuit = world.breaker.load().await.unwrap();
    let begun = world.breaker.begin_probe(&circuit, world.clock.now());
    begun.await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn five_failing_brands_open_the_circuit_and_the_rest_is_not_tried() {
    let world = World::new(AWAY);
    for brand in brands(20) {
        world.brands.put(brand.clone());
        let event = serde_json::to_string(&CloudEvent::about(&brand)).unwrap();
        let response = world
            .handler
            .handle(message(&event), Some(world.deadline()))
            .await;
        assert_eq!(failures(&response), [""; 0]);
    }
    let calls = world.cms.calls().creates;
    assert!((5..=15).contains(&calls), "{calls} calls");
    assert!(world.breaker.load().await.unwrap().is_open());
    for row in world.brands.all_rows() {
        assert!(row.due_at.is_some(), "it stays due");
        assert_eq!(row.attention_since(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_answered_closes_the_circuit() {
    let world = World::with_brand(AWAY);
    for brand in brands(5) {
        world.brands.put(brand.clone());
        world.hear_of(&brand).await;
    }
    assert!(world.breaker.load().await.unwrap().is_open());
    let calls = world.cms.calls().creates;
    world.remind(None).await;
    assert_eq!(world.cms.calls().creates, calls, "the circuit is open");

    tokio::time::sleep(Duration::from_mins(1)).await;
    let token = begin_probe(&world).await;
    world.remind(Some(token.to_string())).await;
    assert_eq!(world.cms.calls().creates, calls + 1, "a probe is one call");
    assert!(world.breaker.load().await.unwrap().is_open());

    world.cms.set_faults("".parse().unwrap());
    tokio::time::sleep(Duration::from_mins(3)).await;
    let token = begin_probe(&world).await;
    world.remind(Some(token.to_string())).await;
    assert!(!world.breaker.load().await.unwrap().is_open());
    assert!(world.is_synced(), "{:?}", world.brands.row(id()));
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_a_row_that_has_nothing_to_do_reads_the_cms() {
    let world = World::with_brand("");
    let response = world
        .handler
        .handle(batch(ONE), Some(world.deadline()))
        .await;
    assert_eq!(failures(&response), [""; 0]);
    world.cms.set_faults(AWAY.parse().unwrap());
    for brand in brands(5) {
        world.brands.put(brand.clone());
        world.hear_of(&brand).await;
    }
    world.cms.set_faults("".parse().unwrap());
    tokio::time::sleep(Duration::from_mins(1)).await;
    let token = begin_probe(&world).await;
    let before = world.cms.calls().retrieves;
    world.remind(Some(token.to_string())).await;
    assert_eq!(world.cms.calls().retrieves, before + 1);
    assert!(!world.breaker.load().await.unwrap().is_open());
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_row_is_found_to_be_done_comes_to_a_verdict() {
    // The CMS acts, and says neither then nor later that it has.
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"after"},{"kind":"transient"}]"#,
    );
    world.remind(None).await;
    assert_eq!(world.cms.creates(BRAND), 1);
    for brand in brands(5) {
        world.brands.put(brand.clone());
        world.hear_of(&brand).await;
    }
    assert!(world.breaker.load().await.unwrap().is_open());
    world.cms.set_faults("".parse().unwrap());
    tokio::time::sleep(Duration::from_mins(3)).await;
    let token = begin_probe(&world).await;
    let creates = world.cms.calls().creates;
    world.remind(Some(token.to_string())).await;
    assert!(world.is_synced());
    assert_eq!(world.cms.calls().creates, creates, "it was read only");
    assert!(!world.breaker.load().await.unwrap().is_open());
}

#[tokio::test(start_paused = true)]
async fn rows_and_the_first_probe_wait_for_retry_after_but_for_no_more_than_a_day() {
    for (seconds, hours) in [(3_600, 1), (1_000_000_000, 24)] {
        let world = World::new(&format!(
            r#"[{{"operation":"create","kind":"transient","when":"before","retry_after_seconds":{seconds}}}]"#
        ));
        let (begun, wait) = (world.now(), Duration::from_hours(hours));
        for brand in brands(5) {
            world.brands.put(brand.clone());
            world.hear_of(&brand).await;
        }
        let ended = world.now();
        for row in world.brands.all_rows() {
            let due_at = row.due_at.unwrap();
            assert!((begun.plus(wait)..=ended.plus(wait)).contains(&due_at));
        }
        let open = world.breaker.load().await.unwrap().open.unwrap();
        let probe_at = Timestamp::from_millis(open.probing().unwrap().probe_at.as_millis());
        assert!((begun.plus(wait)..=ended.plus(wait)).contains(&probe_at));
    }
}
