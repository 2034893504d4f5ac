//! Stores that answer, or do not; the events that the handler is fed with; rows in every state.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use auth::{Actor, Authenticate, Identity, Tokens};
use brand::{
    Brand, BrandId, BrandName, BrandReader, BrandRow, BrandWriter, CMS_SUBSCRIBER, CMS_WORKFLOW,
    CountedPage, Direction, FoundRows, Held, Indexes, Lease, Mark, MarkKind, MemoryBrandStore,
    NextPage, Order, Place, Position, RunRecord, Search, StoreError, SubscriberState, SyncReader,
    Timestamp, UnsyncedCount, UnsyncedPage,
};
use circuit::MemoryCircuitStore;
use config::Secret;
use lambda_http::{Body, Request, Response, http::StatusCode, request::from_str};
use query_brands::{CmsStatus, QueryBrands};
use serde::Serialize;
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use workflow::{Phase, Run, RunError, StepRecord};

const LIST: &str = include_str!("../../../../events/api-gateway-list-brands.json");
const RETRIEVE: &str = include_str!("../../../../events/api-gateway-retrieve-brand.json");

/// When brands were created and changed, and what befell their runs.
pub(crate) const CREATED: u64 = 1_795_427_107_966;
pub(crate) const CHANGED: u64 = CREATED + 1_000;
pub(crate) const BEGAN: u64 = CREATED + 2_000;
pub(crate) const FAILED: u64 = CREATED + 3_000;
pub(crate) const ENDED: u64 = CREATED + 4_000;

/// A table that does not do what it should.
#[derive(Clone, Copy)]
pub(crate) enum Faulty {
    Away,
    Hangs,
}

impl Faulty {
    async fn answer<T>(self) -> Result<T, StoreError> {
        match self {
            Self::Away => Err(StoreError::Unavailable(Arc::new(std::io::Error::other(
                "secret detail",
            )))),
            Self::Hangs => pending().await,
        }
    }
}

impl BrandReader for Faulty {
    async fn list_and_count(
        &self,
        _: &Search,
        _: Order,
        _: u32,
        _: u16,
    ) -> Result<CountedPage, StoreError> {
        self.answer().await
    }

    async fn list_after(
        &self,
        _: &Search,
        _: Direction,
        _: Option<Position>,
        _: u16,
    ) -> Result<NextPage, StoreError> {
        self.answer().await
    }
}

impl SyncReader for Faulty {
    async fn find(&self, _: BrandId) -> Result<Option<BrandRow>, StoreError> {
        self.answer().await
    }

    async fn find_all(&self, _: &[BrandId]) -> Result<FoundRows, StoreError> {
        self.answer().await
    }

    async fn unsynced(
        &self,
        _: Indexes,
        _: Option<&Place>,
        _: u16,
    ) -> Result<UnsyncedPage, StoreError> {
        self.answer().await
    }

    async fn count_unsynced(&self) -> Result<UnsyncedCount, StoreError> {
        self.answer().await
    }
}

/// A store that counts how often rows are read. Its lists may have rows that cannot be read.
#[derive(Clone, Default)]
pub(crate) struct Watched {
    store: MemoryBrandStore,
    unreadable: Vec<String>,
    gone: Option<BrandId>,
    reads: Arc<AtomicUsize>,
}

impl Watched {
    pub(crate) fn new(store: MemoryBrandStore) -> Self {
        Self {
            store,
            ..Self::default()
        }
    }

    /// With a row that cannot be read.
    pub(crate) fn damaged(store: MemoryBrandStore) -> Self {
        Self {
            unreadable: vec!["damaged".to_owned()],
            ..Self::new(store)
        }
    }

    /// With a row that has gone, though lists have its brand yet.
    pub(crate) fn without_row(self, id: BrandId) -> Self {
        Self {
            gone: Some(id),
            ..self
        }
    }

    /// How often rows were read since it was last asked.
    pub(crate) fn reads(&self) -> usize {
        self.reads.swap(0, Ordering::Relaxed)
    }
}

impl BrandReader for Watched {
    async fn list_and_count(
        &self,
        search: &Search,
        order: Order,
        offset: u32,
        limit: u16,
    ) -> Result<CountedPage, StoreError> {
        let page = self.store.list_and_count(search, order, offset, limit);
        let unreadable = self.unreadable.clone();
        Ok(CountedPage {
            unreadable,
            ..page.await?
        })
    }

