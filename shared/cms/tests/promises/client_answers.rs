//! What the client makes of the answers that a CMS may give, and of none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::routing::any;
use cms::{Cms, CmsError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{
    KEY, PATIENT, brand, client, faults, in_process, listener, start, start_router, told,
};

/// A CMS that answers everything so.
async fn cms_answering(status: u16, headers: &[(&str, &str)], body: &str) -> cms::HttpCms {
    let status = StatusCode::from_u16(status).unwrap();
    let mut answer = axum::http::Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    let answer = answer.body(body.to_owned()).unwrap();
    let address = start_router(Router::new().fallback(async move || answer)).await;
    client(&format!("http://{address}"), PATIENT)
}

#[tokio::test]
async fn what_may_pass_is_transient() {
    for status in [408, 425, 429, 500, 501, 502, 503, 504] {
        let cms = cms_answering(status, &[], "").await;
        let created = cms.create_brand(&brand("b1", "Acme"), "run").await;
        assert_eq!(told(created), (status, true));
        assert_eq!(told(cms.delete_brand("b1", "run").await), (status, true));
    }
}

#[tokio::test]
async fn what_will_not_pass_is_permanent() {
    for status in [400, 402, 403, 404, 405, 410, 413, 415, 422, 451] {
        let cms = cms_answering(status, &[], "").await;
        let created = cms.create_brand(&brand("b1", "Acme"), "run").await;
        assert_eq!(told(created), (status, false));
    }
    let cms = cms_answering(409, &[], "").await;
    assert_eq!(told(cms.delete_brand("b1", "run").await), (409, false));
}

#[tokio::test]
async fn every_success_is_success() {
    for status in [200, 201, 202, 204] {
        let cms = cms_answering(status, &[], "").await;
        cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
        cms.delete_brand("b1", "run").await.unwrap();
    }
}

#[tokio::test]
async fn retry_after_is_heeded_in_seconds_and_passed_over_otherwise() {
    for (value, wait) in [
        ("7", Some(Duration::from_secs(7))),
        ("0", Some(Duration::ZERO)),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        ("1.5", None),
    ] {
        let cms = cms_answering(503, &[(RETRY_AFTER.as_str(), value)], "").await;
        let error = cms.delete_brand("b1", "run").await.unwrap_err();
        assert_eq!(error.retry_after(), wait, "{value}");
    }
}

#[tokio::test]
async fn the_reason_that_the_cms_gives_is_told_in_one_short_line_without_the_key() {
    let quoted = format!(r#"{{"message":"no such key:\n {KEY}"}}"#);
    let long = "é".repeat(300);
    for (body, shown) in [
        (r#"{"message":"name is taken"}"#, "name is taken".to_owned()),
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
        let created = cms.create_brand(&brand("b1", "Acme"), "run").await;
        assert_eq!(told(created), (status, false));
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
    let cms = cms::HttpCms::new(cms::HttpCmsConfig {
        base_url: format!("http://{address}").parse().unwrap(),
        api_key: "another".parse().unwrap(),
        timeout: PATIENT,
    })
    .unwrap();
    let created = cms.create_brand(&brand("b1", "Acme"), "run").await;
    assert_eq!(told(created), (401, true));
    assert_eq!(told(cms.delete_brand("b1", "run").await), (401, true));
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
    assert_eq!(told(cms.delete_brand("b1", "run").await), (422, false));
    assert!(sent.await.unwrap() < LENGTH);
}
