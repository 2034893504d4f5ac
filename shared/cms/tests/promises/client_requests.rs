//! What the client sends, and over how many connections.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use cms::{Cms, CmsError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{KEY, PATIENT, brand, client, listener, start_router};

/// What came: the request line, the two headers that matter, the body.
type Received = Arc<Mutex<Vec<[String; 4]>>>;

async fn recording(base_path: &str) -> (cms::HttpCms, Received) {
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
            String::from_utf8(body.to_vec()).unwrap(),
        ]);
    });
    let address = start_router(router).await;
    let cms = client(&format!("http://{address}{base_path}"), PATIENT);
    (cms, received)
}

#[tokio::test]
async fn a_create_is_a_post_with_the_brand_the_key_and_the_idempotency_key() {
    let (cms, received) = recording("/api/v1/").await;
    let acme = brand("b1", "Acme \"&\" Söhne");
    cms.create_brand(&acme, "run-1/sync").await.unwrap();
    assert_eq!(
        *received.lock().unwrap(),
        [[
            "POST /api/v1/brands".to_owned(),
            format!("Bearer {KEY}"),
            "run-1/sync".to_owned(),
            r#"{"id":"b1","name":"Acme \"&\" Söhne"}"#.to_owned(),
        ]]
    );
}

#[tokio::test]
async fn a_delete_names_the_brand_in_the_path_whatever_its_id_is_made_of() {
    let (cms, received) = recording("").await;
    for id in ["b1", "a/../b?c#d e"] {
        cms.delete_brand(id, "run-1/sync").await.unwrap();
    }
    let lines: Vec<_> = received
        .lock()
        .unwrap()
        .iter()
        .map(|r| r[0].clone())
        .collect();
    assert_eq!(
        lines,
        ["DELETE /brands/b1", "DELETE /brands/a%2F..%2Fb%3Fc%23d%20e"]
    );
}

#[tokio::test]
async fn what_http_cannot_say_is_refused_for_good_and_not_sent() {
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
async fn one_connection_serves_one_request_after_the_other_whatever_the_answers() {
    let (listener, address) = listener().await;
    let answered = tokio::spawn(async move {
        // One connection is accepted: a request that comes over another one waits in vain.
        let (mut connection, _) = listener.accept().await.unwrap();
        let statuses = [201, 409, 422, 503];
        for status in statuses {
            let _ = connection.read(&mut [0; 1024]).await.unwrap();
            let head = format!("HTTP/1.1 {status} So\r\nContent-Length: 4\r\n\r\n");
            connection.write_all(head.as_bytes()).await.unwrap();
            // The body comes late, when the client knows all that it wants to know.
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
