//! POST /admin/cms/reconciliation: an admin asks for a reconciliation.

use std::sync::Arc;

use brand::{CMS_SUBSCRIBER, Timestamp};
use lambda_http::http::{Method, StatusCode};
use reconcile::{Asked, Inbox, conformance::AwayStore};
use serde_json::{Value, json};

use crate::{Bench, message};

const PATH: &str = "/admin/cms/reconciliation";

impl Bench {
    async fn reconcile(&self, body: &str) -> (StatusCode, Value) {
        self.send(Method::POST, PATH, body).await
    }

    pub(crate) async fn asked(&self) -> Asked {
        self.reconciliations.look(CMS_SUBSCRIBER).await.unwrap()
    }
}

#[tokio::test]
async fn an_admin_asks_for_a_reconciliation_and_is_named() {
    for (body, dry_run) in [
        ("", false),
        ("{}", false),
        (r#"{"dry_run": false}"#, false),
        (r#"{"dry_run": true}"#, true),
    ] {
        let (bench, began) = (Bench::default(), Timestamp::now());
        let (status, answer) = bench.reconcile(body).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let asked = bench.asked().await.request.unwrap();
        assert_eq!((&*asked.by, asked.dry_run), ("user_01", dry_run), "{body}");
        assert!(began <= asked.at && asked.at <= Timestamp::now());
        let expected = json!({ "reconciliation": {
            "state": "asked", "asked": { "by": "user_01", "at": asked.at.to_string(), "dry_run": dry_run },
            "mends": false, "stage": null, "drift": 0, "report": null,
        }});
        assert_eq!(answer, expected, "{body}");
    }
}

#[tokio::test]
async fn the_last_request_counts() {
    let bench = Bench::default();
    for body in [r#"{"dry_run": true}"#, ""] {
        assert_eq!(bench.reconcile(body).await.0, StatusCode::OK);
    }
    assert!(!bench.asked().await.request.unwrap().dry_run);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_for_one_is_said_and_nothing_is_asked_for() {
    let bench = Bench::default();
    for (body, expected) in [
        (
            r#"{"dry_run": 1, "reason": "a test"}"#,
            "Expected type: 'boolean' for field 'dry_run', got: '1'; Unrecognized fields: 'reason'",
        ),
        (
            r#"{"dry_run": null}"#,
            "Expected type: 'boolean' for field 'dry_run', got: 'null'",
        ),
        (
            r#"{"dry_run": "true"}"#,
            r#"Expected type: 'boolean' for field 'dry_run', got: '"true"'"#,
        ),
    ] {
        assert_eq!(message(&bench.reconcile(body).await), expected);
    }
    for body in [
        "[]",
        "null",
        "{",
        "dry_run=true",
        r#"{"dry_run": true, "dry_run": false}"#,
    ] {
        assert!(!message(&bench.reconcile(body).await).is_empty(), "{body}");
    }
    let (status, _) = bench.reconcile(&" ".repeat(admin_api::MAX_BODY + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(bench.asked().await, Asked::default());
}

#[tokio::test]
async fn a_table_that_is_away_is_an_unknown_error() {
    let bench = Bench::default();
    let handler = bench.handler_on(Arc::new(AwayStore));
    let (status, body) = bench.send_to(handler, Method::POST, PATH, "").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body.to_string().contains("secret"), "{body}");
}
