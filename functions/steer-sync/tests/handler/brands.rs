//! Brands that are taken up again, one or many, and runs that are cancelled.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use brand::{
    Brand, BrandEvents, BrandId, BrandName, BrandRow, CMS_SUBSCRIBER, CloudEvent, EventError,
    FoundRows, Held, Indexes, Lease, Mark, MarkKind, MemoryBrandStore, Place, RunRecord,
    StoreError, SubscriberState, SyncReader, SyncStore, SyncWrite, SyncWritten, Timestamp,
    UnsyncedCount, UnsyncedPage,
};
use lambda_http::http::{Method, StatusCode};
use serde_json::{Value, json};
use telemetry::Trace;
use workflow::{Run, StepRecord};

use crate::{Bench, message};

/// Announces all, unless the queue is away.
#[derive(Clone, Default)]
pub(crate) struct Events {
    is_away: bool,
    announced: Arc<Mutex<Vec<String>>>,
}

impl BrandEvents for Events {
    async fn announce(&self, brand: &Brand, _: &Trace) -> Result<(), EventError> {
        if self.is_away {
            return Err(EventError(Arc::new(std::io::Error::other("no queue"))));
        }
        let event = CloudEvent::about(brand);
        let announced = format!("{} {}", event.event_type, event.data.version);
        self.announced.lock().unwrap().push(announced);
        Ok(())
    }
}

/// A store, and how it answers writes.
#[derive(Clone, Default)]
pub(crate) struct Brands {
    pub(crate) store: MemoryBrandStore,
    writes: Writes,
}

#[derive(Clone, Copy, Default)]
enum Writes {
    #[default]
    Made,
    /// Others were faster, each time.
    Refused,
    Away,
}

impl SyncStore for Brands {
    async fn load(&self, id: BrandId) -> Result<Option<BrandRow>, StoreError> {
        self.store.load(id).await
    }

    async fn write(&self, write: &SyncWrite) -> Result<SyncWritten, StoreError> {
        match self.writes {
            Writes::Made => self.store.write(write).await,
            Writes::Refused => {
                let row = self.store.row(write.id);
                Ok(SyncWritten::Refused(row.map(Box::new)))
            }
            Writes::Away => Err(StoreError::Unavailable(Arc::new(std::io::Error::other(
                "secret detail",
            )))),
        }
    }
}

impl SyncReader for Brands {
    async fn find(&self, id: BrandId) -> Result<Option<BrandRow>, StoreError> {
        self.store.find(id).await
    }

