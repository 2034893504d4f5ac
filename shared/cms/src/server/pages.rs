//! Keeps web pages away: a page in the developer's browser could otherwise have the stub fail, or read what it holds.
//!
//! A page of another origin shows itself by `Origin` or `Sec-Fetch-Site`; one whose name resolves to this machine (DNS
//! rebinding) by `Host`. Clients other than browsers send neither of the first two.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::Problem;

/// Refuses a request that comes from a web page of another origin, or that names another host than this machine.
pub(super) async fn refuse_pages(request: Request, next: Next) -> Result<Response, Problem> {
    match refusal(request.headers()) {
        None => Ok(next.run(request).await),
        Some(reason) => {
            tracing::warn!("Refused a {} request: {reason}.", request.method());
            Err(Problem::new(StatusCode::FORBIDDEN, reason))
        }
    }
}

fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let every = |name: HeaderName, holds: &dyn Fn(&[u8]) -> bool| {
        let mut values = headers.get_all(name).iter();
        values.all(|value| holds(value.as_bytes()))
    };
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let is_own = |origin: &[u8]| {
        origin
            .strip_prefix(b"http://")
            .is_some_and(|origin| host.is_some_and(|host| host.eq_ignore_ascii_case(origin)))
    };
    if !every(HOST, &is_loopback) {
        Some("the Host header does not name this machine")
    } else if !every(ORIGIN, &is_own) {
        Some("web pages of another origin may not use the stub")
    } else if !every(HeaderName::from_static("sec-fetch-site"), &|site| {
        [&b"same-origin"[..], b"none"].contains(&site)
    }) {
        Some("web pages of another site may not use the stub")
    } else {
        None
    }
}

fn is_loopback(host: &[u8]) -> bool {
    Authority::try_from(host).is_ok_and(|authority| {
        let host = authority.host().to_ascii_lowercase();
        !authority.as_str().contains('@')
            && (["127.0.0.1", "[::1]", "localhost"].contains(&host.as_str())
                || host.ends_with(".localhost"))
    })
}
