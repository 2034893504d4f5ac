//! GET /admin/parked, POST /admin/parked/redrive, DELETE /admin/parked/{id}: the messages that could not be worked on.
//!
//! SQS shows a message only to who receives it, and hides it from others meanwhile. So of two admins who look at once, each sees a part,
//! and a message that one looks at is not found by the other for some seconds.

use std::{collections::BTreeSet, time::Duration};

use admin_api::{ApiError, Deadline, Fields, Parameters, shown};
use brand::{BrandId, Timestamp};
use dead_letters::{DeadLetterError, FailureKind, Filter, ParkedMessage, Redrive, Report};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use serde_json::json;
use tracing::{error, info};

use crate::operator;

/// How many messages are shown, unless fewer or more are asked for.
pub const LIMIT: u32 = 100;
/// The most messages that are shown.
pub const MAX_LIMIT: u32 = 1_000;
/// The most ids of one request.
const MAX_IDS: usize = 100;
/// The most characters of an id. SQS's have 36.
const MAX_ID: usize = 100;
/// The most characters of a body that are shown.
const MAX_SHOWN: usize = 200;
/// How long a request may take: API Gateway waits for 30 seconds.
const PATIENCE: Duration = Duration::from_secs(25);

/// Where messages are parked. Each call takes no longer than `time`.
pub trait Parked: Send + Sync {
    /// The messages that the filter takes.
    fn list(
        &self,
        filter: &Filter,
        time: Duration,
    ) -> impl Future<Output = Result<Vec<ParkedMessage>, DeadLetterError>> + Send;

    /// Moves them back to the queue that they come from.
    fn redrive(
        &self,
        filter: &Filter,
        time: Duration,
    ) -> impl Future<Output = Result<Report, DeadLetterError>> + Send;

    /// Deletes the message of that id; `false` where it is not found.
    fn delete(
        &self,
        id: &str,
        time: Duration,
    ) -> impl Future<Output = Result<bool, DeadLetterError>> + Send;
}

impl Parked for Redrive {
    async fn list(
        &self,
        filter: &Filter,
        time: Duration,
    ) -> Result<Vec<ParkedMessage>, DeadLetterError> {
        self.dead_letters().list(filter, Some(time)).await
    }

    async fn redrive(&self, filter: &Filter, time: Duration) -> Result<Report, DeadLetterError> {
        self.run(filter, Some(time), |_| ()).await
    }

    async fn delete(&self, id: &str, time: Duration) -> Result<bool, DeadLetterError> {
        self.dead_letters().delete(id, Some(time)).await
    }
}

/// The handler of what is parked.
#[derive(Debug)]
pub struct SteerParked<P> {
    parked: P,
}

impl<P: Parked> SteerParked<P> {
    /// The handler on that.
    pub const fn new(parked: P) -> Self {
        Self { parked }
    }

    /// Answers GET /admin/parked.
    pub async fn list(&self, request: &Request) -> Result<Response<Body>, ApiError> {
        let (filter, limit) = list_query(request)?;
        let listed = Box::pin(self.parked.list(&filter, time(request))).await;
        let messages = listed.map_err(|cause| failed(&cause))?;
        let parked: Vec<MessageView> = messages.iter().map(MessageView::of).collect();
        let count = parked.len();
        admin_api::json(&json!({ "parked": parked, "count": count, "limit": limit }))
    }

    /// Answers POST /admin/parked/redrive.
    pub async fn redrive(&self, request: &Request) -> Result<Response<Body>, ApiError> {
        let filter = redrive_request(admin_api::body(request)?)?;
        let moved = Box::pin(self.parked.redrive(&filter, time(request))).await;
        let report = moved.map_err(|cause| failed(&cause))?;
        let (moved, left, operator) = (report.total(), report.left, operator(request));
        info!(moved, left, operator, "parked messages moved");
        for reason in &report.failed {
            error!(reason, "a parked message could not be moved");
        }
        admin_api::json(&json!({ "moved": moved, "left": left, "complete": report.complete }))
    }

