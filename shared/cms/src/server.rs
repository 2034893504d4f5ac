//! The stub behind HTTP, for the local stack and the tests: a CMS whose memory outlives the functions.
//!
//! | request | answer |
//! |---|---|
//! | `POST /brands` `{"id","name"}` | 201 `{"brand":{"id","name"}}`; 409 when the brand is there already |
//! | `PUT /brands/{id}` `{"id","name"}` | 200 `{"brand":{"id","name"}}`; 201 when there was no such brand; 400 when the ids differ |
//! | `DELETE /brands/{id}` | 204; 404 when there is no such brand |
//! | `GET /brands` | 200 `{"brands":[{"id","name"}]}`, in the order of their ids |
//! | `GET /brands/{id}` | 200 `{"brand":{"id","name"}}`; 404 |
//! | `GET /stats` | 200 `{"calls":{"creates","updates","deletes"},"acts":{"<id>":{"name","creates","updates","deletes"}}}` |
//! | `POST /faults` `[rule, …]` | 204, and from now on it fails so as well; 400 with the reason |
//! | `PUT /faults` `[rule, …]` | 204, and from now on it fails so (the module `faults` has the rules); 400 with the reason |
//!
//! POST, PUT and DELETE of brands heed `Idempotency-Key`, and need `Authorization: Bearer <key>` when the server was given a key. What only
//! looks, or sets the stub up, needs none: the server is for one's own machine. Errors are `{"message"}`. A transient
//! fault is 503, a permanent one is 422, and a hanging one is no answer until the client gives up.

mod config;
mod log_line;
mod problem;
mod routes;

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::{ApiKey, StubCms};

pub use config::{ConfigProblems, ServerConfig};
pub use log_line::log_plain_lines;

/// How long requests under way may go on once the server is told to stop. A request that was told to hang would never end.
const GRACE: Duration = Duration::from_secs(1);

/// Serves `stub` on `listener` until `stop` is done. With a key, whoever changes a brand has to present it.
pub async fn serve(
    listener: TcpListener,
    stub: StubCms,
    api_key: Option<ApiKey>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = oneshot::channel();
    let served = axum::serve(listener, routes::router(stub, api_key))
        .with_graceful_shutdown(async move {
            stop.await;
            // Nobody listens only when the server has ended by itself.
            let _ = stopping.send(());
        })
        .into_future();
    let grace_is_over = async {
        match stopped.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            // The server has ended by itself; its result is the one that counts.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = served => result,
        () = grace_is_over => Ok(()),
    }
}
