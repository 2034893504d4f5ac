//! The handler, fed with real events, on a store in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use brand::{
    Brand, BrandEvents, BrandId, BrandName, BrandRow, BrandWriter, Changed, Created, EventError,
    MemoryBrandStore, StoreError, Timestamp,
};
use create_brand::CreateBrand;
use lambda_http::{Body, Request, Response, http::StatusCode, request::from_str};
use serde_json::{Value, json};
use telemetry::Trace;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const EVENT: &str = include_str!("../../../events/api-gateway-create-brand.json");
const WIRE: &str = include_str!("../../../tests/wire/medusa.json");

/// Where announcements go, or do not.
#[derive(Clone, Default)]
enum Announcing {
    #[default]
    Works,
    Fails,
    Hangs,
}

#[derive(Clone, Default)]
struct Events {
    announcing: Announcing,
    announced: Arc<Mutex<Vec<Brand>>>,
    /// The traces that they were announced in.
    traces: Arc<Mutex<Vec<String>>>,
}

impl BrandEvents for Events {
    async fn announce(&self, brand: &Brand, trace: &Trace) -> Result<(), EventError> {
        match self.announcing {
            Announcing::Works => {
                self.announced.lock().unwrap().push(brand.clone());
                self.traces.lock().unwrap().push(trace.id());
            }
            Announcing::Fails => {
                return Err(EventError(Arc::new(std::io::Error::other("no queue"))));
            }
            Announcing::Hangs => pending().await,
        }
        Ok(())
    }
}

/// A store in memory, with a fault.
struct Faulty(MemoryBrandStore, Fault);

enum Fault {
    /// The table is away.
    Away,
    /// It stores, and loses the reply, so that the request is repeated.
    LosesReply,
}

impl BrandWriter for Faulty {
    async fn create(&self, brand: &Brand) -> Result<Created, StoreError> {
        match self.1 {
            Fault::Away => Err(StoreError::Unavailable(Arc::new(std::io::Error::other(
                "secret detail",
            )))),
            Fault::LosesReply => {
                self.0.create(brand).await?;
                self.0.create(brand).await
            }
        }
    }

    async fn update(
        &self,
        _: BrandId,
        _: &BrandName,
        _: Option<u32>,
        _: Timestamp,
    ) -> Result<Changed, StoreError> {
        unreachable!("a new brand is not changed")
    }

    async fn delete(
        &self,
        _: BrandId,
        _: Option<u32>,
        _: Timestamp,
    ) -> Result<Changed, StoreError> {
        unreachable!("a new brand is not deleted")
    }
}

/// The row of the brand that was answered.
fn row(brands: &MemoryBrandStore, answer: &Value) -> BrandRow {
    let id = answer["brand"]["id"].as_str().unwrap().parse().unwrap();
    brands.row(id).unwrap()
}

/// A request of that body, under an idempotency key.
fn under_key(key: &str, body: &str) -> Request {
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    event["body"] = body.into();
    event["headers"]["idempotency-key"] = key.into();
    from_str(&event.to_string()).unwrap()
}

fn request_to(path: &str, body: &str) -> Request {
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    event["rawPath"] = path.into();
    event["body"] = body.into();
    from_str(&event.to_string()).unwrap()
}

async fn answer<S: BrandWriter + 'static>(
    brands: S,
    events: Events,
    request: Request,
) -> (StatusCode, Value) {
    let handler = Arc::new(CreateBrand::new(brands, events));
    let service = ServiceBuilder::new()
        .layer(admin_api::ErrorResponses)
        .service(service_fn(move |request: Request| {
            let handler = Arc::clone(&handler);
            async move { handler.handle(request).await }
        }));
    let response: Response<Body> = service.oneshot(request).await.unwrap();
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert_eq!(content_type, "application/json; charset=utf-8");
    (
        response.status(),
        serde_json::from_slice(response.body()).unwrap(),
    )
}

