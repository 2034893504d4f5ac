//! One worker's execution of one run: the ledger, and the I/O that keeps the journal up to it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

use crate::{
    Application, Engine, GivenUp, Phase, RunError, StepError, Steps, Timestamp,
    attempts::given_up,
    ledger::{Halt, Ledger, Settled},
};

/// The run does not go on: the ledger's halt says why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halted;

impl From<Halted> for StepError {
    fn from(_: Halted) -> Self {
        Self::interrupted()
    }
}

type OnGivenUp<'a, A> =
    &'a (dyn Fn(&GivenUp<'_>) -> Option<<A as Application>::Write> + Send + Sync);

pub(crate) struct Execution<'a, A: Application> {
    pub(crate) app: &'a A,
    pub(crate) engine: &'a Engine<A>,
    pub(crate) steps: &'a Steps<A>,
    /// When the invocation ends.
    pub(crate) deadline: Timestamp,
    /// Whether there will be no further delivery: then the run is reverted where it would be suspended.
    pub(crate) last_chance: bool,
    /// What goes along with the run's end, if it is given up.
    pub(crate) given_up: OnGivenUp<'a, A>,
    ledger: Mutex<Ledger<A::Write>>,
    /// Held while a write is under way, so that writes are made one after the other.
    writing: tokio::sync::Mutex<()>,
}

impl<'a, A: Application> Execution<'a, A> {
    pub(crate) fn new(
        (engine, app, steps): (&'a Engine<A>, &'a A, &'a Steps<A>),
        ledger: Ledger<A::Write>,
        (deadline, last_chance): (Timestamp, bool),
        given_up: OnGivenUp<'a, A>,
    ) -> Self {
        let (ledger, writing) = (Mutex::new(ledger), tokio::sync::Mutex::new(()));
        Self {
            app,
            engine,
            steps,
            deadline,
            last_chance,
            given_up,
            ledger,
            writing,
        }
    }

    /// The ledger. Never held across an await.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger<A::Write>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.engine.environment.now()
    }

    /// When the last attempt of that phase must have ended.
    pub(crate) fn last_moment(&self, during: Phase) -> Timestamp {
        let margin = self.engine.config.deadline_margin;
        match during {
            Phase::Invoke if self.last_chance => self
                .deadline
                .minus(margin)
                .minus(self.engine.config.revert_reserve),
            Phase::Invoke | Phase::Compensate => self.deadline.minus(margin),
        }
    }

    /// Brings the journal up to the ledger, unless it is.
    pub(crate) async fn persist(&self) -> Result<(), Halted> {
        let _writing = self.writing.lock().await;
        let policy = self.engine.config.journal_retry;
        let mut attempt = 0;
        loop {
            if let Some(Halt::Found(_) | Halt::LeaseLost | Halt::Journal(_)) =
                self.ledger().halted()
            {
                return Err(Halted);
            }
            if !self.ledger().is_changed() {
                return Ok(());
            }
            let lease_until = self.deadline.plus(self.engine.config.lease_margin);
            let write = self.ledger().next_write(lease_until, self.now());
            let error = match self
                .engine
                .journal
                .commit(&write.run, write.expected, &write.writes)
                .await
            {
                Ok(committed) => match self.ledger().settle(&write, committed) {
                    Settled::Made => return Ok(()),
                    Settled::Again => continue,
                    Settled::Halted => return Err(Halted),
                },
                Err(error) => error,
            };
            attempt += 1;
            let wait = policy.backoff(attempt, &*self.engine.environment);
            if !error.is_transient()
                || attempt >= policy.attempts
                || self.now().plus(wait) >= self.deadline
            {
                self.ledger().halt(Halt::Journal(error));
                return Err(Halted);
            }
            warn!(error = %error, attempt, "journal write failed; trying again");
            self.engine.environment.sleep(wait).await;
        }
    }

    pub(crate) fn check(&self) -> Result<(), Halted> {
        if self.ledger().halted().is_some() {
            Err(Halted)
        } else {
            Ok(())
        }
    }

    pub(crate) fn fail(&self, step: &str, message: String) -> StepError {
        self.ledger().halt(Halt::Failed {
            step: step.to_owned(),
            message,
        });
        StepError::interrupted()
    }

    pub(crate) fn give_up(&self, step: &str, error: &StepError) -> StepError {
        if self.last_chance {
            return self.fail(step, given_up(error));
        }
        let (step, message, retry_after) = (step.to_owned(), error.chain(), error.retry_after());
        self.ledger().halt(Halt::Suspended {
            step,
            message,
            retry_after,
        });
        StepError::interrupted()
    }

    pub(crate) fn misfit(&self, reason: String) -> StepError {
        self.ledger().halt(Halt::Definition(reason));
        StepError::interrupted()
    }

    /// Keeps an error with the run.
    pub(crate) fn note_error(&self, step: &str, during: Phase, message: String) -> RunError {
        self.ledger().note_error(step, during, message, self.now())
    }
}
