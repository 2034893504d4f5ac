//! A CMS to test, with the stub behind it to ask; and servers to test clients with.

use std::fmt::Debug;
use std::future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cms::{ApiKey, Cms, CmsBrand, CmsConfig, CmsError, EntryRef, Faults, StubCms, server};
use tokio::net::TcpListener;

/// The key of every CMS here.
pub(crate) const KEY: &str = "sk-never-to-be-seen";

/// So long that no test that goes well gets there.
pub(crate) const PATIENT: Duration = Duration::from_secs(30);

/// A CMS, and the stub behind it.
pub(crate) struct Bench {
    pub(crate) cms: Arc<dyn Cms>,
    pub(crate) stub: StubCms,
}

pub(crate) async fn in_process() -> Bench {
    let stub = StubCms::new(Some(key()), Faults::default());
    Bench {
        cms: Arc::new(stub.clone()),
        stub,
    }
}

pub(crate) async fn over_http() -> Bench {
    let stub = StubCms::new(Some(key()), Faults::default());
    let address = start(stub.clone()).await;
    Bench {
        cms: client(&format!("http://{address}"), PATIENT),
        stub,
    }
}

/// Makes of each promise two tests: one for each way to the stub.
macro_rules! kept_by_both {
    ($($promise:ident)*) => {
        mod in_process {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise($crate::bench::in_process().await).await;
            })*
        }
        mod over_http {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise($crate::bench::over_http().await).await;
            })*
        }
    };
}
pub(crate) use kept_by_both;

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

pub(crate) fn client(url: &str, timeout: Duration) -> Arc<dyn Cms> {
    client_with_key(url, timeout, KEY)
}

pub(crate) fn client_with_key(url: &str, timeout: Duration, key: &str) -> Arc<dyn Cms> {
    let config = CmsConfig::new(url.parse().unwrap(), key.parse().unwrap());
    CmsConfig { timeout, ..config }.cms().unwrap()
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

/// An entry whose CMS-side id and revision are not known.
pub(crate) fn unknown() -> EntryRef {
    EntryRef::default()
}

/// The status of a failure, and whether it is transient.
pub(crate) fn failure<T: Debug>(result: Result<T, CmsError>) -> (u16, bool) {
    let error = result.unwrap_err();
    let status = match &error {
        CmsError::Unavailable { status, .. }
        | CmsError::Unclear { status, .. }
        | CmsError::Conflict { status, .. }
        | CmsError::Refused { status, .. } => *status,
        CmsError::Unauthorized { .. } => 401,
        CmsError::Forbidden { .. } => 403,
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