    async fn find_all(&self, ids: &[BrandId]) -> Result<FoundRows, StoreError> {
        self.store.find_all(ids).await
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

/// When brands were created, and what befell their runs.
fn then() -> Timestamp {
    Timestamp::from_millis(1_795_427_107_966)
}

const EXECUTIONS: &str = "/admin/workflows-executions";

fn row(name: &str, state: SubscriberState) -> BrandRow {
    let name = BrandName::parse(name).unwrap();
    BrandRow {
        due_at: None,
        subscribers: BTreeMap::from([(CMS_SUBSCRIBER.to_owned(), state)]),
        ..BrandRow::from(Brand::new(name, then()))
    }
}

fn marked(kind: MarkKind) -> BrandRow {
    let state = SubscriberState {
        mark: Some(Mark::new(kind, "422".to_owned(), then(), 1)),
        // As the sync leaves them: a run that has failed or is paused has its record.
        run: matches!(kind, MarkKind::Failed | MarkKind::Paused).then(|| record(&run())),
        ..SubscriberState::default()
    };
    row("Acme", state)
}

pub(crate) fn synced() -> BrandRow {
    let state = SubscriberState {
        reached: 1,
        holds: Some(Held::named("Acme")),
        ..SubscriberState::default()
    };
    row("Acme", state)
}

fn run() -> Run {
    let step = StepRecord {
        name: "sync-brand-to-cms".to_owned(),
        ..StepRecord::default()
    };
    Run {
        workflow: "sync-brand-to-cms".to_owned(),
        owner: "a worker's".to_owned(),
        sequence: 7,
        steps: vec![step],
        ..Run::default()
    }
}

fn record(run: &Run) -> RunRecord {
    RunRecord {
        version: 1,
        record: serde_json::to_string(run).unwrap(),
    }
}

/// A run waits to go on in an hour.
fn waiting() -> BrandRow {
    let due_at = Timestamp::now().plus(Duration::from_hours(1));
    let run = Run {
        resume_at: Some(workflow::Timestamp::from_millis(due_at.as_millis())),
        ..run()
    };
    let state = SubscriberState {
        run: Some(record(&run)),
        ..SubscriberState::default()
    };
    BrandRow {
        due_at: Some(due_at),
        ..row("Acme", state)
    }
}

fn not_begun() -> BrandRow {
    let name = BrandName::parse("Acme").unwrap();
    BrandRow::from(Brand::new(name, then()))
}

/// A worker is at it.
fn syncing() -> BrandRow {
    let state = SubscriberState {
        run: Some(record(&run())),
        ..SubscriberState::default()
    };
    let until = Timestamp::now().plus(Duration::from_mins(10));
    BrandRow {
        lease: Some(Lease {
            token: "a worker's".to_owned(),
            sequence: 3,
            until: Some(until),
        }),
        due_at: Some(then()),
        ..row("Acme", state)
    }
}

fn deleted(mut row: BrandRow) -> BrandRow {
    row.brand.deleted_at = Some(then());
    row
}

impl Bench {
    fn with(rows: impl IntoIterator<Item = BrandRow>) -> Self {
        let bench = Self::default();
        for row in rows {
            bench.brands.store.put(row);
        }
        bench
    }

    async fn sync(&self, id: BrandId, body: &str) -> (StatusCode, Value) {
        let uri = format!("/admin/brands/{id}/sync");
        self.send(Method::POST, &uri, body).await
    }

    async fn sync_many(&self, body: &Value) -> (StatusCode, Value) {
        let body = body.to_string();
        self.send(Method::POST, "/admin/brands/sync", &body).await
    }

    async fn cancel(&self, id: BrandId, body: &str) -> (StatusCode, Value) {
        let uri = format!("{EXECUTIONS}/sync-brand-to-cms/{id}/cancel");
        self.send(Method::POST, &uri, body).await
    }

    fn row(&self, id: BrandId) -> BrandRow {
        self.brands.store.row(id).unwrap()
    }

    fn state(&self, id: BrandId) -> SubscriberState {
        self.row(id).subscriber(CMS_SUBSCRIBER)
    }

    /// The only row.
    fn id(&self) -> BrandId {
        self.brands.store.all_rows()[0].brand.id
    }

    fn announced(&self) -> Vec<String> {
        self.events.announced.lock().unwrap().clone()
    }

    /// Whether the row records an intervention.
    fn is_asked(&self, id: BrandId) -> bool {
        self.state(id).intervention.is_some()
    }
}

#[tokio::test]
async fn a_brand_is_taken_up_whatever_state_it_is_in_and_says_who_asked_and_why() {
    for row in [
        marked(MarkKind::Refused),
        marked(MarkKind::Failed),
        marked(MarkKind::Paused),
        marked(MarkKind::Cancelled),
        waiting(),
        not_begun(),
        syncing(),
        synced(),
        deleted(marked(MarkKind::Refused)),
        deleted(synced()),
    ] {
        let (bench, id) = (Bench::with([row.clone()]), row.brand.id);
        let begun = Timestamp::now();
        let (status, body) = bench.sync(id, r#"{"reason": "moved 🦀"}"#).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let brand = &body["brand"];
        let keys: Vec<&String> = brand.as_object().unwrap().keys().collect();
        let expected = [
            "created_at",
            "deleted_at",
            "id",
            "name",
            "sync",
            "updated_at",
        ];
        assert_eq!(keys, expected);
        assert_eq!(brand["id"], id.to_string());
        assert_eq!(
            brand["deleted_at"].is_null(),
            row.brand.deleted_at.is_none()
        );
        let is_leased = row.lease.is_some();
        let state = if is_leased { "syncing" } else { "waiting" };
        assert_eq!(brand["sync"]["state"], state, "{row:?}");
        let request = &brand["sync"]["request"];
        assert_eq!(
            (&request["action"], &request["by"], &request["reason"]),
            (&json!("sync"), &json!("user_01"), &json!("moved 🦀"))
        );

        let state = bench.state(id);
        assert_eq!((state.mark, state.run, state.reached), (None, None, 0));
        let before = row.subscriber(CMS_SUBSCRIBER);
        let may_hold_more = before.run.is_some() || before.mark.is_some() || before.reached > 0;
        assert_eq!(state.in_doubt, may_hold_more, "{row:?}");
        assert_eq!(state.holds, before.holds);
        assert!(state.intervention.unwrap().at >= begun);
        let due_at = bench.row(id).due_at.unwrap();
        assert!(begun <= due_at && due_at <= Timestamp::now(), "due now");
        let verb = row.brand.deleted_at.map_or("created", |_| "deleted");
        assert_eq!(bench.announced(), [format!("brand.{verb} 1")]);
    }
}

#[tokio::test]
async fn a_brand_is_taken_up_without_a_reason_and_though_the_queue_is_away() {
    for body in ["", "{}"] {
        let mut bench = Bench::with([marked(MarkKind::Refused)]);
        bench.events.is_away = true;
        let (status, body) = bench.sync(bench.id(), body).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body["brand"]["sync"]["request"]["reason"], Value::Null);
        assert!(bench.row(bench.id()).due_at.is_some(), "the sweep finds it");
    }
}

#[tokio::test]
async fn what_is_no_brand_cannot_be_taken_up() {
    let bench = Bench::default();
    for id in ["019abfc0-e85e-7cc0-a1a2-000000000000", "brand_01"] {
        let uri = format!("/admin/brands/{id}/sync");
        let (status, body) = bench.send(Method::POST, &uri, "").await;
        let message = format!("Brand with id: {id} was not found");
        let expected = json!({ "type": "not_found", "message": message });
        assert_eq!((status, body), (StatusCode::NOT_FOUND, expected));
    }
    assert_eq!(bench.announced(), [""; 0]);
}

#[tokio::test]
async fn what_is_wrong_with_a_reason_is_said_and_nothing_is_done() {
    let bench = Bench::with([waiting()]);
    let (id, row) = (bench.id(), bench.row(bench.id()));
    let too_long = json!({ "reason": "🦀".repeat(201) }).to_string();
    for (body, expected) in [
        (
            r#"{"reason": " ", "force": true}"#,
            "Value for field 'reason' too small, expected at least: '1'; Unrecognized fields: 'force'",
        ),
        (
            r#"{"reason": 7}"#,
            "Expected type: 'string' for field 'reason', got: '7'; \
             Value for field 'reason' too small, expected at least: '1'",
        ),
        (
            &*too_long,
            "Value for field 'reason' too big, expected at most: '200'",
        ),
    ] {
        assert_eq!(message(&bench.sync(id, body).await), expected);
        assert_eq!(message(&bench.cancel(id, body).await), expected);
    }
    assert_eq!(bench.row(id), row);
}

#[tokio::test]
async fn a_row_that_others_keep_writing_is_a_conflict_and_a_table_that_is_away_an_error() {
    for (writes, expected) in [
        (Writes::Refused, StatusCode::CONFLICT),
        (Writes::Away, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let mut bench = Bench::with([waiting()]);
        bench.brands.writes = writes;
        let id = bench.id();
        for (status, body) in [bench.sync(id, "").await, bench.cancel(id, "").await] {
            assert_eq!(status, expected, "{body}");
            assert!(!body.to_string().contains("secret"), "{body}");
        }
        assert_eq!(bench.announced(), [""; 0]);
    }
}

/// Two rows in each state.
fn all_states() -> Vec<BrandRow> {
    let two = |row: fn() -> BrandRow| [row(), row()];
    [
        two(|| marked(MarkKind::Refused)),
        two(|| marked(MarkKind::Failed)),
        two(|| marked(MarkKind::Paused)),
        two(|| marked(MarkKind::Cancelled)),
        two(waiting),
        two(syncing),
        two(synced),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[tokio::test]
async fn a_dry_run_counts_and_changes_nothing() {
    for (filter, count) in [
        (json!({ "sync": ["refused"] }), 2),
        (json!({ "sync": ["failed", "paused", "failed"] }), 4),
        (json!({ "sync": ["waiting"] }), 2),
        (json!({ "sync": ["syncing", "cancelled"] }), 4),
        (
            json!({ "sync": ["refused", "failed", "paused", "cancelled", "waiting", "syncing"] }),
            12,
        ),
        (json!({ "sync": ["refused"], "q": "CM" }), 2),
        (json!({ "sync": ["refused"], "q": "globex" }), 0),
    ] {
        let bench = Bench::with(all_states());
        let before = bench.brands.store.all_rows();
        let body = json!({ "filter": filter, "dry_run": true });
        let answer = bench.sync_many(&body).await;
        let expected = json!({ "dry_run": true, "count": count, "next": null });
        assert_eq!(answer, (StatusCode::OK, expected), "{filter}");
        assert_eq!(bench.brands.store.all_rows(), before);
    }
}

#[tokio::test]
async fn all_brands_that_a_filter_takes_are_taken_up_and_no_others() {
    for (filter, kinds) in [
        (json!({ "sync": ["refused"] }), vec!["refused"]),
        (
            json!({ "sync": ["waiting", "paused"] }),
            vec!["waiting", "paused"],
        ),
        (json!({ "sync": ["syncing"], "q": "acme" }), vec!["syncing"]),
        (json!({ "sync": ["syncing"], "q": "globex" }), vec![]),
    ] {
        let bench = Bench::with(all_states());
        let now = Timestamp::now();
        let of_kind = |row: &&BrandRow| kinds.contains(&brand::SyncState::of(row, now).as_str());
        let before = bench.brands.store.all_rows();
        let meant: BTreeSet<BrandId> = before
            .iter()
            .filter(of_kind)
            .map(|row| row.brand.id)
            .collect();
        assert_eq!(meant.len(), 2 * kinds.len());
        let body = json!({ "filter": filter, "dry_run": false, "reason": "it is fixed" });
        let answer = bench.sync_many(&body).await;
        let expected = json!({
            "dry_run": false, "count": meant.len(), "taken_up": meant.len(), "failed": [], "next": null,
        });
        assert_eq!(answer, (StatusCode::OK, expected), "{filter}");
        for row in before {
            let id = row.brand.id;
            if !meant.contains(&id) {
                assert_eq!(bench.row(id), row);
                continue;
            }
            let state = bench.state(id);
            assert_eq!((state.mark, state.run), (None, None));
            assert!(bench.row(id).due_at <= Some(Timestamp::now()));
            let asked = state.intervention.unwrap();
            assert_eq!(asked.by, "user_01");
            assert_eq!(asked.reason.as_deref(), Some("it is fixed"));
        }
        assert_eq!(bench.announced(), [""; 0], "the sweep reminds of them");
    }
}

fn many() -> Vec<BrandRow> {
    let waiting = (0..120).map(|_| waiting());
    waiting
        .chain((0..130).map(|_| marked(MarkKind::Refused)))
        .collect()
}

#[tokio::test]
async fn more_brands_than_a_page_has_are_taken_up_once_each() {
    let bench = Bench::with(many());
    let body = json!({ "filter": { "sync": ["refused", "waiting"] }, "reason": "it is fixed" });
    let (status, answer) = bench.sync_many(&body).await;
    let expected = json!({
        "dry_run": false, "count": 250, "taken_up": 250, "failed": [], "next": null,
    });
    assert_eq!((status, answer), (StatusCode::OK, expected));
    for row in bench.brands.store.all_rows() {
        assert_eq!(row.lease.unwrap().sequence, 1, "one write");
    }
}

#[tokio::test]
async fn where_time_is_up_the_next_request_goes_on_and_takes_nothing_up_twice() {
    for dry_run in [true, false] {
        let mut bench = Bench::with(many());
        // Enough for one page, and not for another.
        bench.time = Some(Duration::from_secs(5));
        let mut counts = Vec::new();
        let mut after = Value::from("");
        while !after.is_null() {
            let body = json!({
                "filter": { "sync": ["refused", "waiting"] },
                "dry_run": dry_run, "reason": "it is fixed", "after": after,
            });
            let (status, mut answer) = bench.sync_many(&body).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            counts.push(answer["count"].as_u64().unwrap());
            after = answer["next"].take();
        }
        assert!(counts.len() > 2, "{counts:?}");
        assert_eq!(counts.iter().sum::<u64>(), 250, "{counts:?}");
        for row in bench.brands.store.all_rows() {
            let sequence = row.lease.map(|lease| lease.sequence);
            assert_eq!(sequence, Some(1).filter(|_| !dry_run));
        }
    }
}

#[tokio::test]
async fn brands_that_cannot_be_taken_up_are_named() {
    for (writes, expected) in [
        (Writes::Refused, "Others kept writing to it: try again"),
        (Writes::Away, "It could not be written: try again"),
    ] {
        let mut bench = Bench::with([marked(MarkKind::Refused)]);
        bench.brands.writes = writes;
        let body = json!({ "filter": { "sync": ["refused"] }, "reason": "it is fixed" });
        let (status, answer) = bench.sync_many(&body).await;
        let failed = json!([{ "id": bench.id(), "message": expected }]);
        let expected = json!({
            "dry_run": false, "count": 1, "taken_up": 0, "failed": failed, "next": null,
        });
        assert_eq!((status, answer), (StatusCode::OK, expected));
    }
}

#[tokio::test]
async fn a_bulk_request_that_is_not_clear_takes_nothing_up() {
    let bench = Bench::with(all_states());
    let before = bench.brands.store.all_rows();
    let states = "waiting, syncing, refused, failed, paused, cancelled";
    let unknown = |place: usize, got: &str| {
        format!("Expected: '{states}' for field 'filter, sync, {place}', but got: '{got}'")
    };
    for (body, expected) in [
        (
            json!({}),
            "Field 'filter' is required; Field 'reason' is required".to_owned(),
        ),
        (
            json!({ "filter": {}, "dry_run": true }),
            "Field 'filter, sync' is required".to_owned(),
        ),
        (
            json!({ "filter": { "sync": [] }, "dry_run": true }),
            "Field 'filter, sync' is required".to_owned(),
        ),
        (
            json!({ "filter": { "sync": ["refused"] } }),
            "Field 'reason' is required".to_owned(),
        ),
        (
            json!({ "filter": { "sync": ["synced", "refused", "x"] }, "dry_run": true }),
            format!("{}; {}", unknown(0, "synced"), unknown(2, "x")),
        ),
        (
            json!({ "filter": { "sync": ["refused"], "color": "red" }, "dry_run": true, "size": 1 }),
            "Unrecognized fields: 'size, filter, color'".to_owned(),
        ),
        (
            json!({ "filter": { "sync": ["refused"] }, "dry_run": "no", "reason": "why" }),
            "Expected type: 'boolean' for field 'dry_run', got: '\"no\"'".to_owned(),
        ),
        (
            json!({ "filter": { "sync": ["refused"] }, "dry_run": true, "after": "nonsense" }),
            "Field 'after' holds no cursor: it is empty, or the 'next' of the answer before"
                .to_owned(),
        ),
    ] {
        assert_eq!(message(&bench.sync_many(&body).await), expected, "{body}");
    }
    let mistyped = json!({ "filter": ["refused"], "dry_run": true });
    let mistyped = message(&bench.sync_many(&mistyped).await);
    assert!(
        mistyped.starts_with("Expected type: 'object' for field 'filter'"),
        "{mistyped}"
    );
    assert_eq!(bench.brands.store.all_rows(), before);
}

#[tokio::test]
async fn a_run_that_waits_is_paused_or_under_way_is_to_be_reverted_and_says_who_asked() {
    for row in [waiting(), marked(MarkKind::Paused), syncing()] {
        let (bench, id) = (Bench::with([row.clone()]), row.brand.id);
        let begun = Timestamp::now();
        let (status, body) = bench.cancel(id, r#"{"reason": "a mistake"}"#).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let execution = &body["workflow_execution"];
        assert_eq!(execution["transaction_id"], id.to_string());
        assert!(execution["cancel_requested_at"].is_string());
        assert_eq!(execution["resume_at"], Value::Null, "it goes on now");

        let state = bench.state(id);
        let run: Run = serde_json::from_str(&state.run.unwrap().record).unwrap();
        assert!(run.cancel_requested_at.is_some());
        assert_eq!(run.owner, "a worker's", "who has it keeps it");
        assert_eq!((state.mark, run.sequence), (None, 8));
        let asked = state.intervention.unwrap();
        assert_eq!((asked.action.as_str(), &*asked.by), ("cancel", "user_01"));
        assert_eq!(asked.reason.as_deref(), Some("a mistake"));
        let stored = bench.row(id);
        assert!(stored.due_at >= Some(begun) && stored.due_at <= Some(Timestamp::now()));
        let until = |row: &BrandRow| row.lease.as_ref().and_then(|lease| lease.until);
        assert_eq!(until(&stored), until(&row), "a worker may still act");
        assert_eq!(bench.announced(), ["brand.created 1"]);
    }
}

#[tokio::test]
async fn what_has_not_begun_is_cancelled_at_once() {
    let bench = Bench::with([not_begun()]);
    let id = bench.id();
    let uri = format!("{EXECUTIONS}/sync-brand-to-cms:{id}/cancel");
    let (status, body) = bench.send(Method::POST, &uri, "").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["workflow_execution"]["state"], "reverted");
    let mark = bench.state(id).mark.unwrap();
    assert_eq!(mark.kind, MarkKind::Cancelled);
    assert_eq!(mark.cause, "cancelled by user_01");
    assert_eq!(bench.row(id).due_at, None, "nothing is left to do");
    assert!(bench.brands.store.attention_since(id).is_some());
    assert_eq!(bench.announced(), [""; 0]);
}

#[tokio::test]
async fn a_run_that_is_over_or_has_failed_is_not_cancelled() {
    for (row, expected) in [
        (synced(), "The run is done"),
        (marked(MarkKind::Refused), "The run is already reverted"),
        (marked(MarkKind::Cancelled), "The run is already reverted"),
        (
            marked(MarkKind::Failed),
            "The run has failed, and what it did is not undone: sync the brand again instead",
        ),
    ] {
        let (bench, id) = (Bench::with([row.clone()]), row.brand.id);
        let (status, body) = bench.cancel(id, "").await;
        let expected = json!({ "type": "not_allowed", "message": expected });
        assert_eq!((status, body), (StatusCode::BAD_REQUEST, expected));
        assert_eq!(bench.row(id), row);
        assert!(!bench.is_asked(id));
    }
}

#[tokio::test]
async fn what_is_no_execution_is_not_cancelled() {
    let bench = Bench::with([waiting()]);
    let id = bench.id();
    let unknown = BrandId::new(then());
    for (path, named) in [
        (format!("another/{id}"), format!("another:{id}")),
        (format!("another:{id}"), format!("another:{id}")),
        (id.to_string(), id.to_string()),
        (
            format!("sync-brand-to-cms/{unknown}"),
            format!("sync-brand-to-cms:{unknown}"),
        ),
    ] {
        let uri = format!("{EXECUTIONS}/{path}/cancel");
        let (status, body) = bench.send(Method::POST, &uri, "").await;
        let message = format!("WorkflowExecution with id: {named} was not found");
        let expected = json!({ "type": "not_found", "message": message });
        assert_eq!((status, body), (StatusCode::NOT_FOUND, expected));
    }
    assert!(!bench.is_asked(id));
}
