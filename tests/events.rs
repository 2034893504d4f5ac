//! Every event that API Gateway passes on is answered: whole events, with any text in any field, sent to each HTTP function.
//!
//! If a function dies, or cannot read its event, API Gateway answers 502, an alarm fires, and a deployment is rolled
//! back. `PROPTEST_CASES=100000` tries more events than usual.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use admin_api::{ApiError, ErrorResponses, Gateway};
use api_root::ApiRoot;
use auth::{Actor, Authenticate, Identity, Tokens};
use brand::{Brand, BrandEvents, EventError, MemoryBrandStore};
use change_brand::ChangeBrand;
use circuit::{CircuitBreaker, CircuitConfig, MemoryCircuitStore};
use config::Secret;
use create_brand::CreateBrand;
use dead_letters::{DeadLetterError, Filter, ParkedMessage, Report};
use hmac::{Hmac, KeyInit, Mac};
use lambda_http::{Body, Context, LambdaEvent, Request, Response};
use proptest::{collection::vec, prelude::*, sample::select};
use query_brands::{CmsStatus, QueryBrands};
use serde_json::{Value, json, value::RawValue};
use sha2::Sha256;
use sign_in::{SignIn, attempts::MemoryAttempts};
use steer_sync::{Parked, SteerBrands, SteerCircuit, SteerParked, SteerSync};
use telemetry::Trace;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};
use users::{MemoryUsers, PasswordHash, Passwords};

/// How many events are tried.
const CASES: u32 = 4_000;

/// A function, and an event that is for it.
struct Function {
    name: &'static str,
    event: String,
    service: BoxCloneService<Request, Response<Body>, std::convert::Infallible>,
}

fn functions() -> Vec<Function> {
    let (brands, silent) = (MemoryBrandStore::new(), Silent);
    let create = Arc::new(CreateBrand::new(brands.clone(), silent));
    let change = Arc::new(ChangeBrand::new(brands.clone(), silent));
    let circuits = Arc::new(MemoryCircuitStore::new());
    let breaker = CircuitBreaker::new(circuits.clone(), "cms", CircuitConfig::default());
    let cms = CmsStatus::new(
        circuits.clone(),
        Arc::new(reconcile::MemoryReconciliationStore::default()),
        None,
    );
    let query = Arc::new(QueryBrands::new(brands.clone(), cms));
    let steer = Arc::new(SteerSync::new(
        SteerBrands::new(brands, silent),
        SteerCircuit::new(breaker, circuits),
        SteerParked::new(Empty),
        steer_sync::SteerReconciliation::new(Arc::new(
            reconcile::MemoryReconciliationStore::default(),
        )),
    ));
    let root = Arc::new(ApiRoot::new(tokens()));
    let sign_in = SignIn::new(MemoryUsers::new(), MemoryAttempts::new(), Never, tokens());
    let sign_in = Arc::new(sign_in);
    let admins = Authenticate::with(tokens());
    let create = admins.layer(service_fn(move |request| {
        let create = Arc::clone(&create);
        async move { create.handle(request).await }
    }));
    let change = admins.layer(service_fn(move |request| {
        let change = Arc::clone(&change);
        async move { change.handle(request).await }
    }));
    let query = admins.layer(service_fn(move |request| {
        let query = Arc::clone(&query);
        async move { query.handle(request).await }
    }));
    let admins_steer = Arc::clone(&steer);
    let admins_steer = admins.layer(service_fn(move |request| {
        let steer = Arc::clone(&admins_steer);
        async move { steer.handle(request).await }
    }));
    // As its main.rs has it: a webhook is signed, all else has a token.
    let steer = service_fn(move |request: Request| {
        let (steer, admins) = (Arc::clone(&steer), admins_steer.clone());
        async move {
            if Steer::is_hook(&request) {
                steer.hear(request, HOOK_SECRET).await
            } else {
                admins.oneshot(request).await
            }
        }
    });
    let root = service_fn(move |request| {
        let root = Arc::clone(&root);
        async move { root.handle(request).await }
    });
    let sign_in = service_fn(move |request| {
        let sign_in = Arc::clone(&sign_in);
        async move { sign_in.handle(request).await }
    });
    vec![
        function(
            "create-brand",
            include_str!("../events/api-gateway-create-brand.json"),
            create,
        ),
        function(
            "change-brand",
            include_str!("../events/api-gateway-update-brand.json"),
            change,
        ),
        function(
            "query-brands",
            include_str!("../events/api-gateway-list-brands.json"),
            query,
        ),
        function(
            "sign-in",
            include_str!("../events/api-gateway-sign-in.json"),
            sign_in,
        ),
        function(
            "api-root",
            include_str!("../events/api-gateway-health.json"),
            root.clone(),
        ),
        function(
            "api-root",
            include_str!("../events/api-gateway-no-route.json"),
            root,
        ),
        function(
            "steer-sync",
            include_str!("../events/api-gateway-sync-brands.json"),
            steer.clone(),
        ),
        function(HOOK, &hook_event(), steer),
    ]
}

