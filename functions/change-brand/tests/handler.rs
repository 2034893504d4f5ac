//! The handler, fed with real events, on a store in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use brand::{
    Brand, BrandEvents, BrandId, BrandName, BrandRow, CMS_SUBSCRIBER, CloudEvent, EventError, Held,
    Lease, Mark, MarkKind, MemoryBrandStore, RunRecord, SubscriberState, Timestamp,
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
}

struct Bench {
    brands: MemoryBrandStore,
    events: Events,
}

impl Bench {
    /// With the brand, as it was created and synced.
    fn new() -> Self {
        Self::with(BrandRow {
            due_at: None,
            ..BrandRow::from(acme())
        })
    }

    fn with(row: BrandRow) -> Self {
        let (brands, events) = (MemoryBrandStore::new(), Events::default());
        brands.put(row);
        Self { brands, events }
    }

    fn row(&self) -> BrandRow {
        self.brands.row(id()).unwrap()
    }

    fn brand(&self) -> Brand {
        self.row().brand
    }

    /// Whether the sweep comes to the row, a little after its last change.
    fn is_due_later(&self) -> bool {
        let row = self.row();
        row.due_at > Some(row.brand.updated_at)
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

fn acme() -> Brand {
    let created = Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::from_millis(0));
    Brand {
        id: id(),
        ..created
    }
}

/// The row of the brand, whose deletion is version 2, with what the CMS's subscriber keeps in it.
fn deleted(state: SubscriberState, due_at: Option<Timestamp>) -> BrandRow {
    let at = Timestamp::from_millis(1);
    BrandRow {
        brand: Brand {
            version: 2,
            updated_at: at,
            deleted_at: Some(at),
            ..acme()
        },
        lease: Some(Lease {
            token: "a worker's".to_owned(),
            sequence: 3,
            until: None,
        }),
        subscribers: BTreeMap::from([(CMS_SUBSCRIBER.to_owned(), state)]),
        due_at,
    }
}

/// What is kept of a brand that the CMS holds, and that has stopped with a version.
fn marked(kind: MarkKind, version: u32) -> SubscriberState {
    let cause = "422: in use".to_owned();
    SubscriberState {
        reached: 1,
        holds: Some(Held::named("Acme")),
        mark: Some(Mark::new(kind, cause, Timestamp::from_millis(2), version)),
        ..SubscriberState::default()
    }
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
    let brand = bench.brand();
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
    assert!(bench.is_due_later());
    assert_eq!(bench.announced(), ["brand.updated 2"]);
}

#[tokio::test]
async fn a_brand_is_deleted_and_announced_and_a_repetition_gets_the_same_answer() {
    let bench = Bench::new();
    let expected = json!({ "id": ID, "object": "brand", "deleted": true });
    for _ in 0..2 {
        let (status, _, body) = bench.send(deletion()).await;
        assert_eq!((status, &body), (StatusCode::OK, &expected));
    }
    let brand = bench.brand();
    assert!(brand.deleted_at.is_some() && bench.is_due_later());
    assert_eq!(brand.version, 2);
    assert_eq!(bench.announced(), ["brand.deleted 2", "brand.deleted 2"]);
    let (status, _, body) = bench.send(event(|_| ())).await;
    assert_eq!(
        (status, &body["type"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
}

#[tokio::test]
async fn a_repeated_deletion_takes_up_the_one_that_needs_attention() {
    for kind in [MarkKind::Refused, MarkKind::Failed, MarkKind::Paused] {
        let bench = Bench::with(deleted(marked(kind, 2), None));
        assert!(bench.brands.attention_since(id()).is_some());
        let begun = Timestamp::now();
        let (status, _, body) = bench.send(deletion()).await;
        let expected = json!({ "id": ID, "object": "brand", "deleted": true });
        assert_eq!((status, body), (StatusCode::OK, expected));
        let row = bench.row();
        assert_eq!(row.brand.version, 2, "it is not deleted again");
        assert_eq!(row.subscriber(CMS_SUBSCRIBER).mark, None);
        assert_eq!(bench.brands.attention_since(id()), None);
        let due_at = row.due_at.unwrap();
        assert!(begun <= due_at && due_at <= Timestamp::now(), "due now");
        assert_eq!(bench.announced(), ["brand.deleted 2"]);
    }
}

#[tokio::test]
async fn a_repeated_deletion_that_needs_no_attention_is_announced_again_and_leaves_the_row_alone() {
    let waiting = SubscriberState {
        run: Some(RunRecord {
            version: 1,
            record: "{}".to_owned(),
        }),
        ..marked(MarkKind::Refused, 1)
    };
    let synced = SubscriberState {
        reached: 2,
        ..SubscriberState::default()
    };
    let later = Timestamp::from_millis(3_600_000);
    for row in [deleted(waiting, Some(later)), deleted(synced, None)] {
        let bench = Bench::with(row.clone());
        let (status, _, body) = bench.send(deletion()).await;
        let expected = json!({ "id": ID, "object": "brand", "deleted": true });
        assert_eq!((status, body), (StatusCode::OK, expected));
        assert_eq!(bench.row(), row);
        assert_eq!(bench.announced(), ["brand.deleted 2"]);
    }
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
    assert_eq!(bench.brand().version, 2);
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
    assert_eq!(bench.brand().version, 1);
}

#[tokio::test]
async fn a_failed_announcement_does_not_fail_the_change() {
    let mut bench = Bench::new();
    bench.events.away = true;
    let (status, ..) = bench.send(deletion()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(bench.is_due_later(), "the sweep makes up for it");
}
