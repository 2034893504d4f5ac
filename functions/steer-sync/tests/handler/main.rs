//! All routes, on everything in memory: here the circuit's and the parked messages', in [`brands`] those of brands and their runs, in
//! [`reconciliation`] and [`hook`] those of reconciliations.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod brands;
mod hook;
mod reconciliation;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use auth::Actor;
use circuit::{CircuitBreaker, CircuitConfig, MemoryCircuitStore};
use dead_letters::{DeadLetterError, FailureKind, Filter, ParkedMessage, Report};
use lambda_http::{
    Body, Context, Request, RequestExt, Response,
    http::{Method, StatusCode},
};
use reconcile::{MemoryReconciliationStore, Reconciliations};
use serde_json::{Value, json};
use steer_sync::{Parked, SteerBrands, SteerCircuit, SteerParked, SteerReconciliation, SteerSync};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use self::brands::{Brands, Events};

const BRAND: &str = "019abfc0-e85e-7cc0-a1a2-0123456789ab";

/// A queue in memory, and how much time its last call had.
#[derive(Clone, Default)]
struct Queue {
    is_away: bool,
    messages: Arc<Mutex<Vec<ParkedMessage>>>,
    time: Arc<Mutex<Duration>>,
}

impl Queue {
    fn begin(&self, time: Duration) -> Result<(), DeadLetterError> {
        *self.time.lock().unwrap() = time;
        if self.is_away {
            return Err(DeadLetterError(Arc::new(std::io::Error::other("no queue"))));
        }
        Ok(())
    }
}

fn takes(filter: &Filter, message: &ParkedMessage) -> bool {
    (filter.kinds.is_empty() || filter.kinds.contains(&message.kind))
        && (filter.ids.is_empty() || filter.ids.contains(&message.id))
}

impl Parked for Queue {
    async fn list(
        &self,
        filter: &Filter,
        time: Duration,
    ) -> Result<Vec<ParkedMessage>, DeadLetterError> {
        self.begin(time)?;
        let messages = self.messages.lock().unwrap();
        let meant = messages.iter().filter(|message| takes(filter, message));
        Ok(meant.take(filter.limit.unwrap()).cloned().collect())
    }

    async fn redrive(&self, filter: &Filter, time: Duration) -> Result<Report, DeadLetterError> {
        self.begin(time)?;
        let mut report = Report::default();
        let mut messages = self.messages.lock().unwrap();
        for message in messages.extract_if(.., |message| takes(filter, message)) {
            *report.moved.entry(message.kind).or_default() += 1;
        }
        report.left = messages.len();
        report.complete = true;
        Ok(report)
    }

    async fn delete(&self, id: &str, time: Duration) -> Result<bool, DeadLetterError> {
        self.begin(time)?;
        let mut messages = self.messages.lock().unwrap();
        let deleted = messages.extract_if(.., |message| message.id == id);
        Ok(deleted.count() > 0)
    }
}

fn parked(id: &str, kind: FailureKind, body: &str) -> ParkedMessage {
    ParkedMessage {
        id: id.to_owned(),
        kind,
        reason: Some("why".to_owned()).filter(|_| kind != FailureKind::Undelivered),
        sent_at: Some(1_795_427_107_966).filter(|_| kind != FailureKind::Undelivered),
        body: body.to_owned(),
    }
}

#[derive(Clone, Default)]
struct Bench {
    brands: Brands,
    events: Events,
    circuits: MemoryCircuitStore,
    queue: Queue,
    reconciliations: Arc<MemoryReconciliationStore>,
    /// How long an invocation may take; where it is not said, ten seconds are assumed.
    time: Option<Duration>,
}

