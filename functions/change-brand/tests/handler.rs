//! The handler, fed with real events, on a store in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::sync::{Arc, Mutex};

use brand::{
    Brand, BrandEvents, BrandId, BrandName, BrandStore, CloudEvent, EventError, MemoryBrandStore,
    Timestamp,
};
use change_brand::ChangeBrand;
use lambda_http::{
    Body, Request, Response,
    http::{HeaderMap, StatusCode},
    request::from_str,
};
use serde_json::{Value, json};
use telemetry::Trace;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const UPDATE: &str = include_str!("../../../events/api-gateway-update-brand.json");
/// The brand of the event.
const ID: &str = "019abfc0-e85e-7cc0-a1a2-0123456789ab";

/// Announces all, unless the queue is away.
#[derive(Clone, Default)]
struct Events {
    away: bool,
    announced: Arc<Mutex<Vec<String>>>,
}

impl BrandEvents for Events {
    async fn announce(&self, brand: &Brand, _: &Trace) -> Result<(), EventError> {
        if self.away {
            return Err(EventError(Arc::new(std::io::Error::other("no queue"))));
        }
        let event = CloudEvent::about(brand);
        let announced = format!("{} {}", event.event_type, event.data.version);
        self.announced.lock().unwrap().push(announced);
        Ok(())
    }

    async fn announce_all(&self, _: &[Brand], _: &Trace) -> Vec<Result<(), EventError>> {
        unreachable!("one brand is announced at a time")
    }
}

struct Bench {
    brands: MemoryBrandStore,
    events: Events,
}

impl Bench {
    /// With the brand, as it was created.
    fn new() -> Self {
        let acme = Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::from_millis(0));
        let brands = MemoryBrandStore::new();
        brands.put(Brand { id: id(), ..acme });
        let events = Events::default();
        Self { brands, events }
    }

    async fn brand(&self) -> Brand {
        self.brands.get(id()).await.unwrap().unwrap()
    }

    async fn send(&self, request: Request) -> (StatusCode, HeaderMap, Value) {
        let handler = Arc::new(ChangeBrand::new(self.brands.clone(), self.events.clone()));
        let service = ServiceBuilder::new()
            .layer(admin_api::ErrorResponses)
            .service(service_fn(move |request: Request| {
                let handler = Arc::clone(&handler);
                async move { handler.handle(request).await }
            }));
        let response: Response<Body> = service.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (
            parts.status,
            parts.headers,
            serde_json::from_slice(&body).unwrap(),
        )
    }

    fn announced(&self) -> Vec<String> {
        self.events.announced.lock().unwrap().clone()
    }
}

fn id() -> BrandId {
    ID.parse().unwrap()
}

fn event(change: impl FnOnce(&mut Value)) -> Request {
    let mut event: Value = serde_json::from_str(UPDATE).unwrap();
    change(&mut event);
    from_str(&event.to_string()).unwrap()
}

fn deletion() -> Request {
    event(|event| event["requestContext"]["http"]["method"] = "DELETE".into())
}

#[tokio::test]
async fn a_brand_is_changed_announced_and_answered_in_medusas_shape() {
    let bench = Bench::new();
    let (status, headers, body) = bench.send(event(|_| ())).await;
    assert_eq!(status, StatusCode::OK);
    let brand = bench.brand().await;
    assert_eq!((brand.name.as_str(), brand.version), ("Globex", 2));
    let expected = json!({ "brand": {
        "id": ID,
        "name": "Globex",
        "created_at": brand.created_at,
        "updated_at": brand.updated_at,
        "deleted_at": null,
    }});
    assert_eq!(body, expected);
    assert_eq!(headers["etag"], "\"2\"");
    assert!(brand.is_to_be_synced());
    assert_eq!(bench.announced(), ["brand.updated 2"]);
}

#[tokio::test]
async fn a_brand_is_deleted_and_announced_and_a_repetition_is_told_so_again() {
    let bench = Bench::new();
    let expected = json!({ "id": ID, "object": "brand", "deleted": true });
    for _ in 0..2 {
        let (status, _, body) = bench.send(deletion()).await;
        assert_eq!((status, &body), (StatusCode::OK, &expected));
    }
    let brand = bench.brand().await;
    assert!(brand.deleted_at.is_some() && brand.is_to_be_synced());
    assert_eq!(brand.version, 2);
    assert_eq!(bench.announced(), ["brand.deleted 2", "brand.deleted 2"]);
    let (status, _, body) = bench.send(event(|_| ())).await;
    assert_eq!(
        (status, &body["type"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
}

#[tokio::test]
async fn only_the_version_that_is_expected_is_changed() {
    let bench = Bench::new();
    let expecting = |tag: &str| {
        let tag = tag.to_owned();
        event(|event| event["headers"]["if-match"] = tag.into())
    };
    let (status, ..) = bench.send(expecting("\"1\"")).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _, body) = bench.send(expecting("\"1\"")).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(
        body["message"],
        "The brand has changed: its ETag is \"2\" now"
    );
    assert_eq!(bench.brand().await.version, 2);
    let (status, ..) = bench.send(expecting("*")).await;
    assert_eq!(status, StatusCode::OK);
    for no_tag in ["2", "\"+2\"", "\"02\"", "\"\"", "W/\"2\"", "\"1\", \"2\""] {
        let (status, ..) = bench.send(expecting(no_tag)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{no_tag}");
    }
}

#[tokio::test]
async fn what_is_no_brand_is_not_found() {
    for unknown in ["019abfc0-e85e-7cc0-a1a2-000000000000", "brand_01"] {
        for method in ["POST", "DELETE"] {
            let bench = Bench::new();
            let request = event(|event| {
                event["pathParameters"]["id"] = unknown.into();
                event["requestContext"]["http"]["method"] = method.into();
            });
            let (status, _, body) = bench.send(request).await;
            let message = format!("Brand with id: {unknown} was not found");
            let expected = json!({ "type": "not_found", "message": message });
            assert_eq!(
                (status, body),
                (StatusCode::NOT_FOUND, expected),
                "{method}"
            );
            assert_eq!(bench.announced(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn what_is_no_id_is_not_repeated_at_any_length() {
    let request = event(|event| event["pathParameters"]["id"] = "x".repeat(5000).into());
    let (status, _, body) = Bench::new().send(request).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body["message"].as_str().unwrap().len() < 200, "{body}");
}

#[tokio::test]
async fn a_name_that_is_refused_changes_nothing() {
    let bench = Bench::new();
    let (status, _, body) = bench.send(event(|event| event["body"] = "{}".into())).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["message"], "Invalid request: Field 'name' is required");
    assert_eq!(bench.brand().await.version, 1);
}

#[tokio::test]
async fn a_failed_announcement_does_not_fail_the_change() {
    let mut bench = Bench::new();
    bench.events.away = true;
    let (status, ..) = bench.send(deletion()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        bench.brand().await.is_to_be_synced(),
        "it is announced again"
    );
}
