//! What a client makes of the answers that a CMS may give, and of none: the table in this crate's README, row by row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{Method, Response, StatusCode};
use axum::routing::any;
use cms::{Cms, CmsError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{
    KEY, PATIENT, brand, client, client_with_key, failure, faults, in_process, listener, start,
    start_router, unknown,
};

const PAGE: &str = "<html><h1>Down for maintenance</h1></html>";
const REASON: &str = r#"{"message":"no"}"#;

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<String> {
    let status = StatusCode::from_u16(status).unwrap();
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(body.to_owned()).unwrap()
}

/// A CMS that answers every request alike.
async fn cms_answering(status: u16, headers: &[(&str, &str)], body: &str) -> Arc<dyn Cms> {
    let answer = answer(status, headers, body);
    let address = start_router(Router::new().fallback(async move || answer.map(Body::from))).await;
    client(&format!("http://{address}"), PATIENT)
}

/// A CMS that answers each write so, and each read otherwise.
async fn cms_with(write: (u16, &str), read: (u16, &str)) -> Arc<dyn Cms> {
    let [write, read] = [write, read].map(|(status, body)| answer(status, &[], body));
    let router = Router::new().fallback(async move |method: Method| {
        let answer = if method == Method::GET { read } else { write };
        answer.map(Body::from)
    });
    let address = start_router(router).await;
    client(&format!("http://{address}"), PATIENT)
}

/// A CMS that sends these bytes to each request, and closes the connection.
async fn cms_sending(bytes: &'static str) -> Arc<dyn Cms> {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _ = connection.read(&mut [0; 1024]).await;
            connection.write_all(bytes.as_bytes()).await.unwrap();
        }
    });
    client(&format!("http://{address}"), PATIENT)
}

/// What a result means, in one word.
fn meaning<T>(result: &Result<T, CmsError>) -> &'static str {
    let Err(error) = result else {
        return "Success";
    };
    let (meaning, is_transient) = match error {
        CmsError::Unreachable { .. } => ("Unreachable", true),
        CmsError::TimedOut { .. } => ("TimedOut", true),
        CmsError::Unavailable { .. } => ("Unavailable", true),
        CmsError::Unclear { .. } => ("Unclear", true),
        CmsError::Unauthorized { .. } => ("Unauthorized", true),
        CmsError::Forbidden { .. } => ("Forbidden", true),
        CmsError::Conflict { .. } => ("Conflict", false),
        CmsError::Refused { .. } => ("Refused", false),
        CmsError::Unsendable(_) => ("Unsendable", false),
    };
    assert_eq!(error.is_transient(), is_transient, "{error:?}");
    meaning
}

/// What get, list, create, update and delete come to.
async fn meanings(cms: &dyn Cms) -> [&'static str; 5] {
    let acme = brand("b1", "Acme");
    let got = cms.get_brand("b1").await;
    [
        if matches!(got, Ok(None)) {
            "Absent"
        } else {
            meaning(&got)
        },
        meaning(&cms.list_brands(None, 9).await),
        meaning(&cms.create_brand(&acme, "run").await),
        meaning(&cms.update_brand(&acme, &unknown(), "run").await),
        meaning(&cms.delete_brand("b1", "run").await),
    ]
}

const UNCLEAR: [&str; 5] = ["Unclear"; 5];
const REFUSED: [&str; 5] = ["Unclear", "Unclear", "Refused", "Refused", "Refused"];
const CONFLICT: [&str; 5] = ["Unclear", "Unclear", "Conflict", "Conflict", "Refused"];
const ABSENT: [&str; 5] = ["Absent", "Unclear", "Unclear", "Conflict", "Success"];
/// The entry is not in the answer, and not in the one to the question either.
const ASKED: [&str; 5] = ["Unclear", "Unclear", "Unclear", "Unclear", "Success"];