type Steer = SteerSync<MemoryBrandStore, Silent, Empty>;

/// The webhooks' route of steer-sync.
const HOOK: &str = "steer-sync, webhooks";
const HOOK_SECRET: &str = "a secret of the webhooks";
/// Where an event has a signature, which depends on the time and the body.
const SIGNATURE: &str = "<SIGNATURE>";

fn hook_event() -> String {
    let event = include_str!("../events/api-gateway-sync-brands.json");
    let mut event: Value = serde_json::from_str(event).unwrap();
    event["routeKey"] = "POST /hooks/cms".into();
    event["rawPath"] = "/hooks/cms".into();
    event["headers"]["x-signature"] = SIGNATURE.into();
    let body = json!({ "id": "01a20c70-a8c0-79f3-97c8-60a35459a718", "name": "Acme" });
    event["body"] = body.to_string().into();
    event.to_string()
}

/// Signs the body as it is, so that it is read, whatever it says.
fn sign(event: &mut Value) {
    let Some(header) = event.pointer_mut("/headers/x-signature") else {
        return;
    };
    if header != SIGNATURE {
        return;
    }
    let seconds = brand::Timestamp::now().as_millis() / 1000;
    let body = event["body"].as_str().unwrap_or_default();
    let mac = Hmac::<Sha256>::new_from_slice(HOOK_SECRET.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("{seconds}.{body}")).finalize();
    let code = mac.into_bytes();
    let digits = code.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let code: String = digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    event["headers"]["x-signature"] = format!("t={seconds},v1={code}").into();
}

fn function<S>(name: &'static str, event: &str, service: S) -> Function
where
    S: Service<Request, Response = Response<Body>, Error = ApiError> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let service = ServiceBuilder::new().layer(ErrorResponses).service(service);
    let service = BoxCloneService::new(service);
    Function {
        name,
        event: event.to_owned(),
        service,
    }
}

/// Announces nothing.
#[derive(Clone, Copy)]
struct Silent;

impl BrandEvents for Silent {
    async fn announce(&self, _: &Brand, _: &Trace) -> Result<(), EventError> {
        Ok(())
    }
}

/// A queue in which nothing is parked.
struct Empty;

impl Parked for Empty {
    async fn list(&self, _: &Filter, _: Duration) -> Result<Vec<ParkedMessage>, DeadLetterError> {
        Ok(Vec::new())
    }

    async fn redrive(&self, _: &Filter, _: Duration) -> Result<Report, DeadLetterError> {
        Ok(Report::default())
    }

    async fn delete(&self, _: &str, _: Duration) -> Result<bool, DeadLetterError> {
        Ok(false)
    }
}

/// Takes no password for the right one, and no time for it.
struct Never;

impl Passwords for Never {
    fn verify(&self, _: &str, _: &PasswordHash) -> bool {
        false
    }
}

fn tokens() -> Tokens {
    Tokens::signed_with(&Secret::new("a secret of thirty-two bytes ...")).unwrap()
}

fn token() -> String {
    let identity = Identity {
        actor: Actor::of("user_1").unwrap(),
        auth_identity_id: "authid_1".to_owned(),
        password_version: 1,
    };
    tokens().issue(&identity, SystemTime::now()).unwrap()
}