impl Bench {
    fn with_messages() -> Self {
        let bench = Self::default();
        let about = format!(r#"{{"data": {{"id": "{BRAND}"}}}}"#);
        *bench.queue.messages.lock().unwrap() = vec![
            parked("a", FailureKind::UnknownBrand, &about),
            parked("b", FailureKind::Malformed, &"🦀".repeat(300)),
            parked("c", FailureKind::Undelivered, r#"{"data": {"id": "1"}}"#),
        ];
        bench
    }

    fn handler(&self) -> Arc<SteerSync<Brands, Events, Queue>> {
        self.handler_on(self.reconciliations.clone())
    }

    fn handler_on(
        &self,
        reconciliations: Arc<dyn Reconciliations>,
    ) -> Arc<SteerSync<Brands, Events, Queue>> {
        let circuits = Arc::new(self.circuits.clone());
        let breaker = CircuitBreaker::new(circuits.clone(), "cms", CircuitConfig::default());
        Arc::new(SteerSync::new(
            SteerBrands::new(self.brands.clone(), self.events.clone()),
            SteerCircuit::new(breaker, circuits),
            SteerParked::new(self.queue.clone()),
            SteerReconciliation::new(reconciliations),
        ))
    }

    async fn send(&self, method: Method, uri: &str, body: &str) -> (StatusCode, Value) {
        self.send_to(self.handler(), method, uri, body).await
    }

    async fn send_to(
        &self,
        handler: Arc<SteerSync<Brands, Events, Queue>>,
        method: Method,
        uri: &str,
        body: &str,
    ) -> (StatusCode, Value) {
        let service = ServiceBuilder::new()
            .layer(admin_api::ErrorResponses)
            .service(service_fn(move |request: Request| {
                let handler = Arc::clone(&handler);
                async move { handler.handle(request).await }
            }));
        let path = uri.split('?').next().unwrap();
        let mut request = Request::new(Body::from(body)).with_raw_http_path(path);
        (*request.method_mut(), *request.uri_mut()) = (method, uri.parse().unwrap());
        let actor = Actor::of("user_01").unwrap();
        request.extensions_mut().insert(actor);
        if let Some(time) = self.time {
            let deadline = (SystemTime::now() + time).duration_since(UNIX_EPOCH);
            let mut context = Context::default();
            context.deadline = u64::try_from(deadline.unwrap().as_millis()).unwrap();
            request = request.with_lambda_context(context);
        }
        let response: Response<Body> = service.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        (parts.status, body)
    }

    async fn circuit(&self, body: &str) -> (StatusCode, Value) {
        self.send(Method::POST, "/admin/cms/circuit", body).await
    }

    async fn redrive(&self, body: &str) -> (StatusCode, Value) {
        self.send(Method::POST, "/admin/parked/redrive", body).await
    }

    fn ids(&self) -> Vec<String> {
        let messages = self.queue.messages.lock().unwrap();
        messages.iter().map(|message| message.id.clone()).collect()
    }
}

fn message(answer: &(StatusCode, Value)) -> String {
    assert_eq!(answer.0, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.1["type"], "invalid_data");
    let message = answer.1["message"].as_str().unwrap();
    message.replace("Invalid request: ", "")
}

#[tokio::test]
async fn an_admin_opens_the_circuit_and_closes_it_and_is_named() {
    let bench = Bench::default();
    let body = r#"{"state": "open", "reason": "maintenance"}"#;
    let (status, answer) = bench.circuit(body).await;
    assert_eq!(status, StatusCode::OK);
    let circuit = &answer["cms"]["circuit"];
    for (name, value) in [
        ("state", "open"),
        ("by", "operator"),
        ("reason", "maintenance"),
        ("changed_by", "user_01"),
    ] {
        assert_eq!(circuit[name], value, "{circuit}");
    }
    assert_eq!(answer["cms"]["calls"], json!([]));
    let longest = "🦀".repeat(200);
    let body = json!({ "state": "closed", "reason": longest }).to_string();
    let (status, answer) = bench.circuit(&body).await;
    assert_eq!(status, StatusCode::OK);
    let circuit = &answer["cms"]["circuit"];
    assert_eq!(
        (&circuit["state"], &circuit["by"]),
        (&json!("closed"), &json!("operator"))
    );
    assert_eq!(circuit["reason"], longest);
}

#[tokio::test]
async fn what_is_wrong_with_a_change_of_the_circuit_is_said_all_at_once_and_nothing_is_changed() {
    let bench = Bench::default();
    let too_long = json!({ "state": "open", "reason": "x".repeat(201) }).to_string();
    for (body, expected) in [
        ("", "Field 'state' is required; Field 'reason' is required"),
        (
            r#"{"state": "ajar", "reason": " ", "since": 1}"#,
            "Expected: 'open, closed' for field 'state', but got: 'ajar'; \
             Value for field 'reason' too small, expected at least: '1'; Unrecognized fields: 'since'",
        ),
        (
            r#"{"state": "open", "reason": "a\u0000b"}"#,
            "Value for field 'reason' must not contain control characters",
        ),
        (
            &too_long,
            "Value for field 'reason' too big, expected at most: '200'",
        ),
    ] {
        assert_eq!(message(&bench.circuit(body).await), expected);
    }
    let mistyped = bench.circuit(r#"{"state": true, "reason": 7}"#).await;
    let mistyped = message(&mistyped);
    assert!(mistyped.starts_with("Expected type: 'string' for field 'state', got: 'true'"));
    assert!(mistyped.contains("Expected type: 'string' for field 'reason', got: '7'"));
    let stored = circuit::CircuitStore::load(&bench.circuits, "cms").await;
    assert_eq!(stored.unwrap().revision, None);
}

#[tokio::test]
async fn parked_messages_are_shown_with_their_ids_and_the_start_of_their_bodies() {
    let bench = Bench::with_messages();
    let (status, answer) = bench.send(Method::GET, "/admin/parked", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&answer["count"], &answer["limit"]),
        (&json!(3), &json!(100))
    );
    let first = json!({
        "id": "a", "kind": "unknown_brand", "reason": "why", "parked_at": "2026-11-23T09:45:07.966Z",
        "brand_id": BRAND, "body": format!(r#"{{"data": {{"id": "{BRAND}"}}}}"#),
    });
    assert_eq!(answer["parked"][0], first);
    assert_eq!(answer["parked"][1]["body"], "🦀".repeat(200));
    let last = json!({
        "id": "c", "kind": "undelivered", "reason": null, "parked_at": null,
        "brand_id": null, "body": r#"{"data": {"id": "1"}}"#,
    });
    assert_eq!(answer["parked"][2], last);
    // Without a deadline, ten seconds are assumed.
    assert!(*bench.queue.time.lock().unwrap() <= Duration::from_secs(10));
}

#[tokio::test]
async fn parked_messages_are_filtered_by_kind_and_limited() {
    let bench = Bench::with_messages();
    let ids = async |query: &str| {
        let uri = format!("/admin/parked?{query}");
        let (_, answer) = bench.send(Method::GET, &uri, "").await;
        let parked = answer["parked"].as_array().unwrap().iter();
        parked
            .map(|message| message["id"].to_string())
            .collect::<String>()
    };
    assert_eq!(ids("kind=malformed,undelivered").await, r#""b""c""#);
    assert_eq!(ids("kind=too_large").await, "");
    assert_eq!(ids("limit=2").await, r#""a""b""#);
    let refused = bench
        .send(Method::GET, "/admin/parked?kind=odd,&limit=0&q=a", "")
        .await;
    let kinds = "malformed, too_large, unknown_type, unknown_brand, undelivered";
    let expected = format!(
        "Value for field 'limit' too small, expected at least: '1'; \
         Expected: '{kinds}' for field 'kind', but got: 'odd'; \
         Expected: '{kinds}' for field 'kind', but got: ''; Unrecognized fields: 'q'"
    );
    assert_eq!(message(&refused), expected);
}

#[tokio::test]
async fn messages_are_moved_by_kind_or_id_or_all_of_them() {
    for (body, moved, left) in [
        (r#"{"kind": ["unknown_brand", "malformed"]}"#, 2, vec!["c"]),
        (r#"{"id": ["c", "nosuch", "c"]}"#, 1, vec!["a", "b"]),
        ("{}", 3, vec![]),
        ("", 3, vec![]),
    ] {
        let bench = Bench::with_messages();
        let (status, answer) = bench.redrive(body).await;
        assert_eq!(status, StatusCode::OK);
        let expected = json!({ "moved": moved, "left": left.len(), "complete": true });
        assert_eq!(answer, expected, "{body}");
        assert_eq!(bench.ids(), left, "{body}");
    }
}

#[tokio::test]
async fn a_move_that_is_not_clear_moves_nothing() {
    let bench = Bench::with_messages();
    let kinds = "malformed, too_large, unknown_type, unknown_brand, undelivered";
    for (body, expected) in [
        (
            r#"{"kind": [], "id": []}"#,
            "Value for field 'kind' too small, expected at least: '1'; \
             Value for field 'id' too small, expected at least: '1'"
                .to_owned(),
        ),
        (
            r#"{"kind": "malformed"}"#,
            r#"Expected type: 'array' for field 'kind', got: '"malformed"'"#.to_owned(),
        ),
        (
            r#"{"id": [""], "kind": ["odd"], "all": true}"#,
            format!(
                "Expected: '{kinds}' for field 'kind, 0', but got: 'odd'; \
                 Value for field 'id, 0' too small, expected at least: '1'; Unrecognized fields: 'all'"
            ),
        ),
    ] {
        assert_eq!(message(&bench.redrive(body).await), expected);
    }
    assert_eq!(bench.ids(), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_message_is_deleted_once() {
    let bench = Bench::with_messages();
    let (status, answer) = bench.send(Method::DELETE, "/admin/parked/b", "").await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({ "id": "b", "object": "parked_message", "deleted": true });
    assert_eq!(answer, expected);
    assert_eq!(bench.ids(), ["a", "c"]);
    let (status, answer) = bench.send(Method::DELETE, "/admin/parked/b", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(answer["message"], "Parked message with id: b was not found");
}

#[tokio::test]
async fn a_queue_that_is_away_is_an_unknown_error() {
    let mut bench = Bench::with_messages();
    bench.queue.is_away = true;
    for (method, uri) in [
        (Method::GET, "/admin/parked"),
        (Method::POST, "/admin/parked/redrive"),
        (Method::DELETE, "/admin/parked/a"),
    ] {
        let (status, _) = bench.send(method, uri, "").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
