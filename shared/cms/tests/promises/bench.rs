//! A CMS to test, with the stub behind it to ask; and servers to test clients with.

use std::future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use cms::{ApiKey, CmsBrand, CmsError, Faults, HttpCms, HttpCmsConfig, StubCms, server};
use tokio::net::TcpListener;

/// The key of every CMS here.
pub(crate) const KEY: &str = "sk-never-to-be-seen";

/// So long that no test that goes well gets there.
pub(crate) const PATIENT: Duration = Duration::from_secs(30);

/// A CMS, and the stub that it comes down to.
pub(crate) struct Bench<C> {
    pub(crate) cms: C,
    pub(crate) stub: StubCms,
}

pub(crate) async fn in_process() -> Bench<StubCms> {
    let stub = StubCms::new(Some(key()), Faults::default());
    Bench {
        cms: stub.clone(),
        stub,
    }
}

pub(crate) async fn over_http() -> Bench<HttpCms> {
    let stub = StubCms::new(Some(key()), Faults::default());
    let address = start(stub.clone()).await;
    Bench {
        cms: client(&format!("http://{address}"), PATIENT),
        stub,
    }
}

/// Serves the stub until the test ends.
pub(crate) async fn start(stub: StubCms) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(server::serve(
        listener,
        stub,
        Some(key()),
        future::pending(),
    ));
    address
}

/// Serves something that is no stub.
pub(crate) async fn start_router(router: Router) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(axum::serve(listener, router).into_future());
    address
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(crate) fn client(base_url: &str, timeout: Duration) -> HttpCms {
    HttpCms::new(HttpCmsConfig {
        base_url: base_url.parse().unwrap(),
        api_key: key(),
        timeout,
    })
    .unwrap()
}

pub(crate) fn key() -> ApiKey {
    KEY.parse().unwrap()
}

pub(crate) fn faults(json: &str) -> Faults {
    Faults::from_json(json).unwrap()
}

pub(crate) fn brand(id: &str, name: &str) -> CmsBrand {
    CmsBrand {
        id: id.to_owned(),
        name: name.to_owned(),
    }
}

/// The status of a failure, and whether it is transient.
pub(crate) fn told(result: Result<(), CmsError>) -> (u16, bool) {
    let error = result.unwrap_err();
    let status = match &error {
        CmsError::Unavailable { status, .. } | CmsError::Refused { status, .. } => *status,
        CmsError::Unauthorized { .. } => 401,
        _ => panic!("no status: {error:?}"),
    };
    (status, error.is_transient())
}

/// Lets the other tasks work until it is so.
pub(crate) async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::task::yield_now().await;
    }
}
