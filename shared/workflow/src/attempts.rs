//! Attempts: something is tried as its policy says, each time within its limit, until the execution's last moment.

use std::{any::Any, panic::AssertUnwindSafe};

use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use tracing::{Instrument, info_span, warn};

use crate::{
    Application, AttemptEnd, Call, Phase, RetryPolicy, RunEvent, RunId, StepError, Timestamp,
    execution::Execution,
};

/// How the attempts at something came out.
#[derive(Debug)]
pub(crate) enum Tried<T> {
    Succeeded(T),
    /// It failed for good.
    Failed(String),
    /// The attempts, or the time, are used up.
    GaveUp(StepError),
}

/// What is tried: for spans, metrics and errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    /// The name within the run.
    pub(crate) name: &'a str,
    /// The declared step's name.
    pub(crate) step: &'a str,
    pub(crate) during: Phase,
    /// Its place in the ledger, where the attempts are counted; a query has none.
    pub(crate) index: Option<usize>,
}

impl<A: Application> Execution<'_, A> {
    /// Tries something as its policy says, until the phase's last moment.
    pub(crate) async fn attempts<'t, T>(
        &self,
        task: Task<'_>,
        policy: RetryPolicy,
        attempt: impl Fn(u32) -> BoxFuture<'t, Result<T, StepError>> + Send + Sync,
    ) -> Tried<T>
    where
        T: Send + 't,
    {
        let environment = &*self.engine.environment;
        let last_moment = self.last_moment(task.during);
        let mut made = 0;
        let mut failed = StepError::transient("no time is left in this invocation");
        loop {
            let started = self.now();
            if started >= last_moment {
                return Tried::GaveUp(failed);
            }
            made += 1;
            let number = task.index.map_or(made, |index| {
                self.ledger().count_attempt(index, task.during)
            });
            let limit = policy.timeout.min(started.until(last_moment));
            let span =
                info_span!("step", step = task.name, during = ?task.during, attempt = number);
            let work = AssertUnwindSafe(attempt(number))
                .catch_unwind()
                .instrument(span);
            let (ended, outcome) = match select(environment.sleep(limit), std::pin::pin!(work))
                .await
            {
                Either::Left(((), _)) => {
                    let message = format!(
                        "it took longer than {} ms, so its outcome is unknown",
                        limit.as_millis()
                    );
                    (AttemptEnd::TimedOut, Err(StepError::transient(message)))
                }
                Either::Right((Ok(Ok(output)), _)) => (AttemptEnd::Succeeded, Ok(output)),
                Either::Right((Ok(Err(error)), _)) if error.is_permanent() => {
                    (AttemptEnd::FailedPermanently, Err(error))
                }
                Either::Right((Ok(Err(error)), _)) => (AttemptEnd::FailedTransiently, Err(error)),
                Either::Right((Err(panic), _)) => {
                    let error =
                        StepError::permanent(format!("it panicked: {}", panic_message(&*panic)));
                    (AttemptEnd::FailedPermanently, Err(error))
                }
            };
            self.observe_attempt(task, ended, started);
            failed = match outcome {
                Ok(output) => return Tried::Succeeded(output),
                Err(error) => error,
            };
            warn!(step = task.name, during = ?task.during, attempt = number, error = failed.chain(), "attempt failed");
            if failed.is_permanent() {
                return Tried::Failed(failed.chain());
            }
            let backoff = policy.backoff(made, environment);
            let wait = failed
                .retry_after()
                .map_or(backoff, |asked| asked.max(backoff));
            // A step of a run that is failing is tried no more; a compensation is what then remains to be done.
            let failing = task.during == Phase::Invoke && self.ledger().is_failing();
            if made >= policy.attempts || failing || self.now().plus(wait) >= last_moment {
                return Tried::GaveUp(failed);
            }
            environment.sleep(wait).await;
        }
    }

    fn observe_attempt(&self, task: Task<'_>, ended: AttemptEnd, started: Timestamp) {
        let workflow = self.ledger().run().workflow.clone();
        let took = started.until(self.now());
        let Task { step, during, .. } = task;
        let event = RunEvent::Attempt {
            workflow: &workflow,
            step,
            during,
            ended,
            took,
        };
        self.engine.observer.observe(&event);
    }

    pub(crate) fn call(&self, run: &RunId, name: &str, attempt: u32, during: Phase) -> Call {
        let ledger = self.ledger();
        let effect = format!("{}/{}/{name}", ledger.run().id, ledger.run().attempt);
        let idempotency_key = match during {
            Phase::Invoke => effect,
            Phase::Compensate => effect + "/compensate",
        };
        let (run, step, now) = (run.clone(), name.to_owned(), self.now());
        Call {
            run,
            step,
            idempotency_key,
            attempt,
            now,
            deadline: self.last_moment(during),
        }
    }
}

/// Why a step failed that was given up in the last delivery.
pub(crate) fn given_up(error: &StepError) -> String {
    format!(
        "given up, since this was the last delivery: {}",
        error.chain()
    )
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