#[tokio::test]
async fn each_status_means_what_the_table_says_in_json_and_as_a_page() {
    let mut rows = 0;
    for (statuses, in_json, as_page) in [
        (&[200, 201, 202][..], ASKED, UNCLEAR),
        (&[301, 302, 303, 307, 308, 304], UNCLEAR, UNCLEAR),
        (&[401], ["Unauthorized"; 5], ["Unauthorized"; 5]),
        (&[403], ["Forbidden"; 5], ["Forbidden"; 5]),
        (&[404, 410], ABSENT, UNCLEAR),
        (&[405, 407, 421], UNCLEAR, UNCLEAR),
        (&[409, 412], CONFLICT, CONFLICT),
        (&[400, 402, 413, 415, 422, 451], REFUSED, REFUSED),
        (
            &[408, 425, 429, 500, 501, 502, 503, 504],
            ["Unavailable"; 5],
            ["Unavailable"; 5],
        ),
    ] {
        for (status, (body, expected)) in statuses
            .iter()
            .flat_map(|status| [(REASON, in_json), (PAGE, as_page)].map(|row| (*status, row)))
        {
            // HTTP forbids a body here.
            let body = if status == 304 { "" } else { body };
            let cms = cms_answering(status, &[], body).await;
            assert_eq!(meanings(&*cms).await, expected, "{status} {body}");
            rows += 1;
        }
    }
    println!("{rows} answers given");
    assert_eq!(rows, 64);
}

#[tokio::test]
async fn errors_in_the_body_of_a_success_are_a_refusal() {
    for body in [
        r#"{"errors":[{"message":"no"}]}"#,
        r#"{"error":{"message":"no"},"data":null}"#,
        r#"{"error":"no"}"#,
        r#"{"error":true}"#,
        r#"{"brand":{"id":"b1","name":"Acme"},"errors":["no"]}"#,
    ] {
        let cms = cms_answering(200, &[], body).await;
        assert_eq!(meanings(&*cms).await, REFUSED, "{body}");
    }
    for body in [
        r#"{"errors":[]}"#,
        r#"{"errors":null,"error":null}"#,
        r#"{"error":false}"#,
    ] {
        let cms = cms_answering(200, &[], body).await;
        assert_eq!(meanings(&*cms).await, ASKED, "{body}");
    }
}

