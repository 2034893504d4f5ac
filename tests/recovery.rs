//! Recovery on the running system: lost events, repeated requests, parked events that are sent on their way again.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use brand::{Brand, BrandName, BrandStore, DynamoDbBrandStore, Timestamp};
use dead_letters::{FailureKind, Filter, Redrive};
use serde_json::{Value, json};
use system_tests::{Stack, attribute, event_about, until};
use uuid::Uuid;
use workflow::RunState;

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_brand_whose_event_was_lost_is_announced_again_by_the_schedule_and_reaches_the_cms() {
    let stack = Stack::connect().await;
    // As a process leaves it that died between storing and announcing, two minutes ago.
    let then = Timestamp::now().minus(std::time::Duration::from_mins(2));
    let brand = Brand::new(BrandName::parse("Forgotten").unwrap(), then);
    let store = DynamoDbBrandStore::new(stack.dynamodb.clone(), &stack.brands_table);
    store.create(&brand).await.unwrap();
    let synced = until("the brand is synced", async || {
        let found = stack.brand(brand.id).await?;
        found.synced_at.map(|_| found)
    });
    synced.await;
    assert_eq!(stack.creates_in_cms(brand.id).await, 1);
    assert!(!stack.unsynced().await.contains(&brand.id.to_string()));
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_request_repeated_at_once_and_later_under_its_key_makes_one_brand() {
    let stack = Stack::connect().await;
    let key = Uuid::now_v7().to_string();
    let create = |name: &str| stack.create_under_key(&key, json!({ "name": name }).to_string());
    let ((one, first), (other, second)) = tokio::join!(create("Twice"), create("Twice"));
    assert_eq!((one, other), (200, 200), "{first} {second}");
    assert_eq!(first, second);
    assert_eq!(create("Twice").await, (200, first.clone()));
    let (status, body) = create("Thrice").await;
    assert_eq!((status, &body["type"]), (409, &json!("conflict")));

    let id = first["brand"]["id"].as_str().unwrap().parse().unwrap();
    until("the brand is synced", async || {
        stack.brand(id).await?.synced_at
    })
    .await;
    assert_eq!(stack.creates_in_cms(id).await, 1);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_message_that_is_too_large_is_parked_with_the_reason() {
    let stack = Stack::connect().await;
    let sent = stack.send(&"x".repeat(100_000)).await;
    let parked = stack
        .parked("for it", |message| {
            attribute(message, "source_message_id") == sent
        })
        .await;
    assert_eq!(attribute(&parked, "failure_kind"), "too_large");
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn parked_events_that_are_meant_go_back_to_the_queue_and_are_worked_on_afresh() {
    let stack = Stack::connect().await;
    let fault = json!({ "kind": "permanent", "when": "after", "times": 1 });
    stack.make_the_cms_fail("Refused once", fault).await;
    let id = stack.create_brand("Refused once").await;
    let is_about_it = |message: &aws_sdk_sqs::types::Message| {
        message
            .body()
            .is_some_and(|body| body.contains(&id.to_string()))
    };
    stack.parked("for it", is_about_it).await;
    // Another event about a brand that is not there: it is not meant.
    let other = Brand::new(BrandName::parse("Other").unwrap(), Timestamp::now());
    stack.send(&event_about(&other)).await;
    stack
        .parked("for the other", |message| {
            message
                .body()
                .is_some_and(|body| body.contains(&other.id.to_string()))
        })
        .await;

    let redrive = Redrive::new(
        stack.sqs.clone(),
        &stack.brand_events_dlq_url,
        &stack.brand_events_queue_url,
    );
    let filter = Filter {
        kinds: vec![FailureKind::Reverted],
        containing: Some(id.to_string()),
        limit: None,
    };
    let moved = until("it is moved", async || {
        // Other tests look at the queue as well, and hide what they see for a second.
        let report = redrive.run(&filter, |_| ()).await.unwrap();
        (report.total() > 0).then_some(report)
    })
    .await;
    assert_eq!(moved.moved, [(FailureKind::Reverted, 1)].into());
    assert_eq!(moved.failed, [""; 0]);

    let run = until("the run is done", async || {
        stack
            .run(id)
            .await
            .filter(|run| run.state == RunState::Done)
    });
    assert_eq!(run.await.attempt, 2, "a fresh attempt");
    let brand = stack.brand(id).await.unwrap();
    assert!(brand.synced_at.is_some());
    assert_eq!(brand.sync_failure, None);
    let in_cms: Value = stack.in_cms(id).await.unwrap();
    assert_eq!(in_cms["name"], "Refused once");
}
