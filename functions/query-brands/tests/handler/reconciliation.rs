//! GET /admin/cms/reconciliation: the reconciliation, in each of its states.

use std::sync::Arc;

use brand::CMS_SUBSCRIBER;
use circuit::MemoryCircuitStore;
use lambda_http::http::StatusCode;
use query_brands::CmsStatus;
use reconcile::{
    Class, Cursor, Edits, Example, Inbox, MemoryReconciliationStore, Policies, Reconciliation,
    ReconciliationStore, Reconciliations, Report, Request, conformance::AwayStore,
};
use serde_json::{Value, json};

use crate::world::{BEGAN, CHANGED, CREATED, ENDED, answer_with, at, get, shown, store};

const PATH: &str = "/admin/cms/reconciliation";

async fn retrieve(reconciliations: Arc<dyn Reconciliations>, event: Value) -> (StatusCode, Value) {
    let cms = CmsStatus::new(
        Arc::new(MemoryCircuitStore::default()),
        reconciliations,
        None,
    );
    answer_with(store([]), cms, event).await
}

fn request() -> Request {
    Request {
        by: "user_7".to_owned(),
        at: at(CREATED),
        dry_run: false,
    }
}

/// A report without anything that is optional.
fn report() -> Report {
    let policies = Policies {
        edits: Edits::Accept,
        ..Policies::default()
    };
    let mut report = Report::new("1".to_owned(), request(), policies, at(BEGAN));
    report.moved_at = at(CHANGED);
    report.counts = [(Class::Equal, 2), (Class::EditedThere, 3)].into();
    report
}

fn shown_report() -> Value {
    json!({
        "id": "1", "request": { "by": "user_7", "at": shown(CREATED), "dry_run": false },
        "policies": { "edits": "accept", "conflicts": "report", "made": "report", "orphans": "report" },
        "began_at": shown(BEGAN), "moved_at": shown(CHANGED),
        "brands": 0, "entries": 0, "requests": 0, "synced": 0, "matched": 0, "counts": { "equal": 2, "edited_there": 3 },
        "destructive": 0, "destroyed": 0, "planned": 0, "repaired": {}, "not_repaired": 0, "unreadable": 0, "lasting": 0, "examples": [],
    })
}

/// The answer for what is kept, and for what was asked for since.
async fn view(kept: Option<Reconciliation>, asked: Option<Request>) -> Value {
    let reconciliations = Arc::new(MemoryReconciliationStore::default());
    if let Some(kept) = kept {
        let kept = Reconciliation {
            revision: Some("1".to_owned()),
            ..kept
        };
        let committed = reconciliations.commit(CMS_SUBSCRIBER, &kept, None).await;
        assert!(committed.unwrap(), "it is the first");
    }
    if let Some(asked) = asked {
        reconciliations.ask(CMS_SUBSCRIBER, &asked).await.unwrap();
    }
    let (status, mut body) = retrieve(reconciliations, get(PATH, "")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["reconciliation"].take()
}

fn under_way(report: Report, cursor: Cursor) -> Reconciliation {
    let mut kept = Reconciliation::default();
    kept.begin(report);
    kept.cursor = Some(cursor);
    kept
}

#[tokio::test]
async fn before_the_first_there_is_no_report() {
    let never = json!({
        "state": "never", "asked": null, "mends": false, "stage": null, "drift": 0, "report": null,
    });
    assert_eq!(view(None, None).await, never);
    let asked = json!({
        "state": "asked", "asked": { "by": "user_7", "at": shown(CREATED), "dry_run": false },
        "mends": false, "stage": null, "drift": 0, "report": null,
    });
    assert_eq!(view(None, Some(request())).await, asked);
}

#[tokio::test]
async fn one_that_is_under_way_says_where_it_stands_and_what_it_waits_for() {
    let mut report = report();
    report.waits_for = Some("the circuit of the CMS is open".to_owned());
    let stage = Cursor::START.next(None).unwrap();
    let looks = view(Some(under_way(report.clone(), stage)), None).await;
    let mut expected = shown_report();
    expected["waits_for"] = json!("the circuit of the CMS is open");
    let expected = json!({
        "state": "under_way", "asked": null, "mends": false, "stage": "entries", "drift": 3, "report": expected,
    });
    assert_eq!(looks, expected);

    report.repaired.insert(Class::EditedThere, 2);
    let mends = Some(under_way(report, Cursor::MENDING));
    let mends = view(mends, Some(request())).await;
    assert_eq!(mends["state"], "under_way");
    assert_eq!(
        (&mends["mends"], &mends["stage"], &mends["drift"]),
        (&json!(true), &json!("brands"), &json!(1))
    );
    assert_eq!(mends["asked"]["by"], "user_7", "the next one waits");
}

#[tokio::test]
async fn the_last_one_is_done_or_says_why_it_has_stopped() {
    let ended = |stopped: Option<&str>| {
        let mut report = report();
        report.example(Example {
            class: Class::EditedThere,
            id: Some("019abfc0-e85e-7cc0-a1a2-0123456789ab".to_owned()),
            entry: None,
            here: Some("Acme".to_owned()),
            there: Some("Globex".to_owned()),
            agreed: None,
            note: None,
        });
        let mut kept = under_way(report, Cursor::START);
        kept.end(stopped.map(str::to_owned), at(ENDED));
        kept
    };
    let mut report = shown_report();
    report["ended_at"] = json!(shown(ENDED));
    report["examples"] = json!([{
        "class": "edited_there", "id": "019abfc0-e85e-7cc0-a1a2-0123456789ab", "here": "Acme", "there": "Globex",
    }]);
    let mut expected = json!({
        "state": "done", "asked": null, "mends": false, "stage": null, "drift": 3, "report": report,
    });
    assert_eq!(view(Some(ended(None)), None).await, expected);

    expected["state"] = json!("stopped");
    expected["report"]["stopped"] = json!("too much");
    let stopped = view(Some(ended(Some("too much"))), None).await;
    assert_eq!(stopped, expected);

    expected["state"] = json!("asked");
    expected["asked"] = json!({ "by": "user_7", "at": shown(CREATED), "dry_run": false });
    let again = view(Some(ended(Some("too much"))), Some(request())).await;
    assert_eq!(again, expected, "the last report stays until then");
}

#[tokio::test]
async fn it_takes_no_parameters_and_a_token() {
    let reconciliations = Arc::new(MemoryReconciliationStore::default());
    let (status, body) = retrieve(reconciliations.clone(), get(PATH, "fields=report")).await;
    let expected = json!({ "type": "invalid_data", "message": "Invalid request: Unrecognized fields: 'fields'" });
    assert_eq!((status, body), (StatusCode::BAD_REQUEST, expected));
    let mut anonymous = get(PATH, "");
    anonymous["headers"]
        .as_object_mut()
        .unwrap()
        .remove("authorization");
    let (status, body) = retrieve(reconciliations, anonymous).await;
    let expected = json!({ "message": "Unauthorized" });
    assert_eq!((status, body), (StatusCode::UNAUTHORIZED, expected));
}

#[tokio::test]
async fn a_table_that_is_away_is_an_unknown_error() {
    let (status, body) = retrieve(Arc::new(AwayStore), get(PATH, "")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body.to_string().contains("secret"), "{body}");
}
