//! POST /admin/brands/{id}/sync, POST /admin/brands/sync, and POST /admin/workflows-executions/…/cancel: brands that an admin takes up
//! again, one or many, and runs that an admin cancels.

use std::time::Duration;

use admin_api::{
    ApiError, BrandResponse, Deadline, Fields, SyncResponse, brand_of_execution, execution,
    no_such_execution, shown,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use brand::{
    Action, Brand, BrandEvents, BrandId, BrandRow, CMS_SUBSCRIBER, Intervention, Place,
    SUBSCRIBERS, Search, StoreError, SyncReader, SyncState, SyncStore, TakeUp, TakenUp, Timestamp,
    UnsyncedFilter, take_up_for,
};
use futures::future::join_all;
use journal::{Cancelled, cancel};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use serde_json::json;
use telemetry::Metrics;
use tracing::{error, info};

use crate::{check_reason, operator};

/// How many rows of a page are written to at once, and how many a page has.
const AT_ONCE: usize = 20;
const PAGE: u16 = 100;
/// How much time is left at least when another page is begun with.
const FOR_A_PAGE: Duration = Duration::from_secs(5);

/// The handler, on a store of brands and a way to announce them.
#[derive(Debug)]
pub struct SteerBrands<S, E> {
    brands: S,
    events: E,
}

impl<S: SyncStore + SyncReader, E: BrandEvents> SteerBrands<S, E> {
    /// The handler on those.
    pub const fn new(brands: S, events: E) -> Self {
        Self { brands, events }
    }

    /// The brands.
    pub(crate) const fn store(&self) -> &S {
        &self.brands
    }

    /// Answers POST /admin/brands/{id}/sync.
    pub async fn sync_one(
        &self,
        id: &str,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let reason = reason_alone(request)?;
        let no_such_brand = || ApiError::no_such_brand(id);
        let brand: BrandId = id.parse().map_err(|_| no_such_brand())?;
        let deadline = Deadline::of(request);
        let (asked, now) = asked(Action::Sync, request, reason);
        let token = token();
        let asked_for = (Some(&asked), now);
        let scope = (brand, TakeUp::Again);
        let taken_up = take_up_for(&self.brands, scope, SUBSCRIBERS, &token, asked_for);
        match admin_api::in_time(&deadline, taken_up).await? {
            TakenUp::Due(brand) => {
                metrics.add("taken_up");
                log(&asked, brand.id, "brand taken up again");
                self.announce(&brand, request, metrics).await;
            }
            // Everything can be done again.
            TakenUp::NothingToDo(_) => {}
            TakenUp::Missing => return Err(no_such_brand()),
            TakenUp::Busy => return Err(busy()),
        }
        let row = admin_api::in_time(&deadline, self.brands.find(brand)).await?;
        let row = row.ok_or_else(no_such_brand)?;
        let shown = SteeredBrand {
            brand: BrandResponse::of(&row.brand),
            sync: SyncResponse::of(&row, now),
        };
        let answer = admin_api::json(&json!({ "brand": shown }))?;
        Ok(admin_api::tagged(answer, &row.brand))
    }

    /// Answers POST /admin/brands/sync: page by page, until all are taken up or the time is over. Their reminders come from the sweep,
    /// within a minute, no faster than the queue takes them.
    pub async fn sync_many(
        &self,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let bulk = BulkRequest::parse(admin_api::body(request)?)?;
        let deadline = Deadline::of(request);
        let (asked, now) = asked(Action::Sync, request, bulk.reason);
        let Resume { began, mut after } = bulk.after.unwrap_or(Resume {
            began: now,
            after: None,
        });
        let mut tally = Tally::default();
        loop {
            let page = bulk.filter.page(&self.brands, after.clone(), PAGE, now);
            let mut page = match admin_api::in_time(&deadline, page).await {
                Ok(page) => page,
                // What was done is answered, and where to go on.
                Err(_) if tally.count > 0 && after.is_some() => break,
                Err(error) => return Err(error),
            };
            // What this request, or the one that it goes on from, has taken up waits again, further behind.
            page.rows.retain(|row| !is_taken_up_since(row, began));
            tally.count += page.rows.len();
            if !bulk.dry_run {
                self.take_up_all(&page.rows, &asked, &mut tally).await;
            }
            after = page.next;
            if after.is_none() || deadline.time_left() < FOR_A_PAGE {
                break;
            }
        }
        let next = after.map(|place| Resume::cursor(began, &place));
        let Tally {
            count,
            taken_up,
            failed,
        } = tally;
        if bulk.dry_run {
            return admin_api::json(&json!({ "dry_run": true, "count": count, "next": next }));
        }
        metrics.add_many("taken_up", taken_up);
        let (by, reason) = (&asked.by, asked.reason.as_deref());
        info!(
            by,
            reason,
            count,
            taken_up,
            failed = failed.len(),
            "brands taken up again"
        );
        let failed: Vec<_> = failed
            .iter()
            .map(|(id, message)| json!({ "id": id, "message": message }))
            .collect();
        admin_api::json(&json!({
            "dry_run": false,
            "count": count,
            "taken_up": taken_up,
            "failed": failed,
            "next": next,
        }))
    }

    async fn take_up_all(&self, rows: &[BrandRow], asked: &Intervention, tally: &mut Tally) {
        for rows in rows.chunks(AT_ONCE) {
            let ids: Vec<BrandId> = rows.iter().map(|row| row.brand.id).collect();
            let taken_up = join_all(ids.iter().map(|id| self.take_up(*id, asked))).await;
            for (id, outcome) in ids.into_iter().zip(taken_up) {
                match outcome {
                    Ok(TakenUp::Due(_)) => {
                        log(asked, id, "brand taken up again");
                        tally.taken_up += 1;
                    }
                    // It was synced, or has gone, since it was found.
                    Ok(TakenUp::NothingToDo(_) | TakenUp::Missing) => {}
                    Ok(TakenUp::Busy) => tally.failed.push((id, BUSY)),
                    Err(cause) => {
                        let error = telemetry::chain(&cause);
                        error!(brand.id = %id, error, "the brand could not be taken up");
                        tally
                            .failed
                            .push((id, "It could not be written: try again"));
                    }
                }
            }
        }
    }

    async fn take_up(&self, id: BrandId, asked: &Intervention) -> Result<TakenUp, StoreError> {
        let (scope, asked_for) = ((id, TakeUp::Unsynced), (Some(asked), Timestamp::now()));
        let token = token();
        // On the heap: many are under way at once.
        Box::pin(take_up_for(
            &self.brands,
            scope,
            SUBSCRIBERS,
            &token,
            asked_for,
        ))
        .await
    }

    /// Answers `POST /admin/workflows-executions/{id}/cancel`, and `…/{workflow_id}/{transaction_id}/cancel`.
    pub async fn cancel(
        &self,
        parts: &[&str],
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let reason = reason_alone(request)?;
        let no_such_execution = || no_such_execution(&parts.join(":"));
        let id = brand_of_execution(parts)?;
        let deadline = Deadline::of(request);
        let (asked, now) = asked(Action::Cancel, request, reason);
        let (token, of) = (token(), (id, CMS_SUBSCRIBER));
        let cancelled = cancel(&self.brands, of, SUBSCRIBERS, &token, (&asked, now));
        let row = match admin_api::in_time(&deadline, cancelled).await? {
            Cancelled::Requested(row) => {
                metrics.add("cancelled");
                log(&asked, id, "run cancelled; it is reverted");
                self.announce(&row.brand, request, metrics).await;
                row
            }
            Cancelled::Marked(row) => {
                metrics.add("cancelled");
                log(&asked, id, "run cancelled before it began");
                row
            }
            Cancelled::NotOpen(row) => return Err(not_open(SyncState::of(&row, now))),
            Cancelled::Missing => return Err(no_such_execution()),
            Cancelled::Busy => return Err(busy()),
        };
        admin_api::json(&json!({ "workflow_execution": execution(&row) }))
    }

    async fn announce(&self, brand: &Brand, request: &Request, metrics: &mut Metrics) {
        let (deadline, trace) = (Deadline::of(request), admin_api::trace(request));
        admin_api::announce(&self.events, brand, &deadline, &trace, metrics).await;
    }
}

const BUSY: &str = "Others kept writing to it: try again";

fn busy() -> ApiError {
    ApiError::Conflict(BUSY.to_owned())
}

fn not_open(state: SyncState) -> ApiError {
    let message = match state {
        SyncState::Failed => {
            "The run has failed, and what it did is not undone: sync the brand again instead"
        }
        SyncState::Refused | SyncState::Cancelled => "The run is already reverted",
        _ => "The run is done",
    };
    ApiError::NotAllowed(message.to_owned())
}

/// A token that no other write has: it begins with the time, and goes on at random.
fn token() -> String {
    BrandId::new(Timestamp::now()).to_string()
}

fn log(asked: &Intervention, id: BrandId, what: &str) {
    let (by, reason) = (&asked.by, asked.reason.as_deref());
    info!(brand.id = %id, by, reason, "{what}");
}

/// A brand with its sync, as the API shows it.
#[derive(Serialize)]
struct SteeredBrand {
    #[serde(flatten)]
    brand: BrandResponse,
    sync: SyncResponse,
}

/// What the sender asks for, and when.
fn asked(action: Action, request: &Request, reason: Option<String>) -> (Intervention, Timestamp) {
    let now = Timestamp::now();
    let asked = Intervention::new(action, operator(request), reason, now);
    (asked, now)
}

fn is_taken_up_since(row: &BrandRow, began: Timestamp) -> bool {
    let asked = row.subscriber(CMS_SUBSCRIBER).intervention;
    asked.is_some_and(|asked| asked.action == Action::Sync && asked.at >= began)
}

/// The body of a request that has a reason and nothing else. It may be empty.
fn reason_alone(request: &Request) -> Result<Option<String>, ApiError> {
    let body = admin_api::body(request)?;
    if body.is_empty() {
        return Ok(None);
    }
    let mut fields = Fields::parse(body)?;
    let reason = fields.optional_text("reason");
    if let Some(reason) = &reason {
        check_reason(reason, &mut fields);
    }
    fields.finish()?;
    Ok(reason)
}

/// The body of POST /admin/brands/sync.
#[derive(Debug)]
struct BulkRequest {
    filter: UnsyncedFilter,
    dry_run: bool,
    reason: Option<String>,
    after: Option<Resume>,
}

impl BulkRequest {
    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let filter = fields.object("filter", |filter| {
            let (states, search) = (filter.texts("sync"), filter.optional_text("q"));
            let states = parse_states(states.as_deref(), filter);
            let search = search.map_or_else(Search::all, |text| Search::containing(&text));
            UnsyncedFilter { states, search }
        });
        if filter.is_none() {
            fields.problem("Field 'filter' is required".to_owned());
        }
        let dry_run = fields.flag("dry_run");
        let reason = fields.optional_text("reason");
        match &reason {
            Some(reason) => check_reason(reason, &mut fields),
            None if dry_run => {}
            None => fields.problem("Field 'reason' is required".to_owned()),
        }
        let after = fields
            .optional_text("after")
            .filter(|after| !after.is_empty());
        let resume = after.as_deref().map(Resume::parse);
        if let Some(None) = resume {
            fields.problem(
                "Field 'after' holds no cursor: it is empty, or the 'next' of the answer before"
                    .to_owned(),
            );
        }
        fields.finish()?;
        Ok(Self {
            filter: filter.unwrap_or_else(|| UnsyncedFilter {
                states: Vec::new(),
                search: Search::all(),
            }),
            dry_run,
            reason,
            after: resume.flatten(),
        })
    }
}

