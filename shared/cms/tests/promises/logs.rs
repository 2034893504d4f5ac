//! What is logged, and what never is.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::Level;
use tracing::subscriber::DefaultGuard;

use crate::bench::{KEY, PATIENT, brand, client, client_with_key, in_process, over_http, start};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Records what this thread logs from now on, as long as the guard lives.
    fn start(level: Level) -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(move || writer.clone())
            .without_time()
            .with_target(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_stub_logs_what_the_guide_shows_and_masks_the_key() {
    let cms = in_process().await.cms;
    let (log, _guard) = Log::start(Level::INFO);
    cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
    cms.delete_brand("b1", "run").await.unwrap();
    assert_eq!(
        log.text(),
        " INFO Sending a POST request to /brands.
 INFO Request Data: {
  \"id\": \"b1\",
  \"name\": \"Acme\"
}
 INFO API Key: ***
 INFO Sending a DELETE request to /brands/b1.
 INFO API Key: ***
"
    );
}

#[tokio::test]
async fn the_client_logs_the_request_at_info_and_its_data_at_debug_only() {
    let address = start(in_process().await.stub).await;
    let cms = client(&format!("http://{address}"), PATIENT);

    let (log, guard) = Log::start(Level::INFO);
    let expected = " INFO Sending a POST request to /brands.\n";
    // Dropped at its first wait: the server in this thread, which logs the same words, has not had its turn.
    poll_once(cms.create_brand(&brand("b1", "Acme"), "run-1")).await;
    assert_eq!(log.text(), expected);
    drop(guard);

    let (log, _guard) = Log::start(Level::DEBUG);
    poll_once(cms.create_brand(&brand("b1", "Acme"), "run-2")).await;
    assert!(
        log.text().contains("Request Data: {\n  \"id\": \"b1\""),
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn the_key_is_never_logged_at_any_level_by_client_or_server() {
    let (log, _guard) = Log::start(Level::TRACE);
    let cms = over_http().await.cms;
    cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
    let address = start(in_process().await.stub).await;
    let stranger = client_with_key(&format!("http://{address}"), PATIENT, "a-stranger's-key");
    stranger.delete_brand("b1", "run").await.unwrap_err();

    let text = log.text();
    assert!(
        text.contains("TRACE"),
        "nothing is logged at trace:\n{text}"
    );
    assert!(text.contains("Refused a DELETE request"), "{text}");
    assert!(!text.contains(KEY));
    assert!(!text.contains("stranger"));
}

async fn poll_once(call: impl Future) {
    tokio::select! {
        biased;
        _ = call => panic!("it was answered at once"),
        () = std::future::ready(()) => {}
    }
}
