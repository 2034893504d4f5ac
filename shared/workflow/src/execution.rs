//! One worker's execution of one run: the ledger, and the I/O that keeps the journal up to it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::{Either, select};
use tracing::warn;

use crate::{
    Committed, EngineConfig, Environment, Journal, JournalError, Observer, Phase, RunError,
    StepError, Timestamp,
    ledger::{Halt, Ledger, Verdict, Write},
};

/// What an engine works with.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) config: EngineConfig,
}

/// The run does not go on: the ledger's halt says why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halted;

impl From<Halted> for StepError {
    fn from(_: Halted) -> Self {
        Self::interrupted()
    }
}

pub(crate) struct Execution<'a> {
    pub(crate) runtime: &'a Runtime,
    /// When the invocation ends.
    deadline: Timestamp,
    ledger: Mutex<Ledger>,
    /// Held during a write, so that writes are made one after the other.
    writing: tokio::sync::Mutex<()>,
}

impl<'a> Execution<'a> {
    pub(crate) fn new(runtime: &'a Runtime, ledger: Ledger, deadline: Timestamp) -> Self {
        let (ledger, writing) = (Mutex::new(ledger), tokio::sync::Mutex::new(()));
        Self {
            runtime,
            deadline,
            ledger,
            writing,
        }
    }

    /// The ledger. Never held across an await.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.runtime.environment.now()
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.runtime.environment.sleep(duration).await;
    }

    /// When the last attempt must have ended.
    pub(crate) fn last_moment(&self) -> Timestamp {
        self.deadline.minus(self.runtime.config.deadline_margin)
    }

    /// Brings the journal up to the ledger.
    ///
    /// A write that was not answered is repeated with the same condition and a higher sequence number. At most one of
    /// them is made, whatever becomes of the others and whenever they arrive, since each changes what all of them expect.
    pub(crate) async fn persist(&self) -> Result<(), Halted> {
        let _writing = self.writing.lock().await;
        let policy = self.runtime.config.journal_retry;
        let lease_until = self.deadline.plus(self.runtime.config.lease_margin);
        let (mut attempt, mut may_be_over) = (0, false);
        loop {
            if self.ledger().halted().is_some_and(Halt::is_final) {
                return Err(Halted);
            }
            if !self.ledger().is_changed() {
                return Ok(());
            }
            let write = self.ledger().next_write(lease_until, self.now());
            let error = match self.commit(&write).await {
                // The journal has dropped the record since our own last write ended the run: within our lease no other
                // worker can have done that.
                Ok(Committed::Conflict(None)) if may_be_over && self.now() < self.deadline => {
                    self.ledger().settle(&write, Committed::Applied);
                    return Ok(());
                }
                Ok(committed) => match self.ledger().settle(&write, committed) {
                    Verdict::Made => return Ok(()),
                    Verdict::Again => continue,
                    Verdict::Halt => return Err(Halted),
                },
                Err(error) => error,
            };
            may_be_over |= write.run.state.is_over();
            attempt += 1;
            let wait = policy.backoff(attempt, &*self.runtime.environment);
            let is_last = attempt >= policy.attempts || self.now().plus(wait) >= self.deadline;
            if is_last || !error.is_transient() {
                self.ledger().halt(Halt::Journal(error));
                return Err(Halted);
            }
            warn!(error = %error, attempt, "journal write failed; trying again");
            self.sleep(wait).await;
        }
    }

    async fn commit(&self, write: &Write) -> Result<Committed, JournalError> {
        let limit = self.runtime.config.journal_retry.timeout;
        let commit = self
            .runtime
            .journal
            .commit(&write.run, write.expected.clone());
        match select(commit, self.runtime.environment.sleep(limit)).await {
            Either::Left((committed, _)) => committed,
            Either::Right(_) => Err(JournalError::timed_out(limit)),
        }
    }

    /// Waits until every call that was not answered has taken effect, or never will; halts where there is no time for
    /// that.
    ///
    /// ```text
    /// we:         call a ─► no answer ───► call b, or compensate a, or end the run
    /// other side:                    └──────────────────────────► a takes effect, too late to be noticed
    /// ```
    pub(crate) async fn settle_calls(&self) -> Result<(), Halted> {
        loop {
            let now = self.now();
            let Some(until) = self.ledger().unsettled_until(now) else {
                return Ok(());
            };
            if until >= self.last_moment() {
                self.ledger().halt(Halt::Unsettled);
                return Err(Halted);
            }
            self.sleep(now.until(until)).await;
        }
    }

    pub(crate) fn check(&self) -> Result<(), Halted> {
        if self.ledger().halted().is_some() {
            Err(Halted)
        } else {
            Ok(())
        }
    }

    /// The run must be reverted.
    pub(crate) fn fail(&self, step: &str, message: String) -> StepError {
        let step = step.to_owned();
        self.ledger().halt(Halt::Failed { step, message });
        StepError::interrupted()
    }

    /// The run must be suspended.
    pub(crate) fn suspend(&self, step: &str, error: &StepError) -> StepError {
        let (step, message, retry_after) = (step.to_owned(), error.chain(), error.retry_after());
        self.ledger().halt(Halt::Suspended {
            step,
            message,
            retry_after,
        });
        StepError::interrupted()
    }

    /// The code does not fit the record, or itself.
    pub(crate) fn misfit(&self, reason: String) -> StepError {
        self.ledger().halt(Halt::Definition(reason));
        StepError::interrupted()
    }

    /// Keeps an error with the run.
    pub(crate) fn note_error(&self, step: &str, during: Phase, message: String) -> RunError {
        let error = RunError::new(step, during, message, self.now());
        self.ledger().note_error(error.clone());
        error
    }
}