    /// Answers DELETE /admin/parked/{id}.
    pub async fn delete(&self, id: &str, request: &Request) -> Result<Response<Body>, ApiError> {
        let deleted = Box::pin(self.parked.delete(id, time(request))).await;
        if !deleted.map_err(|cause| failed(&cause))? {
            let message = format!("Parked message with id: {} was not found", shown(id));
            return Err(ApiError::NotFound(message));
        }
        let operator = operator(request);
        info!(message.id = id, operator, "parked message {id} deleted");
        admin_api::json(&json!({ "id": id, "object": "parked_message", "deleted": true }))
    }
}

fn time(request: &Request) -> Duration {
    Deadline::of(request).time_left().min(PATIENCE)
}

fn failed(cause: &DeadLetterError) -> ApiError {
    error!(error = telemetry::chain(cause), "the queue failed");
    ApiError::Unknown
}

/// A parked message, as the API shows it.
#[derive(Debug, Serialize)]
struct MessageView {
    id: String,
    kind: &'static str,
    reason: Option<String>,
    parked_at: Option<String>,
    brand_id: Option<BrandId>,
    body: String,
}

impl MessageView {
    fn of(message: &ParkedMessage) -> Self {
        let at = message.sent_at.map(Timestamp::from_millis);
        Self {
            id: message.id.clone(),
            kind: message.kind.as_str(),
            reason: message.reason.clone(),
            parked_at: at.map(|at| at.to_string()),
            // Anything may have been sent as one.
            brand_id: message.brand_id().and_then(|id| id.parse().ok()),
            body: message.body.chars().take(MAX_SHOWN).collect(),
        }
    }
}

fn list_query(request: &Request) -> Result<(Filter, u32), ApiError> {
    let mut parameters = Parameters::of(request);
    let kind = parameters.text("kind");
    let limit = parameters.number("limit", 1..=MAX_LIMIT);
    let mut kinds = Vec::new();
    for word in kind.iter().flat_map(|kind| kind.split(',')) {
        match word.parse() {
            Ok(kind) => kinds.push(kind),
            Err(_) => parameters.problem(no_kind("kind", word)),
        }
    }
    parameters.finish()?;
    let limit = limit.unwrap_or(LIMIT);
    let filter = Filter {
        kinds,
        limit: usize::try_from(limit).ok(),
        ..Filter::default()
    };
    Ok((filter, limit))
}

fn redrive_request(body: &[u8]) -> Result<Filter, ApiError> {
    let mut fields = Fields::parse(body)?;
    let (kind, ids) = (fields.texts("kind"), fields.texts("id"));
    // An empty list would mean all.
    check_length("kind", kind.as_deref(), FailureKind::ALL.len(), &mut fields);
    check_length("id", ids.as_deref(), MAX_IDS, &mut fields);
    let mut kinds = Vec::new();
    for (place, word) in kind.iter().flatten().enumerate() {
        match word.parse() {
            Ok(kind) => kinds.push(kind),
            Err(_) => fields.problem(no_kind(&format!("kind, {place}"), word)),
        }
    }
    for (place, id) in ids.iter().flatten().enumerate() {
        let name = format!("id, {place}");
        if id.is_empty() {
            fields.problem(format!(
                "Value for field '{name}' too small, expected at least: '1'"
            ));
        } else if id.chars().nth(MAX_ID).is_some() {
            fields.problem(format!(
                "Value for field '{name}' too big, expected at most: '{MAX_ID}'"
            ));
        }
    }
    fields.finish()?;
    // Where they are named, it ends when the last one is found.
    let ids: Option<BTreeSet<String>> = ids.map(BTreeSet::from_iter);
    Ok(Filter {
        kinds,
        limit: ids.as_ref().map(BTreeSet::len),
        ids: ids.into_iter().flatten().collect(),
        containing: None,
    })
}

fn check_length(name: &str, list: Option<&[String]>, most: usize, fields: &mut Fields) {
    let length = list.map_or(1, <[String]>::len);
    if length == 0 {
        fields.problem(format!(
            "Value for field '{name}' too small, expected at least: '1'"
        ));
    } else if length > most {
        fields.problem(format!(
            "Value for field '{name}' too big, expected at most: '{most}'"
        ));
    }
}

fn no_kind(field: &str, word: &str) -> String {
    let kinds = FailureKind::ALL.map(FailureKind::as_str).join(", ");
    let word = shown(word);
    format!("Expected: '{kinds}' for field '{field}', but got: '{word}'")
}
