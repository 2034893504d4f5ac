//! Recovery on the running system: lost events, repeated requests, refused brands that are taken up again, parked messages.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use brand::{Brand, BrandName, BrandWriter, SUBSCRIBERS, TakeUp, TakenUp, Timestamp, take_up};
use dead_letters::{DeadLetterQueue, FailureKind, Filter, Redrive};
use serde_json::json;
use system_tests::{Stack, attribute, event_about, until};
use uuid::Uuid;

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_brand_whose_event_was_lost_is_announced_again_by_the_sweep_and_reaches_the_cms() {
    let stack = Stack::connect().await;
    // As a process leaves it that died between storing and announcing, two minutes ago.
    let then = Timestamp::now().minus(std::time::Duration::from_mins(2));
    let brand = Brand::new(BrandName::parse("Forgotten").unwrap(), then);
    stack.brands().create(&brand).await.unwrap();
    let row = stack.synced(brand.id).await;
    assert_eq!(stack.creates_in_cms(brand.id).await, 1);
    assert_eq!(row.due_at, None);
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
    stack.synced(id).await;
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
async fn a_refused_brand_is_taken_up_by_an_operator_and_reaches_the_cms() {
    let stack = Stack::connect().await;
    let fault = json!({ "kind": "permanent", "when": "after", "times": 1 });
    stack.make_the_cms_fail("Refused once", fault).await;
    let id = stack.create_brand("Refused once").await;
    let mark = stack.marked(id).await.mark.unwrap();
    assert_eq!(mark.kind.as_str(), "refused");
    assert_eq!(stack.in_cms(id).await, None);
    let brands = stack.brands();
    assert!(stack.needing_attention().await.unwrap().contains(&id));

    let now = Timestamp::now();
    let taken_up = take_up(&brands, (id, TakeUp::Marked), SUBSCRIBERS, "operator", now);
    assert!(matches!(taken_up.await, Ok(TakenUp::Due(_))));
    assert!(!stack.needing_attention().await.unwrap().contains(&id));
    stack.synced(id).await;
    let in_cms = stack.in_cms(id).await.unwrap();
    assert_eq!(in_cms["name"], "Refused once");
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn parked_messages_that_are_meant_go_back_to_the_queue() {
    let stack = Stack::connect().await;
    let brands = [(); 2].map(|()| {
        let name = BrandName::parse("Not stored").unwrap();
        Brand::new(name, Timestamp::now())
    });
    let is_about = |message: &aws_sdk_sqs::types::Message, brand: &Brand| {
        let body = message.body().unwrap_or_default();
        body.contains(&brand.id.to_string())
    };
    for brand in &brands {
        stack.send(&event_about(brand)).await;
        let parked = stack.parked("for it", |message| is_about(message, brand));
        assert_eq!(attribute(&parked.await, "failure_kind"), "unknown_brand");
    }
    // One of them is restored.
    let [restored, missing] = &brands;
    stack.brands().create(restored).await.unwrap();
    let redrive = Redrive::new(
        stack.sqs.clone(),
        &stack.brand_events_dlq_url,
        &stack.brand_events_queue_url,
    );
    let filter = Filter {
        kinds: vec![FailureKind::UnknownBrand],
        containing: Some(restored.id.to_string()),
        ..Filter::default()
    };
    let moved = until("it is moved", async || {
        // Other tests look at the queue as well, and hide what they see for a second.
        let report = redrive.run(&filter, None, |_| ()).await.unwrap();
        (report.total() > 0).then_some(report)
    })
    .await;
    assert_eq!(moved.moved, [(FailureKind::UnknownBrand, 1)].into());
    assert_eq!(moved.failed, [""; 0]);
    stack.synced(restored.id).await;

    // The other one can be looked at as often as one likes, and comes back when it is moved.
    let filter = Filter {
        containing: Some(missing.id.to_string()),
        ..Filter::default()
    };
    let queue = DeadLetterQueue::new(stack.sqs.clone(), &stack.brand_events_dlq_url);
    for look in ["it is seen", "it is seen again"] {
        let seen = until(look, async || {
            queue.list(&filter, None).await.unwrap().pop()
        })
        .await;
        assert_eq!(seen.kind, FailureKind::UnknownBrand);
        assert!(seen.reason.unwrap().contains(&missing.id.to_string()));
        assert!(seen.sent_at.is_some());
    }
    until("it comes back", async || {
        let report = redrive.run(&filter, None, |_| ()).await.unwrap();
        assert_eq!(report.failed, [""; 0]);
        (report.parked_again == 1).then_some(())
    })
    .await;
}
