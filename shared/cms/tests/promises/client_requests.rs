//! What the client sends, and over how many connections.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use cms::{Cms, CmsError, EntryRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{KEY, PATIENT, brand, client, listener, start_router};

/// What came: the request line, the three headers that matter, the body.
type Received = Arc<Mutex<Vec<[String; 5]>>>;

/// A CMS that takes down each request and answers 503.
async fn recording(base_path: &str) -> (Arc<dyn Cms>, Received) {
    let received = Received::default();
    let record = received.clone();
    let router = Router::new().fallback(async move |request: Request| {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1024).await.unwrap();
        let header = |name| match head.headers.get(name) {
            Some(value) => value.to_str().unwrap().to_owned(),
            None => "none".to_owned(),
        };
        record.lock().unwrap().push([
            format!("{} {}", head.method, head.uri),
            header("authorization"),
            header("idempotency-key"),
            header("if-match"),
            String::from_utf8(body.to_vec()).unwrap(),
        ]);
        StatusCode::SERVICE_UNAVAILABLE
    });
    let address = start_router(router).await;
    let cms = client(&format!("http://{address}{base_path}"), PATIENT);
    (cms, received)
}

async fn only_request(cms: Arc<dyn Cms>, received: &Received, write: &str) -> [String; 5] {
    let acme = brand("b1", "Acme \"&\" Söhne");
    let revised = EntryRef {
        id: Some("not used".to_owned()),
        revision: Some("7".to_owned()),
        name: Some("the revision covers it".to_owned()),
    };
    let ids = ["b1".to_owned(), "b2".to_owned()];
    let entry = EntryRef {
        id: Some("e/1".to_owned()),
        ..revised.clone()
    };
    let result = match write {
        "create" => cms.create_brand(&acme, "run-1/sync").await.map(drop),
        "update" => cms
            .update_brand(&acme, &EntryRef::default(), "run-1/sync")
            .await
            .map(drop),
        "update a revision" => cms
            .update_brand(&acme, &revised, "run-1/sync")
            .await
            .map(drop),
        "delete" => cms.delete_brand("b1", "run-1/sync").await,
        "link" => cms.link_brand(&acme, &entry, "run-1/sync").await.map(drop),
        "get many" => cms.get_brands(&ids).await.map(drop),
        "list unlinked" => cms.list_unlinked(Some("e1"), 7).await.map(drop),
        "get" => cms.get_brand("b1").await.map(drop),
        "list" => cms.list_brands(None, 7).await.map(drop),
        _ => cms.list_brands(Some("b&1"), 7).await.map(drop),
    };
    result.unwrap_err();
    let mut received = received.lock().unwrap();
    assert_eq!(received.len(), 1, "{write}: one request a call");
    received.remove(0)
}

#[tokio::test]
async fn each_operation_is_one_request_with_the_key() {
    let (cms, received) = recording("/api/v1/").await;
    let body = r#"{"id":"b1","name":"Acme \"&\" Söhne"}"#;
    let (key, none) = ("run-1/sync", "none");
    for (operation, line, key, revision, body) in [
        ("create", "POST /api/v1/brands", key, none, body),
        ("update", "PUT /api/v1/brands/b1", key, none, body),
        (
            "update a revision",
            "PUT /api/v1/brands/b1",
            key,
            "\"7\"",
            body,
        ),
        ("link", "PUT /api/v1/entries/e%2F1", key, "\"7\"", body),
        ("get many", "GET /api/v1/brands?ids=b1%2Cb2", none, none, ""),
        (
            "list unlinked",
            "GET /api/v1/entries?limit=7&after=e1",
            none,
            none,
            "",
        ),
        ("delete", "DELETE /api/v1/brands/b1", key, none, ""),
        ("get", "GET /api/v1/brands/b1", none, none, ""),
        ("list", "GET /api/v1/brands?limit=7", none, none, ""),
        (
            "next page",
            "GET /api/v1/brands?limit=7&after=b%261",
            none,
            none,
            "",
        ),
    ] {
        let request = only_request(cms.clone(), &received, operation).await;
        let authorization = format!("Bearer {KEY}");
        assert_eq!(
            request,
            [line, &authorization, key, revision, body],
            "{operation}"
        );
    }
}

#[tokio::test]
async fn an_id_cannot_leave_its_place_in_the_path() {
    let (cms, received) = recording("").await;
    cms.delete_brand("a/../b?c#d e", "run").await.unwrap_err();
    assert_eq!(
        received.lock().unwrap()[0][0],
        "DELETE /brands/a%2F..%2Fb%3Fc%23d%20e"
    );
}

#[tokio::test]
async fn a_value_that_makes_no_path_or_header_is_a_permanent_failure_and_not_sent() {
    let (cms, received) = recording("").await;
    for (id, key) in [
        ("", "run"),
        (".", "run"),
        ("..", "run"),
        ("b1", ""),
        ("b1", "a\nb"),
    ] {
        let error = cms.delete_brand(id, key).await.unwrap_err();
        assert!(
            matches!(error, CmsError::Unsendable(_)),
            "{id:?} {key:?}: {error:?}"
        );
        assert!(!error.is_transient());
    }
    assert!(received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other_whatever_the_answer() {
    let (listener, address) = listener().await;
    let answered = tokio::spawn(async move {
        // One connection is accepted: a request that comes over another one waits in vain.
        let (mut connection, _) = listener.accept().await.unwrap();
        let statuses = [401, 409, 422, 503];
        for status in statuses {
            let _ = connection.read(&mut [0; 1024]).await.unwrap();
            let head = format!("HTTP/1.1 {status} So\r\nContent-Length: 4\r\n\r\n");
            connection.write_all(head.as_bytes()).await.unwrap();
            // The body comes late, when the status has decided already.
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            connection.write_all(b"body").await.unwrap();
        }
        statuses.len()
    });
    let cms = client(&format!("http://{address}"), PATIENT);
    for _ in 0..4 {
        cms.create_brand(&brand("b1", "Acme"), "run").await.ok();
    }
    assert_eq!(answered.await.unwrap(), 4);
}
