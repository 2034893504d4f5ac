//! The stub behind HTTP, for the local stack and the tests: a CMS whose memory outlives the functions.
//!
//! | request | answer |
//! |---|---|
//! | `POST /brands` `{"id","name"}` | 201 `{"brand":{"id","name","revision"}}`; 409 where the brand is there already |
//! | `PUT /brands/{id}` `{"id","name"}` | 200 `{"brand":{…}}`; 404 where it is absent; 412 where `If-Match` names another revision |
//! | `DELETE /brands/{id}` | 204; 404 where it is absent |
//! | `GET /brands?after=&limit=` | 200 `{"brands":[{…}],"next"}`, in the order of their ids |
//! | `GET /brands?ids=b1,b2` | 200 `{"brands":[{…}]}`: those of at most 100 ids that are there |
//! | `GET /brands/{id}` | 200 `{"brand":{…}}`; 404 |
//! | `GET /entries?after=&limit=` | 200 `{"entries":[{"entry","name","revision"}],"next"}`: those that bear no brand's id |
//! | `GET /entries/{entry}` | 200 `{"entry":{…}}`; 404 |
//! | `PUT /entries/{entry}` `{"id","name"}` | links it: 200 `{"brand":{…}}`; 404, 409 where it bears another id; 412 as above |
//! | `PUT /editor/brands/{id}` `{"name"}` | 204: an editor renames the entry; 404 |
//! | `DELETE /editor/brands/{id}` | 204: an editor removes the entry; 404 |
//! | `POST /editor/entries` `{"name","id"?}` | 201 `{"entry"}`: an editor makes an entry, which bears that id or none; 409 |
//! | `POST /editor/entries` `{"name","count"}` | 201 `{"count"}`: so many, named `"name 1"`, `"name 2"` …, without a brand's id |
//! | `GET /stats` | 200 `{"calls":{"creates","updates","deletes","retrieves"},"acts":{"<id>":{"name","creates","updates","deletes"}}}` |
//! | `POST /faults` `[rule, …]` | 204, and from now on these rules apply as well; 400 with the reason |
//! | `PUT /faults` `[rule, …]` | 204, and from now on these rules apply instead; 400 with the reason |
//!
//! `openapi.json` describes the first nine. They heed `Idempotency-Key` where they write. All writes, also of editors and rules, need
//! `Authorization: Bearer <key>` where the server has a key (401), and a body needs `Content-Type: application/json` (415). A
//! read needs no key, but a wrong one is refused. Web pages of other origins, and requests whose `Host` is not this machine,
//! get 403. Errors are `{"message"}`. The README of this crate has the fault rules.

mod config;
mod log_line;
mod pages;
mod problem;
mod routes;

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::{ApiKey, StubCms};

pub use config::{ConfigProblems, ServerConfig};
pub use log_line::log_plain_lines;

/// How long requests under way may go on once the server has to stop. A request that hangs by a rule would never end.
const GRACE: Duration = Duration::from_secs(1);

/// Serves `stub` on `listener` until `stop` is done. With a key, each write has to present it.
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
            // Fails only where the server has ended by itself.
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
