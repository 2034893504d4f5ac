//! A server on this machine that answers what a test says.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::Value;
use tokio::{net::TcpListener, time::timeout};

use crate::process::PATIENCE;

/// A request: the target header or else the path, and the body.
pub(crate) type Answer = Pin<Box<dyn Future<Output = (StatusCode, Value)> + Send>>;
type Answering = Arc<dyn Fn(String, Value) -> Answer + Send + Sync>;

/// Starts it, and answers its URL. It ends with the test's runtime.
pub(crate) async fn serve(
    answer: impl Fn(String, Value) -> Answer + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering: Answering = Arc::new(answer);
    let app = Router::new().fallback(handle).with_state(answering);
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn handle(
    State(answering): State<Answering>,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> (StatusCode, String) {
    let target = headers
        .get("x-amz-target")
        .map(|target| target.to_str().unwrap());
    let target = target.unwrap_or(uri.path()).to_owned();
    let (status, answer) = answering(target, serde_json::from_slice(&body).unwrap()).await;
    (status, answer.to_string())
}

/// What a test and its servers both know.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    /// Looks at it, or changes it.
    pub(crate) fn with<U>(&self, look: impl FnOnce(&mut T) -> U) -> U {
        look(&mut self.0.lock().unwrap())
    }

    /// Waits until that answers something.
    pub(crate) async fn until<U>(&self, look: impl Fn(&mut T) -> Option<U>) -> U {
        let found = async {
            loop {
                if let Some(found) = self.with(&look) {
                    return found;
                }
                tokio::task::yield_now().await;
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, found).await.unwrap()
    }
}
