//! The journey of a brand, through the deployed template: from the API to the CMS, and what becomes of it when the CMS
//! fails or the brand is not there.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use brand::{Brand, BrandName, CMS_SUBSCRIBER, Timestamp};
use serde_json::json;
use system_tests::{Stack, attribute, event_about, until};

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_brand_that_is_created_reaches_the_cms_once_and_its_row_says_so() {
    let stack = Stack::connect().await;
    let id = stack.create_brand("Acme").await;
    let in_cms = until("the CMS holds the brand", async || stack.in_cms(id).await).await;
    assert_eq!(in_cms, json!({ "id": id, "name": "Acme" }));
    let row = stack.synced(id).await;
    let state = row.subscriber(CMS_SUBSCRIBER);
    assert_eq!(
        (
            state.reached,
            state.holds.as_ref().map(|held| held.name.as_str())
        ),
        (1, Some("Acme"))
    );
    assert_eq!((row.due_at, state.run), (None, None));
    assert_eq!(stack.creates_in_cms(id).await, 1);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_cms_that_refuses_after_acting_keeps_nothing_and_the_row_says_why() {
    let stack = Stack::connect().await;
    let fault = json!({ "kind": "permanent", "when": "after" });
    stack.make_the_cms_fail("Refused after acting", fault).await;
    let id = stack.create_brand("Refused after acting").await;
    let mark = stack.marked(id).await.mark.unwrap();
    assert_eq!(mark.kind.as_str(), "refused");
    assert!(mark.cause.contains("sync-brand-to-cms"), "{}", mark.cause);
    assert_eq!(stack.in_cms(id).await, None);
    assert_eq!(stack.creates_in_cms(id).await, 1, "the CMS has acted");
    let row = stack.row(id).await.unwrap();
    assert_eq!(row.due_at, None);
    assert_eq!(row.attention_since(), Some(mark.since));
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_cms_that_is_away_for_a_while_gets_the_brand_in_the_end_and_once() {
    let stack = Stack::connect().await;
    let fault = json!({ "kind": "transient", "when": "after", "times": 4 });
    stack.make_the_cms_fail("Away for a while", fault).await;
    let id = stack.create_brand("Away for a while").await;
    stack.synced(id).await;
    assert_eq!(
        stack.in_cms(id).await,
        Some(json!({ "id": id, "name": "Away for a while" }))
    );
    assert_eq!(stack.creates_in_cms(id).await, 1);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn an_event_about_a_brand_that_is_missing_is_parked_with_the_reason() {
    let stack = Stack::connect().await;
    let brand = Brand::new(BrandName::parse("Nobody").unwrap(), Timestamp::now());
    let (id, event) = (brand.id, event_about(&brand));
    let sent = stack.send(&event).await;
    let parked = stack
        .parked("for it", |message| {
            attribute(message, "source_message_id") == sent
        })
        .await;
    assert_eq!(parked.body(), Some(event.as_str()));
    let reason = attribute(&parked, "failure_reason");
    assert!(
        reason.contains(&format!("brand with id {id} was not found")),
        "{reason}"
    );
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_message_that_is_no_event_is_parked_with_the_reason() {
    let stack = Stack::connect().await;
    let sent = stack.send("not an event").await;
    let parked = stack
        .parked("for it", |message| {
            attribute(message, "source_message_id") == sent
        })
        .await;
    assert_eq!(parked.body(), Some("not an event"));
    assert_eq!(attribute(&parked, "failure_kind"), "malformed");
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_brand_without_a_name_is_refused_in_medusas_words() {
    let stack = Stack::connect().await;
    let (status, body) = stack.create(r#"{"color":"red"}"#).await;
    assert_eq!(status, 400);
    let message = "Invalid request: Field 'name' is required; Unrecognized fields: 'color'";
    assert_eq!(
        (&body["type"], &body["message"]),
        (&json!("invalid_data"), &json!(message))
    );
}
