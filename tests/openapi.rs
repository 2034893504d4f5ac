//! The API's document says what the code does: its routes, bounds, errors and examples, and the recorded answers.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use admin_api::{ApiError, BrandRequest, MAX_BODY};
use brand::{BrandName, CMS_SUBSCRIBER, IdempotencyKey, SyncState, Timestamp};
use circuit::{CircuitBreaker, CircuitConfig, MemoryCircuitStore};
use dead_letters::FailureKind;
use lambda_http::{Context, Request};
use reconcile::{
    Class, Conflicts, Cursor, Edits, Example, Made, Orphans, Policies, Reconciliation,
    ReconciliationView, Report,
};
use serde_json::{Value, json};
use sign_in::attempts::{PER_ACCOUNT, PER_ADDRESS, PER_ADDRESS_AND_ACCOUNT};
use steer_sync::SteerCircuit;
use system_tests::Document;

const TEMPLATE: &str = include_str!("../infra/template.yaml");
const WIRE: &str = include_str!("wire/medusa.json");

#[test]
fn every_route_of_the_template_is_in_the_document_and_no_other_is() {
    let keys = TEMPLATE
        .lines()
        .filter_map(|line| line.trim().strip_prefix("RouteKey: "));
    // What comes by {proxy+} is what has no route, or what the others answer with a slash at the end of the path. The console is a
    // page that uses the API, with its files: no part of it.
    let is_of_the_api = |key: &&str| {
        let is_of_the_console = key.ends_with(" /app") || key.contains(" /app/");
        *key != "$default" && !key.contains("{proxy+}") && !is_of_the_console
    };
    let keys: BTreeSet<&str> = keys.filter(is_of_the_api).collect();
    // A HEAD is answered as the GET, without the body.
    let (head, routes): (BTreeSet<&str>, BTreeSet<&str>) =
        keys.iter().partition(|key| key.starts_with("HEAD "));
    let document = Document::of_the_api();
    let operations: BTreeSet<String> = document.operations().map(|(name, _)| name).collect();
    assert_eq!(operations, routes.iter().map(ToString::to_string).collect());
    for key in head {
        assert!(keys.contains(&*key.replace("HEAD", "GET")), "{key}");
    }
}

#[test]
fn a_page_of_another_origin_may_send_and_read_the_headers_that_the_document_promises() {
    let listed = |key: &str| -> BTreeSet<String> {
        let line = TEMPLATE.lines().find_map(|line| {
            let values = line.trim().strip_prefix(key)?.trim();
            values.strip_prefix('[')?.strip_suffix(']')
        });
        let values = line.unwrap().split(',');
        values.map(|value| value.trim().to_owned()).collect()
    };
    let (allowed, exposed) = (listed("AllowHeaders:"), listed("ExposeHeaders:"));
    let document = Document::of_the_api();
    for (name, operation) in document.operations() {
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let parameters = parameters.into_iter().flatten();
        for parameter in parameters.map(|parameter| document.resolved(parameter)) {
            let header = parameter["name"].as_str().unwrap().to_lowercase();
            let is_header = parameter["in"] == "header";
            assert!(!is_header || allowed.contains(&header), "{name}: {header}");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            // What a page can do nothing about: it is told by the status.
            if ["401", "415"].contains(&status.as_str()) {
                continue;
            }
            let headers = document.resolved(response).get("headers");
            for header in headers.and_then(Value::as_object).into_iter().flatten() {
                let header = header.0.to_lowercase();
                assert!(exposed.contains(&header), "{name}: {status}: {header}");
            }
        }
    }
    for header in ["authorization", "content-type", "traceparent"] {
        assert!(allowed.contains(header), "{header}");
    }
}