/// What something may stumble over.
const ODD: &[&str] = &[
    "",
    " ",
    "<",
    "\"",
    "#",
    "?",
    "%",
    "%zz",
    "%00",
    "\\",
    "^",
    "`",
    "{",
    "|",
    "\u{0}",
    "\u{1}",
    "\u{7f}",
    "\r\n",
    "é",
    "\u{feff}",
    "\u{fffd}",
    "\u{202e}",
    "🦀",
    "//",
    "/../",
    "a,b",
    "http",
    "[::1",
    "@",
    ":",
    ":99999",
    "gzip",
    "null",
    "=",
    "-1",
    "\"1\"",
    "*",
    "Bearer ",
    "Basic x",
    "..",
    "identity",
    "/admin/brands/",
    "/auth/user/emailpass/",
    "/admin/cms",
    "/admin/cms/reconciliation",
    "/hooks/cms",
    "/admin/workflows-executions/sync-brand-to-cms:",
    "/cancel",
    "/sync",
    "&limit=0",
    "&sync=waiting",
    "fields=activity",
    "after=",
    "99999999999999999999",
    "{\"name\":\"\u{200b}\"}",
    "[]",
    "{\"name\":1}",
    "{\"id\":null}",
    "{\"deleted\":true}",
    "{\"dry_run\":true}",
    "t=1795427107,v1=",
    ",v1=",
    "t=",
    "GET",
    "HEAD",
    "DELETE",
    "G T",
];

/// Headers that something is done with.
const HEADERS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "idempotency-key",
    "if-match",
    "origin",
    "traceparent",
    "tracestate",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-signature",
];

/// Where texts stand in an event.
const TEXTS: &[&str] = &[
    "/rawPath",
    "/rawQueryString",
    "/body",
    "/requestContext/http/method",
    "/requestContext/http/path",
    "/requestContext/http/sourceIp",
    "/requestContext/http/protocol",
    "/requestContext/http/userAgent",
    "/requestContext/domainName",
    "/requestContext/stage",
    "/requestContext/routeKey",
    "/routeKey",
    "/version",
];

/// What may be left out of it.
const LEFT_OUT: &[&str] = &[
    "/headers",
    "/body",
    "/rawQueryString",
    "/rawPath",
    "/pathParameters",
    "/isBase64Encoded",
];

/// A text that something may stumble over, or any.
fn text() -> impl Strategy<Value = String> {
    let bytes = vec(any::<u8>().prop_map(char::from), 0..12).prop_map(String::from_iter);
    prop_oneof![
        3 => vec(select(ODD), 1..4).prop_map(|parts| parts.concat()),
        2 => bytes,
        1 => any::<String>(),
        1 => (select(ODD), 1_000_usize..30_000).prop_map(|(part, times)| part.repeat(times)),
    ]
}

/// Headers that something is done with, and others.
fn header() -> impl Strategy<Value = String> {
    prop_oneof![4 => select(HEADERS).prop_map(str::to_owned), 1 => text()]
}

