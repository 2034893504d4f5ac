//! POST /hooks/cms: the CMS says that an editor has changed an entry.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use brand::{BrandId, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{Method, StatusCode, header::CONTENT_ENCODING},
};
use reconcile::{Asked, Hint, MOST_HINTS, conformance::AwayStore};
use serde_json::{Value, json};
use sha2::Sha256;
use steer_sync::SteerSync;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{
    BRAND, Bench, Queue,
    brands::{Brands, Events, synced},
    message,
};

const SECRET: &str = "the secret of the webhooks";

/// A request to the route of the hooks, without a signature.
fn unsigned(body: &str) -> Request {
    let mut request = Request::new(Body::from(body)).with_raw_http_path("/hooks/cms");
    *request.method_mut() = Method::POST;
    request
}

/// As the document says: the seconds, a dot and the body, under the secret.
fn signature(body: &str, secret: &str, at: Timestamp) -> String {
    let seconds = at.as_millis() / 1000;
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("{seconds}.{body}"));
    let code = mac.finalize().into_bytes();
    let digits = code.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let code: String = digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    format!("t={seconds},v1={code}")
}

fn signed(body: &str) -> Request {
    with_signature(body, &signature(body, SECRET, Timestamp::now()))
}

fn with_signature(body: &str, signature: &str) -> Request {
    let mut request = unsigned(body);
    let headers = request.headers_mut();
    headers.insert("x-signature", signature.parse().unwrap());
    request
}

async fn hear_by(
    handler: Arc<SteerSync<Brands, Events, Queue>>,
    request: Request,
) -> Response<Body> {
    assert!(SteerSync::<Brands, Events, Queue>::is_hook(&request));
    let service = ServiceBuilder::new()
        .layer(admin_api::ErrorResponses)
        .service(service_fn(move |request: Request| {
            let handler = Arc::clone(&handler);
            async move { handler.hear(request, SECRET).await }
        }));
    service.oneshot(request).await.unwrap()
}

fn read(response: &Response<Body>) -> (StatusCode, Value) {
    let body = serde_json::from_slice(response.body()).unwrap_or_default();
    (response.status(), body)
}

impl Bench {
    async fn hear(&self, request: Request) -> (StatusCode, Value) {
        read(&hear_by(self.handler(), request).await)
    }

    /// Whether a look follows from what the CMS says.
    async fn looks(&self, hook: &Value) -> bool {
        let (status, answer) = self.hear(signed(&hook.to_string())).await;
        assert_eq!(status, StatusCode::OK, "{hook}: {answer}");
        let looks = answer["looks"].as_bool().unwrap();
        assert_eq!(answer, json!({ "looks": looks }));
        looks
    }

    async fn hints(&self) -> BTreeSet<Hint> {
        let asked = self.asked().await;
        assert_eq!(asked.request, None);
        asked.hints
    }

    fn with_brand() -> (Self, BrandId) {
        let (bench, row) = (Self::default(), synced());
        let id = row.brand.id;
        bench.brands.store.put(row);
        (bench, id)
    }
}

#[tokio::test]
async fn an_editors_change_is_looked_at() {
    let (bench, id) = Bench::with_brand();
    for hook in [
        json!({ "id": id.to_string(), "name": "Globex" }),
        json!({ "id": id.to_string(), "name": "Acme", "deleted": true }),
        json!({ "id": id.to_string() }),
        json!({ "id": id.to_string(), "name": null, "revision": null, "description": "ignored" }),
    ] {
        let bench = Bench {
            reconciliations: Arc::default(),
            ..bench.clone()
        };
        assert!(bench.looks(&hook).await, "{hook}");
        assert_eq!(bench.hints().await, [Hint::brand(id)].into(), "{hook}");
    }
}

#[tokio::test]
async fn an_entry_of_a_brand_that_is_unknown_is_looked_at() {
    let (bench, id) = (Bench::default(), BRAND.parse().unwrap());
    assert!(bench.looks(&json!({ "id": BRAND, "name": "Acme" })).await);
    assert_eq!(bench.hints().await, [Hint::brand(id)].into());
}

#[tokio::test]
async fn what_the_sync_itself_has_written_is_not_looked_at() {
    let (bench, id) = Bench::with_brand();
    let own = json!({ "id": id.to_string(), "name": "Acme", "revision": "1", "deleted": false });
    assert!(!bench.looks(&own).await);
    assert_eq!(bench.asked().await, Asked::default());

    let mut row = synced();
    row.brand.deleted_at = Some(Timestamp::now());
    let deleted = json!({ "id": row.brand.id.to_string(), "name": "Acme", "deleted": true });
    bench.brands.store.put(row);
    assert!(!bench.looks(&deleted).await);
    assert_eq!(bench.asked().await, Asked::default());
}