#[test]
fn the_bounds_in_it_are_those_of_the_code() {
    let document = Document::of_the_api();
    let name = document.at("/components/schemas/BrandName");
    assert_eq!(name["maxLength"], json!(BrandName::MAX_CHARS));
    let create = document.at("/paths/~1admin~1brands/post");
    let key = &create["parameters"][0]["schema"];
    assert_eq!(key["maxLength"], json!(IdempotencyKey::MAX_CHARS));
    let mut bodies = 0;
    for (name, operation) in document.operations() {
        if let Some(body) = operation.get("requestBody") {
            let said = document.resolved(body)["description"].as_str().unwrap();
            let expected = format!("t most {MAX_BODY} bytes, ");
            assert!(said.contains(&expected), "{name}: {said}");
            bodies += 1;
        }
    }
    assert!(bodies > 8, "{bodies} bodies");
    let schema = |path: &str, name: &str| {
        let path = path.replace('/', "~1");
        let parameters = document.at(&format!("/paths/{path}/get/parameters"));
        let mut parameters = parameters.as_array().unwrap().iter();
        let found = parameters.find(|parameter| parameter["name"] == name);
        found.unwrap()["schema"].clone()
    };
    let number = |least: u32, most: u32, default: u32| json!({ "type": "integer", "minimum": least, "maximum": most, "default": default });
    let (brands, executions) = ("/admin/brands", "/admin/workflows-executions");
    let most = query_brands::MAX_LIMIT.into();
    let limit = number(0, most, query_brands::LIMIT.into());
    assert_eq!(schema(brands, "limit"), limit);
    assert_eq!(schema(executions, "limit"), number(0, most, 100));
    for path in [brands, executions] {
        let offset = number(0, query_brands::MAX_OFFSET, 0);
        assert_eq!(schema(path, "offset"), offset, "{path}");
    }
    let limit = number(1, steer_sync::MAX_LIMIT, steer_sync::LIMIT);
    assert_eq!(schema("/admin/parked", "limit"), limit);
    for (list, name, most) in [
        ("NumberedList", "brands", most),
        ("FollowedList", "brands", most),
        ("WorkflowExecutionList", "workflow_executions", most),
        ("ParkedList", "parked", steer_sync::MAX_LIMIT),
    ] {
        let properties = document.at(&format!("/components/schemas/{list}/properties"));
        assert_eq!(properties[name]["maxItems"], json!(most), "{list}");
        assert_eq!(properties["limit"]["maximum"], json!(most), "{list}");
    }
    let words = |schema: &str| document.at(&format!("/components/schemas/{schema}/enum"));
    let states = SyncState::UNSYNCED.map(SyncState::as_str);
    assert_eq!(words("UnsyncedState"), &json!(states));
    let classes = Class::ALL.map(Class::as_str);
    assert_eq!(words("ReconciliationClass"), &json!(classes));
    let policies = "/components/schemas/ReconciliationReport/properties/policies/properties";
    let policies = document.at(policies);
    assert_eq!(policies["edits"]["enum"], json!(Edits::ALL));
    assert_eq!(policies["conflicts"]["enum"], json!(Conflicts::ALL));
    assert_eq!(policies["made"]["enum"], json!(Made::ALL));
    assert_eq!(policies["orphans"]["enum"], json!(Orphans::ALL));
    let kinds = FailureKind::ALL.map(FailureKind::as_str);
    assert_eq!(words("ParkedKind"), &json!(kinds));
    assert_eq!(
        document.at("/components/schemas/RedriveRequest/properties/kind/maxItems"),
        &json!(kinds.len())
    );
    let sign_in = document.at("/paths/~1auth~1{actor_type}~1{auth_provider}/post");
    let expected = format!(
        "{PER_ADDRESS_AND_ACCOUNT} attempts at one account and {PER_ADDRESS} in all may fail in a quarter of an hour, and \
         {PER_ACCOUNT} at one account from everywhere"
    );
    let said = sign_in["description"].as_str().unwrap();
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn a_name_that_the_document_allows_is_one_that_the_code_takes_and_no_other() {
    let document = Document::of_the_api();
    let schema = document.at("/components/schemas/BrandRequest");
    let validator = document.validator(schema);
    // All that matters: where invisible characters and noncharacters are.
    let ranges = [
        '\0'..='\u{3200}',
        '\u{fdc0}'..='\u{10010}',
        '\u{1bc90}'..='\u{1bcb0}',
        '\u{1d150}'..='\u{1d180}',
        '\u{1fff0}'..='\u{20010}',
        '\u{dfff0}'..='\u{e1010}',
        '\u{10fff0}'..='\u{10ffff}',
    ];
    let characters = ranges.into_iter().flatten();
    let mut names: Vec<String> = characters
        .flat_map(|character| [format!("{character}"), format!("a{character}b")])
        .collect();
    names.extend([String::new(), "a\n".to_owned(), " Acme ".to_owned()]);
    names.extend([255, 256].map(|length| "🦀".repeat(length)));
    for name in names {
        let body = json!({ "name": name });
        let taken = BrandRequest::parse(body.to_string().as_bytes());
        assert_eq!(validator.is_valid(&body), taken.is_ok(), "{name:?}");
    }
}

#[tokio::test]
async fn a_reason_that_the_document_allows_is_one_that_the_code_takes_and_no_other() {
    let document = Document::of_the_api();
    let validator = document.validator(document.at("/components/schemas/CircuitRequest"));
    let store = Arc::new(MemoryCircuitStore::new());
    let breaker = CircuitBreaker::new(store.clone(), CMS_SUBSCRIBER, CircuitConfig::default());
    let handler = SteerCircuit::new(breaker, store);
    // All that matters: where white space and control characters are.
    let characters = ('\0'..='\u{3010}').chain('\u{fe00}'..='\u{10010}');
    let mut reasons: Vec<String> = characters
        .flat_map(|character| [format!("{character}"), format!("a{character}b")])
        .collect();
    reasons.extend([String::new(), "a\n".to_owned(), " \u{3000} ".to_owned()]);
    reasons.extend([200, 201].map(|length| "🦀".repeat(length)));
    for reason in reasons {
        let body = json!({ "state": "closed", "reason": reason });
        let mut request = Request::new(body.to_string().into());
        request.extensions_mut().insert(Context::default());
        let taken = handler.change(&request).await;
        assert_eq!(validator.is_valid(&body), taken.is_ok(), "{reason:?}");
    }
}

#[test]
fn a_recorded_body_is_refused_by_the_document_where_it_is_refused_by_the_api() {
    let document = Document::of_the_api();
    let validator = document.validator(document.at("/components/schemas/BrandRequest"));
    let (mut taken, mut refused) = (0, 0);
    for case in recorded() {
        let is_create = case["method"] == "POST" && case["path"] == "/admin/brands";
        let body = case["body"]
            .as_str()
            .and_then(|body| serde_json::from_str(body).ok());
        // What is no JSON, or has a field twice, is beyond a schema.
        let Some(body) = body.filter(|_| is_create && case["name"] != "42-create-duplicate-key")
        else {
            continue;
        };
        match status(&case) {
            200 => {
                assert!(validator.is_valid(&body), "{body}");
                taken += 1;
            }
            400 => {
                assert!(!validator.is_valid(&body), "{body}");
                refused += 1;
            }
            _ => {}
        }
    }
    assert_eq!((taken, refused), (4, 10));
}

#[test]
fn every_recorded_answer_that_is_given_is_in_the_document() {
    let document = Document::of_the_api();
    let (mut known, mut of_no_route) = (0, 0);
    for case in recorded() {
        let (method, path) = (
            case["method"].as_str().unwrap(),
            case["path"].as_str().unwrap(),
        );
        let body = match (case.get("want_body"), case.get("want_status")) {
            (Some(body), _) => body.clone(),
            (None, None) => as_ours(case["medusa_body"].clone()),
            // The status is recorded alone.
            (None, Some(_)) => json!({ "type": "invalid_data", "message": "…" }),
        };
        if document.knows(method, path, status(&case), &body) {
            known += 1;
        } else {
            of_no_route += 1;
        }
    }
    // Beside the two that have no route: a HEAD, and a path with a slash at its end.
    assert_eq!((known, of_no_route), (31, 4));
}

#[test]
fn every_error_is_in_the_document_where_it_can_occur() {
    let document = Document::of_the_api();
    let told = || "…".to_owned();
    let retry_after = Duration::from_secs(1);
    let (sign_in, brands) = ("/auth/user/emailpass", "/admin/brands");
    let brand = "/admin/brands/01a20c70-a8c0-79f3-97c8-60a35459a718";
    let brands = [
        ("GET", brands),
        ("POST", brands),
        ("GET", brand),
        ("POST", brand),
        ("DELETE", brand),
    ];
    let mut errors = vec![
        ("POST", sign_in, ApiError::NotAllowed(told())),
        ("POST", sign_in, ApiError::InvalidData(told())),
        ("POST", sign_in, ApiError::SignInRefused(told())),
        ("POST", sign_in, ApiError::TooManyRequests { retry_after }),
        ("POST", sign_in, ApiError::TooLarge),
        ("POST", sign_in, ApiError::UnsupportedEncoding(told())),
        ("POST", brands[1].1, ApiError::UnsupportedEncoding(told())),
        ("POST", brand, ApiError::UnsupportedEncoding(told())),
        ("GET", "/health", ApiError::InvalidData(told())),
        ("GET", "/openapi.json", ApiError::InvalidData(told())),
        ("POST", sign_in, ApiError::Unknown),
        ("POST", brands[1].1, ApiError::Conflict(told())),
        ("POST", brands[1].1, ApiError::TooLarge),
        ("POST", brand, ApiError::TooLarge),
        ("POST", brand, ApiError::PreconditionFailed { version: 2 }),
        ("DELETE", brand, ApiError::PreconditionFailed { version: 2 }),
        ("GET", brand, ApiError::NotFound(told())),
        ("POST", brand, ApiError::NotFound(told())),
        ("DELETE", brand, ApiError::NotFound(told())),
    ];
    let of_id =
        "/admin/workflows-executions/sync-brand-to-cms:01a20c70-a8c0-79f3-97c8-60a35459a718";
    let of_brand = of_id.replace(':', "/");
    let (cancel, cancel_of_brand) = (format!("{of_id}/cancel"), format!("{of_brand}/cancel"));
    let sync = format!("{brand}/sync");
    let (redrive, parked) = ("/admin/parked/redrive", "/admin/parked/1");
    let (syncs, circuit) = ("/admin/brands/sync", "/admin/cms/circuit");
    let (reconciliation, hook) = ("/admin/cms/reconciliation", "/hooks/cms");
    for path in [&sync, &cancel, &cancel_of_brand] {
        errors.push(("POST", path, ApiError::NotFound(told())));
        errors.push(("POST", path, ApiError::Conflict(told())));
    }
    for path in [&cancel, &cancel_of_brand] {
        errors.push(("POST", path, ApiError::NotAllowed(told())));
    }
    for path in [of_id, &of_brand] {
        errors.push(("GET", path, ApiError::NotFound(told())));
    }
    errors.push(("DELETE", parked, ApiError::NotFound(told())));
    errors.push(("POST", circuit, ApiError::Conflict(told())));
    let steering = [
        &*sync,
        &cancel,
        &cancel_of_brand,
        syncs,
        circuit,
        redrive,
        reconciliation,
        hook,
    ];
    for path in steering {
        errors.push(("POST", path, ApiError::TooLarge));
        errors.push(("POST", path, ApiError::UnsupportedEncoding(told())));
    }
    let reading = [
        "/admin/workflows-executions",
        of_id,
        &of_brand,
        "/admin/cms",
        reconciliation,
        "/admin/parked",
    ];
    let routes = brands
        .into_iter()
        .chain(steering.map(|path| ("POST", path)))
        .chain(reading.map(|path| ("GET", path)))
        .chain([("DELETE", parked)]);
    for (method, path) in routes {
        errors.push((method, path, ApiError::InvalidData(told())));
        errors.push((method, path, ApiError::Unauthorized));
        errors.push((method, path, ApiError::Unknown));
    }
    for (method, path, error) in errors {
        let status = error.status().as_u16();
        assert!(
            document.knows(method, path, status, &error.body()),
            "{error:?}"
        );
    }
}

/// The longest text of an example, in characters of four bytes.
fn long_text() -> String {
    "🦀".repeat(300)
}

fn moment() -> Timestamp {
    Timestamp::from_millis(1_795_427_107_966)
}

fn asked(dry_run: bool) -> reconcile::Request {
    reconcile::Request {
        by: "user_01JDEMO".to_owned(),
        at: moment(),
        dry_run,
    }
}

/// A report with each optional field, and one with none of them.
fn reports() -> [Report; 2] {
    let policies = Policies {
        edits: Edits::Accept,
        conflicts: Conflicts::Theirs,
        made: Made::Create,
        orphans: Orphans::Delete,
    };
    let empty = Report::new("1".to_owned(), asked(true), policies, moment());
    let mut full = Report::new("2".to_owned(), asked(false), policies, moment());
    full.ended_at = Some(moment());
    full.waits_for = Some(long_text());
    full.stopped = Some(long_text());
    full.counts = Class::ALL.map(|class| (class, 1_000_000)).into();
    full.repaired = full.counts.clone();
    full.lasting = 500;
    for _ in 0..10 {
        for class in Class::ALL {
            if class.is_difference() {
                full.example(Example {
                    class,
                    id: Some(long_text()),
                    entry: Some(long_text()),
                    here: Some(long_text()),
                    there: Some(long_text()),
                    agreed: Some(long_text()),
                    note: None,
                });
            }
        }
    }
    let example = full.examples[0].clone();
    full.note(&example, &long_text());
    assert!(full.examples[0].note.is_some(), "an example has a note");
    full.examples[1] = Example {
        class: Class::MadeThere,
        id: None,
        entry: None,
        here: None,
        there: None,
        agreed: None,
        note: None,
    };
    [empty, full]
}

#[test]
fn a_reconciliation_in_any_state_is_as_its_schema_says() {
    let document = Document::of_the_api();
    let mut states = BTreeSet::new();
    let mut check = |kept: Reconciliation, asked: Option<reconcile::Request>| {
        let view = ReconciliationView::new(kept, asked);
        states.insert(view.state);
        let body = json!({ "reconciliation": view });
        for method in ["GET", "POST"] {
            let path = "/admin/cms/reconciliation";
            assert!(document.knows(method, path, 200, &body), "{method}: {body}");
        }
    };
    check(Reconciliation::default(), None);
    check(Reconciliation::default(), Some(asked(true)));
    for report in reports() {
        let mut kept = Reconciliation::default();
        kept.begin(report);
        let mut cursors = Vec::new();
        for begins_at in [Cursor::START, Cursor::MENDING] {
            let pass = std::iter::successors(Some(begins_at), |cursor| cursor.next(None));
            cursors.extend(pass.map(Some));
        }
        cursors.push(None);
        assert_eq!(cursors.len(), 7, "three stages, twice, and none");
        for cursor in cursors {
            for asked in [None, Some(asked(false))] {
                let kept = Reconciliation {
                    cursor: cursor.clone(),
                    ..kept.clone()
                };
                check(kept, asked);
            }
        }
    }
    let of_the_view = document
        .at("/components/schemas/ReconciliationResponse/properties/reconciliation/properties");
    let known: BTreeSet<&str> = of_the_view["state"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|state| state.as_str().unwrap())
        .collect();
    assert_eq!(states, known);
}

#[test]
fn a_field_of_a_report_that_the_document_lacks_is_found() {
    let document = Document::of_the_api();
    let schema = document.at("/components/schemas/ReconciliationReport");
    let validator = document.validator(schema);
    let [_, full] = reports();
    let report = json!(full);
    assert!(validator.is_valid(&report));
    let fields = report.as_object().unwrap();
    let known = schema["properties"].as_object().unwrap();
    let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect();
    let (names, known): (BTreeSet<String>, BTreeSet<String>) = (names(fields), names(known));
    assert_eq!(names, known, "a full report has each field of the schema");
    let mut more = report.clone();
    more["nosuch"] = json!(1);
    assert!(!validator.is_valid(&more));
}

#[test]
fn every_example_is_as_its_schema_says() {
    let document = Document::of_the_api();
    let mut checked = 0;
    check_examples(&document, document.value(), &mut checked);
    assert!(checked > 68, "{checked} examples");
}

fn check_examples(document: &Document, value: &Value, checked: &mut usize) {
    let inner: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(values) => values.iter().collect(),
        _ => return,
    };
    if let Some(schema) = value.get("schema") {
        let named = value.get("examples").and_then(Value::as_object);
        let named = named
            .into_iter()
            .flatten()
            .map(|(_, example)| &example["value"]);
        for example in value.get("example").into_iter().chain(named) {
            let validator = document.validator(schema);
            assert!(validator.is_valid(example), "{example} is no {schema}");
            *checked += 1;
        }
    }
    for value in inner {
        check_examples(document, value, checked);
    }
}

fn recorded() -> Vec<Value> {
    let mut wire: Value = serde_json::from_str(WIRE).unwrap();
    serde_json::from_value(wire["cases"].take()).unwrap()
}

/// The status that this project answers.
fn status(case: &Value) -> u16 {
    let status = case.get("want_status").unwrap_or(&case["medusa_status"]);
    u16::try_from(status.as_u64().unwrap()).unwrap()
}

/// A recorded body with what differs here by intent: ids are UUIDs, and the token is left out of the recording.
fn as_ours(mut body: Value) -> Value {
    match &mut body {
        Value::Object(fields) => {
            for (name, value) in fields {
                *value = match name.as_str() {
                    "id" => "01a20c70-a8c0-79f3-97c8-60a35459a718".into(),
                    "token" => "head.claims.signature".into(),
                    _ => as_ours(value.take()),
                };
            }
        }
        Value::Array(values) => {
            for value in values {
                *value = as_ours(value.take());
            }
        }
        _ => {}
    }
    body
}