    async fn list_after(
        &self,
        search: &Search,
        direction: Direction,
        after: Option<Position>,
        limit: u16,
    ) -> Result<NextPage, StoreError> {
        let page = self.store.list_after(search, direction, after, limit);
        let unreadable = self.unreadable.clone();
        Ok(NextPage {
            unreadable,
            ..page.await?
        })
    }
}

impl SyncReader for Watched {
    async fn find(&self, id: BrandId) -> Result<Option<BrandRow>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.store.find(id).await
    }

    async fn find_all(&self, ids: &[BrandId]) -> Result<FoundRows, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let mut found = self.store.find_all(ids).await?;
        found.rows.retain(|row| Some(row.brand.id) != self.gone);
        found.unreadable.clone_from(&self.unreadable);
        Ok(found)
    }

    async fn unsynced(
        &self,
        indexes: Indexes,
        after: Option<&Place>,
        limit: u16,
    ) -> Result<UnsyncedPage, StoreError> {
        self.store.unsynced(indexes, after, limit).await
    }

    async fn count_unsynced(&self) -> Result<UnsyncedCount, StoreError> {
        self.store.count_unsynced().await
    }
}

fn tokens() -> Tokens {
    Tokens::signed_with(&Secret::new("a secret of thirty-two bytes ...")).unwrap()
}

fn event(text: &str) -> Value {
    let identity = Identity {
        actor: Actor::of("user_1").unwrap(),
        auth_identity_id: "authid_1".to_owned(),
        password_version: 1,
    };
    let token = tokens().issue(&identity, SystemTime::now()).unwrap();
    serde_json::from_str(&text.replace("<TOKEN>", &token)).unwrap()
}

pub(crate) fn list(query: &str) -> Value {
    get("/admin/brands", query)
}

pub(crate) fn get(path: &str, query: &str) -> Value {
    let mut event = event(LIST);
    event["rawPath"] = path.into();
    event["rawQueryString"] = query.into();
    event
}

pub(crate) fn retrieve(id: &str, query: &str) -> Value {
    let mut event = event(RETRIEVE);
    event["rawPath"] = format!("/admin/brands/{id}").into();
    event["pathParameters"]["id"] = id.into();
    event["rawQueryString"] = query.into();
    event
}

pub(crate) async fn response<B: BrandReader + SyncReader + 'static>(
    brands: B,
    event: Value,
) -> Response<Body> {
    // A CMS of which nothing is known.
    let cms = CmsStatus::new(
        Arc::new(MemoryCircuitStore::default()),
        Arc::new(reconcile::MemoryReconciliationStore::default()),
        None,
    );
    respond(QueryBrands::new(brands, cms), event).await
}

async fn respond<B: BrandReader + SyncReader + 'static>(
    handler: QueryBrands<B>,
    event: Value,
) -> Response<Body> {
    let handler = Arc::new(handler);
    let service = ServiceBuilder::new()
        .layer(admin_api::ErrorResponses)
        .layer(Authenticate::with(tokens()))
        .service(service_fn(move |request: Request| {
            let handler = Arc::clone(&handler);
            async move { handler.handle(request).await }
        }));
    let request = from_str(&event.to_string()).unwrap();
    service.oneshot(request).await.unwrap()
}

fn read(response: &Response<Body>) -> (StatusCode, Value) {
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert_eq!(content_type, "application/json; charset=utf-8");
    let body = serde_json::from_slice(response.body()).unwrap();
    (response.status(), body)
}

pub(crate) async fn answer<B: BrandReader + SyncReader + 'static>(
    brands: B,
    event: Value,
) -> (StatusCode, Value) {
    read(&response(brands, event).await)
}

/// As [`answer`], with what is known of the CMS.
pub(crate) async fn answer_with<B: BrandReader + SyncReader + 'static>(
    brands: B,
    cms: CmsStatus,
    event: Value,
) -> (StatusCode, Value) {
    read(&respond(QueryBrands::new(brands, cms), event).await)
}