#[tokio::test]
async fn an_entry_without_a_brands_id_has_the_entries_without_a_brand_looked_at() {
    for hook in [
        json!({}),
        json!({ "id": null, "name": "Initech" }),
        json!({ "id": "", "name": "Initech" }),
        json!({ "id": "of an editor", "deleted": true }),
    ] {
        let bench = Bench::default();
        assert!(bench.looks(&hook).await, "{hook}");
        assert_eq!(bench.hints().await, [Hint::entries()].into(), "{hook}");
    }
}

#[tokio::test]
async fn a_hook_that_is_not_signed_is_unauthorized() {
    let bench = Bench::default();
    let body = json!({ "id": BRAND, "name": "Acme" }).to_string();
    let now = Timestamp::now();
    let good = signature(&body, SECRET, now);
    let long = Duration::from_secs(310);
    for request in [
        unsigned(&body),
        with_signature(&body, ""),
        with_signature(&body, &signature(&body, "another", now)),
        with_signature(&body, &signature("{}", SECRET, now)),
        with_signature(&body, &signature(&body, SECRET, now.minus(long))),
        with_signature(&body, &signature(&body, SECRET, now.plus(long))),
        with_signature(&body, good.trim_start_matches("t=")),
        // It is not read before its signature is checked.
        with_signature("not JSON", &good),
    ] {
        let response = hear_by(bench.handler(), request).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let expected = json!({ "message": "Unauthorized" });
        assert_eq!(read(&response), (StatusCode::UNAUTHORIZED, expected));
    }
    assert_eq!(bench.asked().await, Asked::default());
    assert_eq!(
        bench.hear(with_signature(&body, &good)).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_token_in_place_of_a_signature_does_not_help() {
    let bench = Bench::default();
    let (status, _) = bench.send(Method::POST, "/hooks/cms", "{}").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "it is not an admin route");
    assert_eq!(bench.asked().await, Asked::default());
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let bench = Bench::default();
    for body in [
        "",
        "not JSON",
        "null",
        "7",
        r#""text""#,
        r#"{"id": 7}"#,
        r#"{"deleted": "yes"}"#,
        r#"{"deleted": null}"#,
        r#"{"id": "a", "id": "b"}"#,
    ] {
        let said = message(&bench.hear(signed(body)).await);
        assert!(!said.is_empty(), "{body}");
    }
    let large = json!({ "note": "x".repeat(admin_api::MAX_BODY) }).to_string();
    let (status, _) = bench.hear(signed(&large)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let mut packed = signed("{}");
    let headers = packed.headers_mut();
    headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
    let (status, _) = bench.hear(packed).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(bench.asked().await, Asked::default());
}

#[tokio::test]
async fn a_repetition_has_no_further_effect() {
    let (bench, id) = Bench::with_brand();
    let body = json!({ "id": id.to_string(), "name": "Globex" }).to_string();
    let signature = signature(&body, SECRET, Timestamp::now());
    for _ in 0..3 {
        let (status, answer) = bench.hear(with_signature(&body, &signature)).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({ "looks": true })));
    }
    assert_eq!(bench.hints().await, [Hint::brand(id)].into());
}

#[tokio::test]
async fn too_many_hints_have_everything_looked_at() {
    let (bench, now) = (Bench::default(), Timestamp::now());
    for _ in 0..MOST_HINTS {
        let id = BrandId::new(now).to_string();
        assert!(bench.looks(&json!({ "id": id, "name": "Acme" })).await);
    }
    assert_eq!(bench.hints().await.len(), MOST_HINTS);
    assert!(bench.looks(&json!({ "id": BRAND, "name": "Acme" })).await);
    let asked = bench.asked().await;
    assert_eq!(asked.hints.len(), MOST_HINTS);
    let request = asked.request.unwrap();
    assert_eq!((&*request.by, request.dry_run), ("webhooks", false));
}

#[tokio::test]
async fn only_a_post_is_heard() {
    let bench = Bench::default();
    let mut request = signed("{}");
    *request.method_mut() = Method::GET;
    let (status, _) = bench.hear(request).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(bench.asked().await, Asked::default());
}

#[tokio::test]
async fn a_hint_that_is_not_noted_is_an_unknown_error() {
    let bench = Bench::default();
    let handler = bench.handler_on(Arc::new(AwayStore));
    let (status, body) = read(&hear_by(handler, signed("{}")).await);
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body.to_string().contains("secret"), "{body}");
}
