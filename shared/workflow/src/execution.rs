//! One worker's execution of one run: the ledger, and the I/O that keeps the journal up to it.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use tracing::{Instrument, info_span, warn};

use crate::{
    Application, AttemptEnd, Call, Effect, Engine, Json, Phase, Query, RetryPolicy, RunError,
    RunEvent, RunId, Step, StepError, StepRecord, StepResponse, StepState, Steps, Timestamp,
    ledger::{Called, Entered, Halt, Ledger, Settled},
};

/// The run does not go on: the ledger's halt says why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Halted;

impl From<Halted> for StepError {
    fn from(_: Halted) -> Self {
        Self::interrupted()
    }
}

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

pub(crate) struct Execution<'a, A: Application> {
    pub(crate) app: &'a A,
    pub(crate) engine: &'a Engine<A>,
    pub(crate) steps: &'a Steps<A>,
    /// When the invocation ends.
    pub(crate) deadline: Timestamp,
    /// Whether there will be no further delivery: then the run is reverted where it would be suspended.
    pub(crate) last_chance: bool,
    ledger: Mutex<Ledger<A::Write>>,
    /// Held while a write is under way, so that writes are made one after the other.
    writing: tokio::sync::Mutex<()>,
}

impl<'a, A: Application> Execution<'a, A> {
    pub(crate) fn new(
        (engine, app, steps): (&'a Engine<A>, &'a A, &'a Steps<A>),
        ledger: Ledger<A::Write>,
        (deadline, last_chance): (Timestamp, bool),
    ) -> Self {
        let (ledger, writing) = (Mutex::new(ledger), tokio::sync::Mutex::new(()));
        Self {
            app,
            engine,
            steps,
            deadline,
            last_chance,
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

    fn check(&self) -> Result<(), Halted> {
        if self.ledger().halted().is_some() {
            Err(Halted)
        } else {
            Ok(())
        }
    }

    /// Reads.
    pub(crate) async fn query<Q: Query<A>>(
        &self,
        query: &Q,
        input: &Q::Input,
    ) -> Result<Q::Output, StepError> {
        self.check()?;
        let task = Task {
            name: Q::NAME,
            step: Q::NAME,
            during: Phase::Invoke,
            index: None,
        };
        let tried = self.attempts(task, query.retry_policy(), |_| {
            query.fetch(self.app, input).boxed()
        });
        match tried.await {
            Tried::Succeeded(output) => Ok(output),
            Tried::Failed(message) => Err(self.fail(Q::NAME, message)),
            Tried::GaveUp(error) => Err(self.give_up(Q::NAME, &error)),
        }
    }

    /// Calls a step: invokes it, unless it has answered before. None means that it was optional and is given up.
    pub(crate) async fn step<S: Step<A>>(
        &self,
        (name, run): (&str, &RunId),
        step: &S,
        given: &S::Input,
        optional: bool,
    ) -> Result<Option<S::Output>, StepError> {
        self.check()?;
        let compensated = S::EFFECT == Effect::Compensated;
        if compensated && self.steps.get(S::NAME).is_none() {
            return Err(self.fail(
                name,
                format!(
                    "step {} is not among those that the workflow declares",
                    S::NAME
                ),
            ));
        }
        let json = match Json::of(given) {
            Ok(json) => json,
            Err(error) => {
                return Err(self.fail(
                    name,
                    format!("its input cannot be written as JSON: {error}"),
                ));
            }
        };
        let called = Called {
            name,
            step: S::NAME,
            compensated,
            optional,
        };
        let entered = self
            .ledger()
            .enter(called, json.clone(), self.now(), &*self.engine.journal);
        let (index, recorded) = match entered {
            Entered::Invoke { index, input } => (index, input),
            Entered::Done(output) => return self.recorded(name, &output).map(Some),
            Entered::Skipped => return Ok(None),
            Entered::GivenUp { index } => return self.skip(index).await.map(|()| None),
            Entered::Failed => return Err(self.fail(name, "it failed for good before".to_owned())),
            Entered::TooLarge { size, most } => {
                let message =
                    format!("the record of the run would take {size} of at most {most} bytes");
                return Err(self.fail(name, message));
            }
            Entered::Repeated => {
                let message =
                    "a step of that name has been called already: give each its own with step_as";
                return Err(self.fail(name, message.to_owned()));
            }
            Entered::Misfit(reason) => return Err(self.misfit(reason)),
        };
        // What an earlier execution recorded may have acted already: it is what counts.
        let recorded: Option<S::Input> = if recorded == json {
            None
        } else {
            Some(self.recorded(name, &recorded)?)
        };
        let input = recorded.as_ref().unwrap_or(given);

        let is_recorded = self.ledger().is_recorded();
        let needs_intent = match S::EFFECT {
            Effect::Compensated => true,
            // It may act twice, but not beside another worker: the lease must stand first.
            Effect::Kept => !is_recorded,
            Effect::Journalled => false,
        };
        if needs_intent {
            self.persist().await?;
            self.check()?;
        }
        let task = Task {
            name,
            step: S::NAME,
            during: Phase::Invoke,
            index: Some(index),
        };
        let tried = self.attempts(task, step.retry_policy(), |attempt| {
            let call = self.call(run, name, attempt, Phase::Invoke);
            async move { step.invoke(self.app, input, &call).await }.boxed()
        });
        let failed = match tried.await {
            Tried::Succeeded(response) => match self.complete(index, response) {
                Ok(output) => return Ok(Some(output)),
                Err(message) => message,
            },
            Tried::Failed(message) => message,
            Tried::GaveUp(error) if self.last_chance => given_up(&error),
            Tried::GaveUp(error) => return Err(self.give_up(name, &error)),
        };
        self.ledger().set_step(index, StepState::Failed, self.now());
        if !optional {
            return Err(self.fail(name, failed));
        }
        self.ledger()
            .note_error(name, Phase::Invoke, failed, self.now());
        self.skip(index).await.map(|()| None)
    }

    /// Notes what a step has answered; or answers why that cannot be kept, which makes it a failure.
    fn complete<S: Step<A>>(
        &self,
        index: usize,
        response: StepResponse<S, A>,
    ) -> Result<S::Output, String> {
        let StepResponse {
            output,
            undo,
            writes,
        } = response;
        let undo = undo.as_ref().map(Json::of).transpose();
        let json = Json::of(&output).and_then(|output| Ok((output, undo?)));
        let json =
            json.map_err(|error| format!("its answer cannot be written as JSON: {error}"))?;
        let noted = self
            .ledger()
            .complete(index, json, writes, self.now(), &*self.engine.journal);
        match noted {
            Ok(()) => Ok(output),
            Err(size) => Err(format!(
                "with its answer, the record of the run would take {size} bytes"
            )),
        }
    }

    /// Goes on without an optional step that failed, once it is taken back.
    async fn skip(&self, index: usize) -> Result<(), StepError> {
        let compensated = self
            .ledger()
            .step(index)
            .is_some_and(|step| step.compensated);
        if compensated {
            // The journal must know that the step has failed before it is taken back: an execution that takes over
            // would invoke it again otherwise, with an idempotency key that has been used up.
            self.persist().await?;
            match self.compensate(index).await {
                Tried::Succeeded(()) => {}
                Tried::Failed(message) => {
                    let name = self
                        .step_record(index)
                        .map(|step| step.name)
                        .unwrap_or_default();
                    return Err(self.fail(&name, format!("it could not be taken back: {message}")));
                }
                Tried::GaveUp(error) => {
                    let name = self
                        .step_record(index)
                        .map(|step| step.name)
                        .unwrap_or_default();
                    return Err(self.give_up(&name, &error));
                }
            }
        }
        self.ledger()
            .set_step(index, StepState::Skipped, self.now());
        Ok(())
    }

    /// Takes a step back.
    pub(crate) async fn compensate(&self, index: usize) -> Tried<()> {
        let Some(record) = self.step_record(index) else {
            return Tried::Succeeded(());
        };
        let Some(compensation) = self.steps.get(&record.step) else {
            return Tried::Failed(format!(
                "step {} is not among those that the workflow declares",
                record.step
            ));
        };
        let StepRecord {
            name,
            step,
            input,
            undo,
            ..
        } = &record;
        let run = self.ledger().run().id.clone();
        let task = Task {
            name,
            step,
            during: Phase::Compensate,
            index: Some(index),
        };
        let tried = self.attempts(task, compensation.retry_policy(), |attempt| {
            let call = self.call(&run, name, attempt, Phase::Compensate);
            async move {
                compensation
                    .compensate(self.app, input, undo.as_ref(), &call)
                    .await
            }
            .boxed()
        });
        tried.await
    }

    fn step_record(&self, index: usize) -> Option<StepRecord> {
        self.ledger().step(index).cloned()
    }

    /// Tries something as its policy says, until the phase's last moment.
    async fn attempts<'t, T>(
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

    fn call(&self, run: &RunId, name: &str, attempt: u32, during: Phase) -> Call {
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

    /// What the run recorded, as a value of the code's type.
    fn recorded<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        json: &Json,
    ) -> Result<T, StepError> {
        json.parse().map_err(|error| {
            self.misfit(format!(
                "what is recorded of step {name} cannot be read: {error}"
            ))
        })
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

    fn misfit(&self, reason: String) -> StepError {
        self.ledger().halt(Halt::Definition(reason));
        StepError::interrupted()
    }

    /// Keeps an error with the run.
    pub(crate) fn note_error(&self, step: &str, during: Phase, message: String) -> RunError {
        self.ledger().note_error(step, during, message, self.now())
    }
}

fn given_up(error: &StepError) -> String {
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