#[tokio::test]
async fn a_success_that_does_not_show_the_entry_has_the_cms_asked() {
    let acme = r#"{"brand":{"id":"b1","name":"Acme","revision":"7"}}"#;
    let writes = [
        (204, ""),
        (201, ""),
        (200, "{}"),
        (202, REASON),
        (200, PAGE),
        (200, "[]"),
        (201, r#"{"brand":{"id":"b1"}}"#),
        (201, r#"{"brand":{"id":"b11","name":"Acme"}}"#),
        (201, r#"{"brand":{"id":7,"name":"Acme"}}"#),
    ];
    for write in writes {
        for (read, expected) in [
            ((200, acme), "Success"),
            ((404, REASON), "Unclear"),
            (
                (200, r#"{"brand":{"id":"b1","name":"Another"}}"#),
                "Unclear",
            ),
            ((200, r#"{"brand":{"id":"b11","name":"Acme"}}"#), "Unclear"),
            ((200, PAGE), "Unclear"),
            ((404, PAGE), "Unclear"),
            ((503, ""), "Unavailable"),
            ((401, ""), "Unauthorized"),
        ] {
            let cms = cms_with(write, read).await;
            let [_, _, create, update, _] = meanings(&*cms).await;
            assert_eq!([create, update], [expected; 2], "{write:?} {read:?}");
        }
        let cms = cms_with(write, (200, acme)).await;
        let entry = cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
        assert_eq!(entry.entry.revision.as_deref(), Some("7"));
    }
}

#[tokio::test]
async fn a_success_that_shows_the_entry_is_believed() {
    // The CMS may spell the name in another way.
    let shown = r#"{"brand":{"id":"b1","name":"ACME"}}"#;
    for status in [200, 201, 202] {
        let cms = cms_with((status, shown), (503, "")).await;
        let [_, _, create, update, _] = meanings(&*cms).await;
        assert_eq!([create, update], ["Success"; 2]);
        let entry = cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
        assert_eq!((&*entry.brand.name, entry.entry.revision), ("ACME", None));
    }
}

#[tokio::test]
async fn a_page_with_one_broken_entry_is_unclear() {
    for body in [
        r#"{"brands":[{"id":"b1","name":"Acme"},{"id":"b2"}]}"#,
        r#"{"brands":{}}"#,
    ] {
        let cms = cms_answering(200, &[], body).await;
        assert_eq!(meaning(&cms.list_brands(None, 9).await), "Unclear");
    }
}

#[tokio::test]
async fn only_an_answer_of_the_cms_itself_settles_what_became_of_a_request() {
    for (status, is_unanswered) in [(500, false), (502, true), (503, false), (504, true)] {
        let cms = cms_answering(status, &[], "").await;
        let error = cms.delete_brand("b1", "run").await.unwrap_err();
        assert_eq!(error.is_unanswered(), is_unanswered, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_seconds_or_a_date_that_counts_from_the_date_of_the_answer() {
    const DATE: &str = "Wed, 21 Oct 2026 07:28:00 GMT";
    for (value, wait) in [
        ("7", Some(7)),
        (" 7 ", Some(7)),
        ("0", Some(0)),
        ("43201", Some(43201)),
        ("Wed, 21 Oct 2026 07:28:07 GMT", Some(7)),
        ("Wed, 21 Oct 2026 19:28:01 GMT", Some(43201)),
        ("Wed, 21 Oct 2026 07:27:59 GMT", Some(0)),
        ("Mon, 01 Jan 2001 00:00:00 GMT", Some(0)),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
    ] {
        for status in [429, 503] {
            let headers = [("retry-after", value), ("date", DATE)];
            let cms = cms_answering(status, &headers, "").await;
            let error = cms.delete_brand("b1", "run").await.unwrap_err();
            let wait = wait.map(Duration::from_secs);
            assert_eq!(error.retry_after(), wait, "{value}");
        }
    }
}

#[tokio::test]
async fn a_retry_after_date_without_a_date_to_count_from_is_ignored() {
    for (bytes, wait) in [
        (
            "HTTP/1.1 503 No\r\nContent-Length: 0\r\nRetry-After: Wed, 21 Oct 2026 07:28:07 GMT\r\n\r\n",
            None,
        ),
        (
            "HTTP/1.1 503 No\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n",
            Some(Duration::from_secs(7)),
        ),
    ] {
        let cms = cms_sending(bytes).await;
        let error = cms.delete_brand("b1", "run").await.unwrap_err();
        assert_eq!(error.retry_after(), wait);
    }
}

#[tokio::test]
async fn a_success_whose_body_breaks_off_is_no_answer() {
    let cms =
        cms_sending("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"brand\":{\"id\":\"b1\"").await;
    assert_eq!(meanings(&*cms).await, ["Unreachable"; 5]);
    let error = cms.delete_brand("b1", "run").await.unwrap_err();
    assert!(error.is_unanswered());
}

#[tokio::test]
async fn a_failure_whose_body_breaks_off_is_decided_by_its_status() {
    let cms = cms_sending("HTTP/1.1 422 No\r\nContent-Length: 99\r\n\r\n{\"message\":\"na").await;
    assert_eq!(failure(cms.delete_brand("b1", "run").await), (422, false));
}

#[tokio::test]
async fn the_reason_that_the_cms_gives_is_one_short_line_without_the_key() {
    let quoted = format!(r#"{{"message":"no such key:\n {KEY}"}}"#);
    let long = "é".repeat(300);
    for (body, shown) in [
        (r#"{"message":"name is taken"}"#, "name is taken".to_owned()),
        (
            r#"{"error":{"status":400,"message":"must be unique"}}"#,
            "must be unique".to_owned(),
        ),
        (
            r#"{"errors":[{"data":{"errors":[{"message":"Value must be unique"}]},"message":"invalid: name"}]}"#,
            "Value must be unique".to_owned(),
        ),
        ("<h1>not\r\n\tso</h1>", "<h1>not so</h1>".to_owned()),
        (&quoted, "no such key: ***".to_owned()),
        (&long, "é".repeat(200) + "…"),
        ("", String::new()),
    ] {
        let cms = cms_answering(422, &[], body).await;
        let error = cms.delete_brand("b1", "run").await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(KEY));
        let CmsError::Refused { message, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(message, shown);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let visits = Arc::new(AtomicU64::new(0));
    for status in [301, 302, 303, 307, 308] {
        let counted = visits.clone();
        let router = Router::new()
            .route(
                "/elsewhere",
                any(async move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                }),
            )
            .fallback(async move || {
                let status = StatusCode::from_u16(status).unwrap();
                (status, [(LOCATION, "/elsewhere")])
            });
        let address = start_router(router).await;
        let cms = client(&format!("http://{address}"), PATIENT);
        assert_eq!(meanings(&*cms).await, UNCLEAR);
    }
    assert_eq!(visits.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_cms_that_does_not_answer_in_time_is_a_transient_failure() {
    let bench = in_process().await;
    bench.stub.set_faults(faults(
        r#"[{"operation":"create","kind":"hang","when":"after"}]"#,
    ));
    let address = start(bench.stub).await;
    let cms = client(&format!("http://{address}"), Duration::from_millis(100));
    let error = cms
        .create_brand(&brand("b1", "Acme"), "run")
        .await
        .unwrap_err();
    assert!(matches!(error, CmsError::TimedOut { .. }), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_refused_connection_is_a_transient_failure() {
    let (listener, address) = listener().await;
    drop(listener);
    let cms = client(&format!("http://{address}"), PATIENT);
    let error = cms.delete_brand("b1", "run").await.unwrap_err();
    assert!(matches!(error, CmsError::Unreachable { .. }), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_a_transient_failure() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _ = connection.read(&mut [0; 1024]).await;
        }
    });
    let cms = client(&format!("http://{address}"), PATIENT);
    let error = cms.delete_brand("b1", "run").await.unwrap_err();
    assert!(matches!(error, CmsError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_wrong_key_is_an_outage_until_an_operator_changes_it() {
    let bench = in_process().await;
    let address = start(bench.stub.clone()).await;
    let cms = client_with_key(&format!("http://{address}"), PATIENT, "another");
    assert_eq!(meanings(&*cms).await, ["Unauthorized"; 5]);
    assert_eq!(bench.stub.calls(), cms::Calls::default());
}

#[tokio::test]
async fn tls_needs_no_provider_of_the_process_and_fails_as_a_connection_does() {
    let bench = in_process().await;
    // This server speaks no TLS.
    let address = start(bench.stub).await;
    let cms = client(&format!("https://{address}"), PATIENT);
    let error = cms.delete_brand("b1", "run").await.unwrap_err();
    assert!(matches!(error, CmsError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    const LENGTH: usize = 64 * 1024 * 1024;
    let (listener, address) = listener().await;
    let sent = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 1024]).await;
        let head = format!("HTTP/1.1 422 No\r\nContent-Length: {LENGTH}\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut sent = 0;
        while sent < LENGTH && connection.write_all(&[b'x'; 4096]).await.is_ok() {
            sent += 4096;
        }
        sent
    });
    let cms = client(&format!("http://{address}"), PATIENT);
    assert_eq!(failure(cms.delete_brand("b1", "run").await), (422, false));
    assert!(sent.await.unwrap() < LENGTH);
}
