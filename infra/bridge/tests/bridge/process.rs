//! The program, started and stopped.

use std::process::{Child, Command, ExitStatus, Stdio};

use tokio::{task::spawn_blocking, time::timeout};

/// How long anything may take to come about.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// A bridge that runs. Dropping it ends it at once.
pub(crate) struct Bridge(Option<Child>);

impl Bridge {
    /// Starts one, from the queue to the function `consumer` at that URL, with that environment beside this process's.
    pub(crate) fn start(queue_url: &str, functions: &str, environment: &[(&str, &str)]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_bridge"))
            .args(["--queue-url", queue_url, "--functions", functions])
            .args(["--consumer", "consumer"])
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .spawn();
        Self(Some(child.unwrap()))
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let id = self.0.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let mut child = self.0.take().unwrap();
        let ended = timeout(PATIENCE, spawn_blocking(move || child.wait()));
        ended.await.unwrap().unwrap().unwrap()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