/// A change of one field of an event.
#[derive(Clone, Debug)]
enum Change {
    /// What stands there by JSON pointer is that text.
    Text(&'static str, String),
    /// It has that header.
    Header(String, String),
    /// It has that parameter in its path.
    Parameter(String, String),
    /// The body is said to be in base 64, or not to be.
    Base64(bool),
    /// What stands there is missing.
    Missing(&'static str),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (select(TEXTS), text()).prop_map(|(at, text)| Change::Text(at, text)),
        4 => (header(), text()).prop_map(|(name, value)| Change::Header(name, value)),
        1 => (select(&["id", "actor_type", "auth_provider", "proxy"][..]).prop_map(str::to_owned), text())
            .prop_map(|(name, value)| Change::Parameter(name, value)),
        1 => any::<bool>().prop_map(Change::Base64),
        1 => select(LEFT_OUT).prop_map(Change::Missing),
    ]
}

impl Change {
    fn make(self, event: &mut Value) {
        match self {
            Self::Text(at, text) => {
                if let Some(place) = event.pointer_mut(at) {
                    *place = text.into();
                } else if let Some(name) = at.strip_prefix('/') {
                    event[name] = text.into();
                }
            }
            Self::Header(name, value) => {
                if let Some(headers) = event["headers"].as_object_mut() {
                    headers.insert(name, value.into());
                }
            }
            Self::Parameter(name, value) => event["pathParameters"][name] = value.into(),
            Self::Base64(is_base64) => event["isBase64Encoded"] = is_base64.into(),
            Self::Missing(at) => {
                if let (Some(event), Some(name)) = (event.as_object_mut(), at.strip_prefix('/')) {
                    event.remove(name);
                }
            }
        }
    }
}

async fn answer(function: &Function, event: &Value) -> Value {
    let payload = RawValue::from_string(event.to_string()).unwrap();
    let event = LambdaEvent::new(payload, Context::default());
    let Ok(answer) = Gateway::to(function.service.clone()).oneshot(event).await;
    serde_json::to_value(answer).unwrap()
}

/// As said of every answer.
fn check(name: &str, event: &Value, answer: &Value) {
    let status = answer["statusCode"].as_u64().unwrap();
    assert!((200..500).contains(&status), "{name}: {answer}\n{event}");
    for (header, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000"),
    ] {
        assert_eq!(answer["headers"][header], value, "{name}: {header}");
    }
    let Some(body) = answer["body"].as_str().filter(|body| !body.is_empty()) else {
        return;
    };
    if answer["headers"]["content-type"] == "application/json; charset=utf-8" {
        let body: Value = serde_json::from_str(body).unwrap();
        let is_error = body["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty());
        assert_eq!(is_error, status >= 400, "{name}: {answer}");
    }
}

#[test]
fn any_text_in_any_field_of_an_event_is_answered_and_never_fails_a_function() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (functions, token) = (functions(), token());
    let config = ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut statuses = std::collections::BTreeMap::<(&str, u64), u32>::new();
    let statuses_seen = std::cell::RefCell::new(&mut statuses);
    let changes = (0..functions.len(), vec(change(), 1..4));
    let tried =
        proptest::test_runner::TestRunner::new(config).run(&changes, |(function, changes)| {
            let function = &functions[function];
            let mut event: Value =
                serde_json::from_str(&function.event.replace("<TOKEN>", &token)).unwrap();
            for change in changes {
                change.make(&mut event);
            }
            sign(&mut event);
            let answer = runtime.block_on(answer(function, &event));
            check(function.name, &event, &answer);
            *statuses_seen
                .borrow_mut()
                .entry((function.name, answer["statusCode"].as_u64().unwrap()))
                .or_default() += 1;
            Ok(())
        });
    println!("answers by their status: {statuses:?}");
    tried.unwrap();
    // Not all of them are refused at the door.
    let good = statuses.iter().filter(|((_, status), _)| *status == 200);
    let good: u32 = good.map(|(_, count)| count).sum();
    assert!(good > CASES / 20, "{statuses:?}");
    for status in [200, 400, 401] {
        let count = statuses.get(&(HOOK, status));
        assert!(count.is_some_and(|count| *count > CASES / 400), "{status}");
    }
}

#[tokio::test]
async fn bytes_that_failed_a_function_before_are_answered() {
    let functions = functions();
    let changes = [
        (Change::Text("/rawQueryString", "a=<b".to_owned()), 200),
        (Change::Text("/rawQueryString", "a=\"b".to_owned()), 200),
        (
            Change::Text("/rawQueryString", "a=b c#\u{7f}é".to_owned()),
            200,
        ),
        (
            Change::Header("x-forwarded-proto".to_owned(), "a,b".to_owned()),
            200,
        ),
        (Change::Header("host".to_owned(), "[::1".to_owned()), 200),
        (Change::Header("x-note".to_owned(), "é".to_owned()), 200),
        (
            Change::Header("x-note".to_owned(), "a\u{7f}".to_owned()),
            400,
        ),
        (
            Change::Header("x-note".to_owned(), "a\u{1}".to_owned()),
            400,
        ),
        (Change::Header("x note".to_owned(), "a".to_owned()), 400),
        (
            Change::Text("/requestContext/http/method", "G T".to_owned()),
            400,
        ),
        (Change::Base64(true), 200),
    ];
    let health = &functions[4];
    for (change, status) in changes {
        let mut event: Value = serde_json::from_str(&health.event).unwrap();
        change.clone().make(&mut event);
        let answer = answer(health, &event).await;
        assert_eq!(answer["statusCode"], status, "{change:?}: {answer}");
    }
    let create = &functions[0];
    let mut event: Value = serde_json::from_str(&create.event).unwrap();
    event["isBase64Encoded"] = true.into();
    let answer = answer(create, &event).await;
    assert_eq!(answer["statusCode"], 400, "{answer}");
    let said = json!({
        "type": "invalid_data", "message": "The request cannot be read: its body is not in base 64"
    });
    assert_eq!(answer["body"], said.to_string());
}
