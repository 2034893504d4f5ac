//! Attempts: something is tried as its policy says, each time within its limit, until the execution's last moment.

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use tracing::{Instrument, info_span, warn};

use crate::{
    AttemptOutcome, Call, Phase, RetryPolicy, RunEvent, RunId, StepError,
    execution::{Execution, Halted},
};

/// The result of all attempts at something.
#[derive(Debug)]
pub(crate) enum CallOutcome<T> {
    Success(T),
    /// It failed for good.
    Failure(String),
    /// The attempts, or the time, are used up.
    Exhaustion(StepError),
    /// The run halted.
    Halt(Halted),
}

/// What is tried: for calls, spans, metrics and errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    /// The run; within a nested workflow, that workflow's own.
    pub(crate) run: &'a RunId,
    /// The name within the run.
    pub(crate) name: &'a str,
    /// The declared step's name.
    pub(crate) step: &'a str,
    pub(crate) during: Phase,
    /// The step's place in the ledger; a query has none.
    pub(crate) index: Option<usize>,
}

/// A call to the other side that is under way. Where it ends without an answer, also because its future is dropped, the
/// ledger learns that it may still take effect.
struct CallInFlight<'e, 'a> {
    execution: &'e Execution<'a>,
    key: &'e str,
    is_answered: bool,
}

impl Drop for CallInFlight<'_, '_> {
    fn drop(&mut self) {
        if !self.is_answered {
            let margin = self.execution.runtime.config.lease_margin;
            let until = self.execution.now().plus(margin);
            let key = self.key.to_owned();
            self.execution.ledger().note_unanswered(key, until);
        }
    }
}

impl Execution<'_> {
    /// Tries something as its policy says, until the last moment.
    ///
    /// A step's idempotency key stays while its calls are not answered, and moves on after an answered failure. The
    /// failure counts as answered only if no earlier call under the key could still act when this one was made:
    ///
    /// ```text
    /// we:         call a, key 0 ─► no answer ─► call a, key 0 ─► 503 ─────────► call a, key 1
    /// other side:               └────────────────────────────────────► key 0 acts, and key 1 acts once more
    /// ```
    pub(crate) async fn attempts<'t, T: Send + 't>(
        &self,
        task: Task<'_>,
        policy: RetryPolicy,
        attempt: impl Fn(Call) -> BoxFuture<'t, Result<T, StepError>> + Send + Sync,
    ) -> CallOutcome<T> {
        let last_moment = self.last_moment();
        let (mut made, mut last) = (0, StepError::transient(NO_TIME));
        loop {
            let started = self.now();
            if started >= last_moment {
                return CallOutcome::Exhaustion(last);
            }
            let limit = policy.timeout.min(started.until(last_moment));
            let call = self.call(task, made, limit);
            made += 1;
            let (number, key) = (call.attempt, call.idempotency_key.clone());
            let was_unsettled = call.unsettled_until.is_some();
            let span =
                info_span!("step", step = task.name, during = ?task.during, attempt = number);
            let (outcome, result) = self
                .attempt(task, attempt(call), &key, limit)
                .instrument(span)
                .await;
            self.observe_attempt(task, outcome, started.until(self.now()));
            let error = match result {
                Ok(output) => return CallOutcome::Success(output),
                Err(error) => error,
            };
            warn!(step = task.name, during = ?task.during, attempt = number, error = error.chain(), "attempt failed");
            // A step that failed for good is not invoked again; its compensation may be.
            let is_answered = match outcome {
                AttemptOutcome::PermanentFailure => task.during == Phase::Compensate,
                outcome => outcome == AttemptOutcome::TransientFailure,
            };
            let new_key = task.index.filter(|_| is_answered && !was_unsettled);
            if let Some(index) = new_key {
                self.ledger().advance_key(index, task.during);
            }
            if error.is_permanent() {
                return CallOutcome::Failure(error.chain());
            }
            let backoff = policy.backoff(made, &*self.runtime.environment);
            let asked_for = error.retry_after();
            let wait = asked_for.map_or(backoff, |asked_for| asked_for.max(backoff));
            // A step of a run that is failing is not retried; a compensation is what remains to be done then.
            let is_failing = task.during == Phase::Invoke && self.ledger().is_failing();
            if made >= policy.attempts || is_failing || self.now().plus(wait) >= last_moment {
                return CallOutcome::Exhaustion(error);
            }
            last = error;
            self.sleep(wait).await;
            if new_key.is_some()
                && let Err(halted) = self.record_key().await
            {
                return CallOutcome::Halt(halted);
            }
        }
    }

    /// A new key is another request: earlier ones must have settled, and it is recorded before it is used.
    async fn record_key(&self) -> Result<(), Halted> {
        self.settle_calls().await?;
        self.persist().await
    }

    /// Makes one attempt.
    async fn attempt<T>(
        &self,
        task: Task<'_>,
        work: BoxFuture<'_, Result<T, StepError>>,
        key: &str,
        limit: Duration,
    ) -> (AttemptOutcome, Result<T, StepError>) {
        let mut in_flight = CallInFlight {
            execution: self,
            key,
            is_answered: task.index.is_none(),
        };
        let work = AssertUnwindSafe(work).catch_unwind();
        match select(self.runtime.environment.sleep(limit), work).await {
            Either::Left(((), _)) => {
                let message = format!("no answer within {} ms", limit.as_millis());
                (AttemptOutcome::TimeOut, Err(StepError::unanswered(message)))
            }
            Either::Right((Ok(Err(error)), _)) if error.is_unanswered() => {
                (AttemptOutcome::Unanswered, Err(error))
            }
            Either::Right((Ok(result), _)) => {
                in_flight.is_answered = true;
                let outcome = match &result {
                    Ok(_) => AttemptOutcome::Success,
                    Err(error) if error.is_permanent() => AttemptOutcome::PermanentFailure,
                    Err(_) => AttemptOutcome::TransientFailure,
                };
                (outcome, result)
            }
            Either::Right((Err(panic), _)) => {
                let message = format!("it panicked: {}", panic_message(&*panic));
                (AttemptOutcome::Panic, Err(StepError::permanent(message)))
            }
        }
    }

    fn call(&self, task: Task<'_>, made: u32, limit: Duration) -> Call {
        let now = self.now();
        let mut ledger = self.ledger();
        let mut call = Call {
            run: task.run.clone(),
            step: task.name.to_owned(),
            idempotency_key: String::new(),
            invocation_keys: Vec::new(),
            unsettled_until: None,
            attempt: made.saturating_add(1),
            run_since: ledger.run().budget_began(),
            now,
            deadline: now.plus(limit),
        };
        if let Some(index) = task.index {
            call.attempt = ledger.attempt_number(index, task.during, made > 0);
            call.idempotency_key = ledger.idempotency_key(index, task.during);
            if task.during == Phase::Compensate {
                call.invocation_keys = ledger.invocation_keys(index);
            }
            call.unsettled_until = ledger.unsettled_until_of(&call.idempotency_key, now);
        }
        call
    }

    fn observe_attempt(&self, task: Task<'_>, outcome: AttemptOutcome, took: Duration) {
        let workflow = self.ledger().run().workflow.clone();
        self.runtime.observer.observe(&RunEvent::Attempt {
            workflow: &workflow,
            step: task.step,
            during: task.during,
            outcome,
            took,
        });
    }
}

/// The error where an invocation's time is used up.
pub(crate) const NO_TIME: &str = "no time is left in this invocation";

/// The message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