/// So many brands, the later the later created: Brand 0, Brand 1, …
pub(crate) async fn some(count: u64) -> (MemoryBrandStore, Vec<Brand>) {
    let store = MemoryBrandStore::new();
    let mut brands = Vec::new();
    for number in 0..count {
        let name = BrandName::parse(format!("Brand {number}")).unwrap();
        let brand = Brand::new(name, at(CREATED + number));
        store.create(&brand).await.unwrap();
        brands.push(brand);
    }
    (store, brands)
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A moment, as the API shows it.
pub(crate) fn shown(millis: u64) -> String {
    at(millis).to_string()
}

/// The row of a brand in its third version, with what the CMS's subscriber keeps in it. It is not due.
pub(crate) fn row(name: &str, state: SubscriberState) -> BrandRow {
    let brand = Brand::new(BrandName::parse(name).unwrap(), at(CREATED));
    BrandRow {
        brand: Brand {
            version: 3,
            updated_at: at(CHANGED),
            ..brand
        },
        lease: None,
        subscribers: BTreeMap::from([(CMS_SUBSCRIBER.to_owned(), state)]),
        due_at: None,
    }
}

/// A run whose step was invoked four times.
pub(crate) fn run() -> Run {
    let step = StepRecord {
        name: CMS_WORKFLOW.to_owned(),
        retries: 3,
        began_at: moment(BEGAN),
        ..StepRecord::default()
    };
    let error = |message: &str| RunError {
        step: CMS_WORKFLOW.to_owned(),
        during: Phase::Invoke,
        message: message.to_owned(),
        at: moment(FAILED),
    };
    Run {
        workflow: CMS_WORKFLOW.to_owned(),
        began_at: moment(BEGAN),
        suspensions: 2,
        steps: vec![step],
        errors: vec![error("500"), error("503")],
        ..Run::default()
    }
}

pub(crate) fn moment(millis: u64) -> workflow::Timestamp {
    workflow::Timestamp::from_millis(millis)
}

/// A record of it, about the current version of a [`row`].
#[expect(
    clippy::unnecessary_wraps,
    reason = "it is a field that may be missing"
)]
pub(crate) fn record(run: &impl Serialize) -> Option<RunRecord> {
    let record = serde_json::to_string(run).unwrap();
    Some(RunRecord { version: 3, record })
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is a field that may be missing"
)]
pub(crate) fn mark(kind: MarkKind) -> Option<Mark> {
    Some(Mark::new(kind, "the cause".to_owned(), at(ENDED), 3))
}

/// The second version is synced, and the CMS is known to hold it.
pub(crate) fn second_synced() -> SubscriberState {
    SubscriberState {
        reached: 2,
        holds: Some(Held {
            entry: Some("entry-1".to_owned()),
            revision: Some("7".to_owned()),
            ..Held::named("Second")
        }),
        ..SubscriberState::default()
    }
}

/// A run waits to go on in the year 2100.
pub(crate) fn waiting(name: &str) -> BrandRow {
    let due_at = 4_102_444_800_000;
    let run = Run {
        resume_at: Some(moment(due_at)),
        ..run()
    };
    let state = SubscriberState {
        run: record(&run),
        in_doubt: true,
        ..second_synced()
    };
    BrandRow {
        due_at: Some(at(due_at)),
        ..row(name, state)
    }
}

/// The CMS refused it.
pub(crate) fn refused(name: &str) -> BrandRow {
    let run = Run {
        state: workflow::RunState::Reverted,
        ..run()
    };
    let state = SubscriberState {
        mark: mark(MarkKind::Refused),
        last: record(&run.summary(Some(moment(ENDED)))),
        ..second_synced()
    };
    row(name, state)
}

/// It is synced.
pub(crate) fn synced(name: &str) -> BrandRow {
    let run = Run {
        state: workflow::RunState::Done,
        ..run()
    };
    let state = SubscriberState {
        reached: 3,
        last: record(&run.summary(Some(moment(ENDED)))),
        ..SubscriberState::default()
    };
    row(name, state)
}

/// A worker is at it.
pub(crate) fn syncing(name: &str) -> BrandRow {
    let state = SubscriberState {
        run: record(&run()),
        ..second_synced()
    };
    let until = Timestamp::now().plus(Duration::from_mins(10));
    BrandRow {
        lease: Some(Lease {
            token: "a worker's".to_owned(),
            sequence: 3,
            until: Some(until),
        }),
        due_at: Some(at(CHANGED)),
        ..row(name, state)
    }
}

pub(crate) fn store(rows: impl IntoIterator<Item = BrandRow>) -> MemoryBrandStore {
    let store = MemoryBrandStore::new();
    for row in rows {
        store.put(row);
    }
    store
}