#[tokio::test]
async fn a_brand_is_stored_announced_and_answered_in_medusas_shape() {
    let (brands, events) = (MemoryBrandStore::new(), Events::default());
    let (status, body) = answer(brands.clone(), events.clone(), from_str(EVENT).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let stored = row(&brands, &body).brand;
    let expected = json!({ "brand": {
        "id": stored.id,
        "name": "Acme",
        "created_at": stored.created_at,
        "updated_at": stored.created_at,
        "deleted_at": null,
    }});
    assert_eq!(body, expected);
    assert_eq!(*events.announced.lock().unwrap(), [stored]);
}

#[tokio::test]
async fn a_brand_is_announced_in_the_trace_of_its_request() {
    let (brands, events) = (MemoryBrandStore::new(), Events::default());
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    event["headers"]["traceparent"] =
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
    let request = from_str(&event.to_string()).unwrap();
    let (status, _) = answer(brands, events.clone(), request).await;
    assert_eq!(status, StatusCode::OK);
    let traces = events.traces.lock().unwrap().clone();
    assert_eq!(traces, ["0af7651916cd43dd8448eb211c80319c"]);
}

#[tokio::test]
async fn a_failed_announcement_does_not_fail_the_request_and_the_row_is_due_a_little_later() {
    let announcing = Announcing::Fails;
    let events = Events {
        announcing,
        ..Events::default()
    };
    let brands = MemoryBrandStore::new();
    let (status, body) = answer(brands.clone(), events, from_str(EVENT).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let row = row(&brands, &body);
    assert!(row.due_at > Some(row.brand.created_at));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_announcement_does_not_fail_the_request() {
    let announcing = Announcing::Hangs;
    let events = Events {
        announcing,
        ..Events::default()
    };
    let (status, _) = answer(MemoryBrandStore::new(), events, from_str(EVENT).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_reply_that_is_lost_does_not_make_a_second_brand() {
    let (brands, events) = (MemoryBrandStore::new(), Events::default());
    let repeating = Faulty(brands, Fault::LosesReply);
    let (status, body) = answer(repeating, events.clone(), from_str(EVENT).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(events.announced.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_that_is_repeated_under_its_key_gets_the_brand_of_the_first() {
    let (brands, events) = (MemoryBrandStore::new(), Events::default());
    let create = || {
        answer(
            brands.clone(),
            events.clone(),
            under_key("k", r#"{"name":"Acme"}"#),
        )
    };
    let (status, first) = create().await;
    assert_eq!(status, StatusCode::OK);
    let stored = row(&brands, &first);
    assert_eq!(create().await, (StatusCode::OK, first));
    // The first request may have died before it announced the brand; an event that comes twice has the effect of one.
    assert_eq!(events.announced.lock().unwrap().len(), 2);
    assert_eq!(brands.all_rows(), [stored], "its row is as it was");
}

#[tokio::test]
async fn two_requests_at_once_under_one_key_make_one_brand() {
    let (brands, events) = (MemoryBrandStore::new(), Events::default());
    let create = || {
        answer(
            brands.clone(),
            events.clone(),
            under_key("k", r#"{"name":"Acme"}"#),
        )
    };
    let ((one, first), (other, second)) = tokio::join!(create(), create());
    assert_eq!((one, other), (StatusCode::OK, StatusCode::OK));
    assert_eq!(first, second);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict_in_medusas_shape() {
    let (brands, events) = (MemoryBrandStore::new(), Events::default());
    let create = |body| answer(brands.clone(), events.clone(), under_key("k", body));
    create(r#"{"name":"Acme"}"#).await;
    let (status, body) = create(r#"{"name":"Globex"}"#).await;
    let expected = json!({
        "code": "invalid_state_error",
        "type": "conflict",
        "message": "The Idempotency-Key was used with another request body",
    });
    assert_eq!((status, body), (StatusCode::CONFLICT, expected));
    assert_eq!(events.announced.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_nothing_is_stored() {
    for key in ["", &"k".repeat(256), "kéy"] {
        let events = Events::default();
        let request = under_key(key, r#"{"name":"Acme"}"#);
        let (status, body) = answer(MemoryBrandStore::new(), events.clone(), request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{key}");
        assert_eq!(body["type"], "invalid_data");
        assert!(events.announced.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_store_that_is_away_answers_500_without_detail_and_nothing_is_announced() {
    let events = Events::default();
    let away = Faulty(MemoryBrandStore::new(), Fault::Away);
    let (status, body) = answer(away, events.clone(), from_str(EVENT).unwrap()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    let expected = json!({ "code": "unknown_error", "type": "unknown_error", "message": "An unknown error occurred." });
    assert_eq!(body, expected);
    assert!(events.announced.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_in_base64_is_read_as_well() {
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    event["body"] = "eyJuYW1lIjoiQWNtZSJ9".into();
    event["isBase64Encoded"] = true.into();
    let request = from_str(&event.to_string()).unwrap();
    let (status, body) = answer(MemoryBrandStore::new(), Events::default(), request).await;
    assert_eq!(
        (status, &body["brand"]["name"]),
        (StatusCode::OK, &json!("Acme"))
    );
}

/// The recorded answers of a real Medusa to POST /admin/brands, but for those that the token check gives.
#[tokio::test]
async fn every_recorded_create_is_answered_as_medusa_does_or_as_is_recorded_to_be_stricter() {
    let wire: Value = serde_json::from_str(WIRE).unwrap();
    let mut replayed = 0;
    for case in wire["cases"].as_array().unwrap() {
        let path = case["path"].as_str().unwrap();
        let is_create = case["method"] == "POST" && path.starts_with("/admin/brands");
        let is_about_the_token = case["medusa_status"] == 401;
        if !is_create || is_about_the_token {
            continue;
        }
        let name = case["name"].as_str().unwrap();
        let body = match case["body"].as_str() {
            Some(body) => body.to_owned(),
            None => format!(
                "{{\"name\":\"{}\"}}",
                "n".repeat(usize::try_from(case["body_len"].as_u64().unwrap()).unwrap() - 11)
            ),
        };
        let (status, body) = answer(
            MemoryBrandStore::new(),
            Events::default(),
            request_to(path, &body),
        )
        .await;
        let wanted = case.get("want_status").unwrap_or(&case["medusa_status"]);
        assert_eq!(json!(status.as_u16()), *wanted, "{name}: {body}");
        let expected = if case["stricter"] == true {
            case.get("want_body")
        } else {
            case.get("medusa_body")
        };
        match expected {
            Some(expected) if status == StatusCode::OK => {
                let expected = expected["brand"]["name"].as_str().unwrap();
                // Medusa keeps what is not composed as it is; here it is composed.
                let composed = expected.replace("e\u{301}", "é");
                assert_eq!(body["brand"]["name"], composed, "{name}");
            }
            // Where the JSON is malformed, the words are our own.
            Some(expected) if name.contains("malformed") || name.contains("trailing") => {
                assert_eq!(body["type"], expected["type"], "{name}");
                assert!(
                    body["message"].as_str().unwrap().contains("column"),
                    "{name}: {body}"
                );
            }
            Some(expected) => assert_eq!(body, *expected, "{name}"),
            None => assert_eq!(body["type"], "invalid_data", "{name}"),
        }
        replayed += 1;
    }
    assert_eq!(replayed, 19, "recorded creates");
}
