//! Brands that are changed and deleted, through the deployed template: the CMS follows.

#![expect(clippy::indexing_slicing, reason = "tests fail by panicking")]

use brand::CMS_SUBSCRIBER;
use reqwest::Method;
use serde_json::json;
use system_tests::{Stack, until};

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_brand_is_changed_and_deleted_in_the_cms_as_well() {
    let stack = Stack::connect().await;
    let id = stack.create_brand("Acme").await;
    let path = format!("/admin/brands/{id}");
    let (status, body) = stack
        .send_to_api(Method::POST, &path, json!({ "name": "Acme, renamed" }))
        .await;
    assert_eq!(
        (status, &body["brand"]["name"]),
        (200, &json!("Acme, renamed"))
    );
    let renamed = json!({ "id": id, "name": "Acme, renamed" });
    until("the CMS holds the new name", async || {
        stack.in_cms(id).await.filter(|held| *held == renamed)
    })
    .await;

    let deleted = stack.send_to_api(Method::DELETE, &path, json!({})).await;
    let expected = json!({ "id": id, "object": "brand", "deleted": true });
    assert_eq!(deleted, (200, expected));
    let row = stack.synced(id).await;
    assert_eq!(stack.in_cms(id).await, None);
    assert_eq!((row.brand.version, row.due_at), (3, None));
    let state = row.subscriber(CMS_SUBSCRIBER);
    assert_eq!((state.holds, state.run), (None, None));
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_brand_deleted_at_once_leaves_nothing_in_the_cms() {
    let stack = Stack::connect().await;
    // It acts, and does not say so, until its sync has been suspended.
    let fault = json!({ "kind": "transient", "when": "after", "times": 4 });
    stack.make_the_cms_fail("Deleted at once", fault).await;
    let id = stack.create_brand("Deleted at once").await;
    until("the CMS holds it", async || stack.in_cms(id).await).await;
    let path = format!("/admin/brands/{id}");
    let (status, _) = stack.send_to_api(Method::DELETE, &path, json!({})).await;
    assert_eq!(status, 200);
    stack.synced(id).await;
    assert_eq!(stack.in_cms(id).await, None);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn nobody_changes_brands_without_a_token() {
    let mut stack = Stack::connect().await;
    let id = stack.create_brand("Acme").await;
    stack.admin.token = "not.a.token".to_owned();
    let path = format!("/admin/brands/{id}");
    for (method, path) in [
        (Method::POST, "/admin/brands"),
        (Method::POST, &path),
        (Method::DELETE, &path),
    ] {
        let answer = stack.send_to_api(method, path, json!({})).await;
        assert_eq!(answer, (401, json!({ "message": "Unauthorized" })));
    }
}
