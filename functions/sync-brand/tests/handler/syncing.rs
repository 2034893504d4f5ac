//! Brands that are synced in the end, however long that takes.

use std::time::Duration;

use brand::{Brand, BrandName, SHARDS, TakeUp};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::world::{BRAND, ONE, World, acme, batch, failures};

#[tokio::test(start_paused = true)]
async fn a_new_brand_reaches_the_cms_once_and_its_row_says_so() {
    let world = World::with_brand("");
    let response = world
        .handler
        .handle(batch(ONE), Some(world.deadline()))
        .await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.creates(BRAND), 1);
    assert!(world.is_synced());
    assert_eq!(world.held_name().as_deref(), Some("Acme"));
    assert_eq!(
        world.state().run,
        None,
        "a run that is done leaves no record"
    );
    assert_eq!(world.row().lease.unwrap().until, None);
    assert_eq!(world.parked(), []);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_twice_has_the_effect_of_one() {
    let world = World::with_brand("");
    for _ in 0..2 {
        let response = world
            .handler
            .handle(batch(ONE), Some(world.deadline()))
            .await;
        assert_eq!(failures(&response), [""; 0]);
    }
    assert_eq!(world.cms.calls().creates, 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_twice_at_once_has_the_effect_of_one() {
    let world = World::with_brand("");
    let (one, other) = futures::join!(
        world.handler.handle(batch(ONE), Some(world.deadline())),
        world.handler.handle(batch(ONE), Some(world.deadline()))
    );
    assert_eq!((failures(&one), failures(&other)), (vec![], vec![]));
    assert_eq!(world.cms.creates(BRAND), 1);
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_cms_that_is_away_makes_the_row_wait_and_a_reminder_goes_on() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"before","times":3}]"#,
    );
    let response = world
        .handler
        .handle(batch(ONE), Some(world.deadline()))
        .await;
    assert_eq!(failures(&response), [""; 0], "it is acknowledged");
    assert_eq!(world.parked(), []);
    let due_at = world.row().due_at.unwrap();
    let wait = due_at.since(world.now());
    let (half, whole) = (Duration::from_secs(30), Duration::from_mins(1));
    assert!((half..=whole).contains(&wait), "{wait:?}");
    assert!(!world.row().is_leased(world.now()));

    world.remind(None).await;
    assert_eq!(world.cms.calls().creates, 3, "it is not time yet");
    sleep(wait).await;
    world.remind(None).await;
    assert_eq!(world.cms.creates(BRAND), 1);
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn the_cms_says_how_long_to_wait() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"before","retry_after_seconds":600}]"#,
    );
    world.remind(None).await;
    assert_eq!(world.cms.calls().creates, 1, "not tried again in between");
    let wait = world.row().due_at.unwrap().since(world.now());
    assert!(wait >= Duration::from_mins(10), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn waits_double_up_to_an_hour_and_after_three_days_the_sync_is_paused() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"transient","when":"before"}]"#);
    let begun = world.now();
    let mut waits = Vec::new();
    while let Some(due_at) = {
        world.remind(None).await;
        world
            .breaker
            .close("operate", "one brand does not open it", world.clock.now())
            .await
            .unwrap();
        world.row().due_at
    } {
        let wait = due_at.since(world.now());
        waits.push(wait);
        sleep(wait).await;
    }
    assert_eq!(world.mark(), Some("paused"));
    let waited = world.now().since(begun);
    assert!(waited >= Duration::from_hours(72), "{waited:?}");
    assert!(waits.iter().all(|wait| *wait <= Duration::from_hours(1)));
    assert!(
        waits
            .iter()
            .skip(8)
            .all(|wait| *wait >= Duration::from_mins(30))
    );
    assert_eq!(world.cms.deletes(BRAND), 0, "nothing is undone");
    assert!(world.brands.attention_since(crate::world::id()).is_some());

    world.cms.set_faults("".parse().unwrap());
    world.remind(None).await;
    assert_eq!(world.mark(), Some("paused"), "a late hint takes nothing up");
    world.take_up(TakeUp::Marked).await;
    world.remind(None).await;
    assert!(world.is_synced());
    assert_eq!(world.mark(), None);
}

#[tokio::test(start_paused = true)]
async fn after_a_call_without_an_answer_the_cms_is_asked_before_it_is_made_again() {
    for (when, creates) in [("after", 1), ("before", 2)] {
        let rule = format!(r#"[{{"operation":"create","kind":"hang","when":"{when}","times":1}}]"#);
        let world = World::with_brand(&rule);
        world.remind(None).await;
        assert!(world.is_synced(), "{:?}", world.row());
        let calls = world.cms.calls();
        assert_eq!((calls.creates, calls.retrieves), (creates, 1), "{when}");
        assert_eq!(world.cms.creates(BRAND), 1);
    }
}

/// The bytes of a value in DynamoDB: texts as they are, two digits in a byte, and what maps and lists cost.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(number) => number.to_string().len().div_ceil(2) + 1,
        Value::String(text) => text.len(),
        Value::Array(values) => 3 + values.iter().map(|value| 1 + size(value)).sum::<usize>(),
        Value::Object(fields) => {
            let fields = fields.iter();
            3 + fields
                .map(|(name, value)| 1 + name.len() + size(value))
                .sum::<usize>()
        }
    }
}

/// The bytes of the row, with the attributes that it has in DynamoDB. Each write of it costs a unit for each 1,024 bytes.
fn row_size(world: &World) -> usize {
    let row = world.row();
    let mut item = serde_json::to_value(&row.brand).unwrap();
    let shard = row.brand.id.shard(SHARDS).to_string();
    item["listed_shard"] = json!(shard);
    item["changed_by"] = json!(BRAND);
    item["lease"] = json!(row.lease);
    item["sync_cms"] = json!(world.state());
    if let Some(due_at) = row.due_at {
        item["due_shard"] = json!(shard);
        item["due_at"] = json!(due_at);
        item["due_since"] = json!(due_at);
    }
    let attributes = item.as_object().unwrap().iter();
    attributes
        .map(|(name, value)| name.len() + size(value))
        .sum()
}

#[tokio::test(start_paused = true)]
async fn the_row_of_a_synced_brand_takes_one_unit_to_write() {
    // One attempt, and as many errors as are kept.
    for (faults, most) in [
        ("", 800),
        (
            r#"[{"operation":"create","kind":"transient","when":"before","times":2}]"#,
            1_024,
        ),
    ] {
        let world = World::new(faults);
        world.brands.put(Brand {
            name: BrandName::parse("Twenty letters a row").unwrap(),
            ..acme()
        });
        world.remind(None).await;
        assert!(world.is_synced());
        let (size, last) = (row_size(&world), world.state().last.unwrap().record);
        println!("{size} bytes, of which {} are of the last run", last.len());
        assert!(size < most, "{size} bytes: {:?}", world.row());
    }
}