fn parse_states(words: Option<&[String]>, fields: &mut Fields) -> Vec<SyncState> {
    let Some(words) = words.filter(|words| !words.is_empty()) else {
        fields.problem("Field 'filter, sync' is required".to_owned());
        return Vec::new();
    };
    let mut states = Vec::new();
    if words.len() > SyncState::UNSYNCED.len() {
        let most = SyncState::UNSYNCED.len();
        fields.problem(format!(
            "Value for field 'filter, sync' too big, expected at most: '{most}'"
        ));
        return states;
    }
    for (place, word) in words.iter().enumerate() {
        match word.parse() {
            Ok(SyncState::Synced) | Err(_) => {
                let expected = SyncState::UNSYNCED.map(SyncState::as_str).join(", ");
                let word = shown(word);
                fields.problem(format!(
                    "Expected: '{expected}' for field 'filter, sync, {place}', but got: '{word}'"
                ));
            }
            Ok(state) => states.push(state),
        }
    }
    states
}

/// Where a request goes on from an earlier one.
#[derive(Debug)]
struct Resume {
    /// When the first request began.
    began: Timestamp,
    after: Option<Place>,
}

impl Resume {
    fn cursor(began: Timestamp, after: &Place) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}.{after}", began.as_millis()))
    }

    fn parse(cursor: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (began, place) = text.split_once('.')?;
        Some(Self {
            began: Timestamp::from_millis(began.parse().ok()?),
            after: Some(place.parse().ok()?),
        })
    }
}

/// What became of the brands that a request found.
#[derive(Default)]
struct Tally {
    count: usize,
    taken_up: usize,
    failed: Vec<(BrandId, &'static str)>,
}
