//! The engine: runs workflows, durably.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{Either, select},
};
use serde::{Serialize, de::DeserializeOwned};
use tracing::{Instrument, info, info_span, warn};

use crate::{
    Application, EngineError, Environment, Flow, Journal, JournalError, Json, Observer, Phase,
    RetryPolicy, Run, RunError, RunEvent, RunId, RunPage, RunQuery, RunState, StepError,
    SystemEnvironment, Timestamp, Workflow,
    execution::{Execution, Halted, panic_message},
    ledger::{Halt, Ledger, not_started},
    observer::Unobserved,
};

/// The engine's settings.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// How long a run that is over stays in the journal. A duplicate that comes later than that finds nothing,
    /// so it is to exceed the time that the queue keeps a message by far.
    pub retention: Duration,
    /// By how much a run's lease outlives the invocation's deadline. It covers the difference of two workers'
    /// clocks, and the time in which a request that was given up may still take effect.
    pub lease_margin: Duration,
    /// How long before the invocation's deadline the last attempt ends, so that what there is can still be recorded.
    pub deadline_margin: Duration,
    /// How much of the last delivery's time is kept for taking things back.
    pub revert_reserve: Duration,
    /// How long an invocation may take of which the deadline is not known.
    pub default_time: Duration,
    /// How a write to the journal is tried.
    pub journal_retry: RetryPolicy,
}

impl Default for EngineConfig {
    /// Records are kept for 30 days; leases outlive the deadline by 5 s; attempts end 1 s before it, and 5 s
    /// before that in the last delivery; an invocation without a deadline may take a minute.
    fn default() -> Self {
        Self {
            retention: Duration::from_hours(30 * 24),
            lease_margin: Duration::from_secs(5),
            deadline_margin: Duration::from_secs(1),
            revert_reserve: Duration::from_secs(5),
            default_time: Duration::from_mins(1),
            journal_retry: RetryPolicy::default(),
        }
    }
}

/// What the engine is to know of the invocation that it works in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Invocation {
    /// When the process, or its permission to work on this, ends. None: not known.
    pub deadline: Option<Timestamp>,
    /// Whether this is the last delivery: a run that cannot be finished is then reverted, not suspended.
    pub last_chance: bool,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It is done, now or since before.
    Done(T),
    /// It waits for the next delivery, with its progress kept.
    Suspended {
        /// What it waits for to be gone.
        cause: RunError,
        /// When the other side said to come back.
        retry_after: Option<Duration>,
    },
    /// Another worker is at it.
    Running {
        /// Until when that one holds its lease, if that is known.
        until: Option<Timestamp>,
    },
    /// It failed, and everything is taken back.
    Reverted {
        /// Why.
        cause: RunError,
    },
    /// It failed, and not everything could be taken back.
    Failed {
        /// Why it failed.
        cause: RunError,
        /// The names of the steps whose effect may stand.
        leftovers: Vec<String>,
    },
}

/// Runs workflows, durably: a run survives the process that works on it.
pub struct Engine<A: Application> {
    pub(crate) journal: Arc<dyn Journal<A::Write>>,
    pub(crate) environment: Arc<dyn Environment>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) config: EngineConfig,
}

/// Where an execution leads.
enum End<T> {
    Outcome(Outcome<T>),
    /// The run had been begun before: as it stands.
    Found(Box<Run>),
}

enum Admission<T, W> {
    Answer(Outcome<T>),
    GoOn(Box<Ledger<W>>),
}

impl<A: Application> Engine<A> {
    /// An engine that keeps its runs in `journal`.
    pub fn new(journal: Arc<dyn Journal<A::Write>>) -> Self {
        let environment = Arc::new(SystemEnvironment);
        Self {
            journal,
            environment,
            observer: Arc::new(Unobserved),
            config: EngineConfig::default(),
        }
    }

    /// Takes time, sleep and randomness from there instead of from the system.
    #[must_use]
    pub fn with_environment(mut self, environment: Arc<dyn Environment>) -> Self {
        self.environment = environment;
        self
    }

    /// Tells `observer` what happens.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Works with those settings.
    #[must_use]
    pub fn with_config(mut self, config: EngineConfig) -> Self {
        self.config = config;
        self
    }

    /// Runs a workflow under that id, or goes on with the run of that id from where it stands.
    ///
    /// A run that is done answers its stored output; one that was reverted is begun afresh (unless it was
    /// cancelled); one that failed goes on taking back. An error means that the run's state is what the journal holds.
    pub async fn run<W: Workflow<A>>(
        &self,
        workflow: &W,
        app: &A,
        id: &RunId,
        input: &W::Input,
        invocation: Invocation,
    ) -> Result<Outcome<W::Output>, EngineError> {
        let json = Json::of(input).map_err(|error| json_error(id, "input", &error))?;
        let span = info_span!("workflow", run = %id, workflow = W::NAME);
        self.execute(workflow, app, id, (input, json), invocation, None)
            .instrument(span)
            .await
    }

    /// Cancels a run: it is reverted. Where another worker is at it, that one is told, and reverts it at its next
    /// write; the answer is [`Outcome::Running`] then. A run that is done stays so. None where there is no such run.
    pub async fn cancel<W: Workflow<A>>(
        &self,
        workflow: &W,
        app: &A,
        id: &RunId,
        invocation: Invocation,
    ) -> Result<Option<Outcome<W::Output>>, EngineError> {
        let Some(run) = self
            .journal
            .request_cancel(id, self.environment.now())
            .await?
        else {
            return Ok(None);
        };
        if run.state == RunState::Reverted {
            return Ok(Some(Outcome::Reverted { cause: cause(&run) }));
        }
        let json = run.input.clone();
        let input: W::Input = json
            .parse()
            .map_err(|error| json_error(id, "input", &error))?;
        let span = info_span!("workflow", run = %id, workflow = W::NAME);
        let found = Some(Box::new(run));
        self.execute(workflow, app, id, (&input, json), invocation, found)
            .instrument(span)
            .await
            .map(Some)
    }

    /// The run of that id.
    pub async fn show(&self, id: &RunId) -> Result<Option<Run>, JournalError> {
        self.journal.load(id).await
    }

    /// A page of runs.
    pub async fn list(&self, query: &RunQuery) -> Result<RunPage, JournalError> {
        self.journal.list(query).await
    }

    async fn execute<W: Workflow<A>>(
        &self,
        workflow: &W,
        app: &A,
        id: &RunId,
        (input, json): (&W::Input, Json),
        invocation: Invocation,
        mut found: Option<Box<Run>>,
    ) -> Result<Outcome<W::Output>, EngineError> {
        let steps = workflow.steps();
        if let Some(name) = steps.clash() {
            let reason = format!("two steps are named {name}");
            return Err(EngineError::Definition {
                id: id.clone(),
                reason,
            });
        }
        let begun = self.environment.now();
        let deadline = invocation
            .deadline
            .unwrap_or_else(|| begun.plus(self.config.default_time));
        // Without knowing of the run it is begun; only if that finds it begun before is there a second round. A third
        // one would need the run to be ended and forgotten in between.
        for _ in 0..3 {
            let now = self.environment.now();
            let ledger = match found.take() {
                None => {
                    let run =
                        not_started(id, W::NAME, W::VERSION, json.clone(), self.new_owner(), now);
                    let ledger = Ledger::fresh(run, self.config.retention);
                    if let Some(size) = ledger.oversize(&*self.journal) {
                        let (id, most) = (id.clone(), self.journal.max_size());
                        return Err(EngineError::TooLarge { id, size, most });
                    }
                    Box::new(ledger)
                }
                Some(run) => match self.admit::<W>(*run, &json, now)? {
                    Admission::Answer(outcome) => return Ok(outcome),
                    // A worker whose time is over must take nothing over, least of all begin a reverted run afresh: its
                    // message may be in other hands, and nobody would carry on.
                    Admission::GoOn(_) if now.plus(self.config.deadline_margin) >= deadline => {
                        return Ok(Outcome::Running { until: None });
                    }
                    Admission::GoOn(ledger) => ledger,
                },
            };
            let scope = (self, app, &steps);
            let execution = Execution::new(scope, *ledger, (deadline, invocation.last_chance));
            match execution.conduct(workflow, input).await? {
                End::Outcome(outcome) => return Ok(outcome),
                End::Found(run) => found = Some(run),
            }
        }
        Ok(Outcome::Running { until: None })
    }

    /// What is to be done with a run that was begun before.
    fn admit<W: Workflow<A>>(
        &self,
        run: Run,
        input: &Json,
        now: Timestamp,
    ) -> Result<Admission<W::Output, A::Write>, EngineError> {
        let id = &run.id;
        let conflict = |what| {
            Err(EngineError::Conflict {
                id: id.clone(),
                what,
            })
        };
        if run.workflow != W::NAME {
            return conflict("workflow");
        }
        if !run.input.means_the_same_as(input) {
            return conflict("input");
        }
        if run.state == RunState::Done {
            return stored_output(&run).map(|output| Admission::Answer(Outcome::Done(output)));
        }
        if run.state == RunState::Reverted && run.cancel_requested_at.is_some() {
            return Ok(Admission::Answer(Outcome::Reverted { cause: cause(&run) }));
        }
        if run.lease_until.is_some_and(|until| now < until) {
            return Ok(Admission::Answer(Outcome::Running {
                until: run.lease_until,
            }));
        }
        if run.state == RunState::Invoking && run.version != W::VERSION {
            let reason = format!(
                "version {} of it began the run, and this is version {}",
                run.version,
                W::VERSION
            );
            return Err(EngineError::Definition {
                id: id.clone(),
                reason,
            });
        }
        let run = if run.state == RunState::Reverted {
            next_attempt::<A, W>(run)
        } else {
            run
        };
        self.observer
            .observe(&RunEvent::Resumed { workflow: W::NAME });
        let ledger = Ledger::taken_over(run, self.new_owner(), self.config.retention);
        Ok(Admission::GoOn(Box::new(ledger)))
    }

    fn new_owner(&self) -> String {
        format!(
            "{:016x}{:016x}",
            self.environment.random(),
            self.environment.random()
        )
    }
}

/// A run that was reverted, begun afresh. The attempt is part of the idempotency keys, since those of the attempt
/// before stand for effects that are gone.
fn next_attempt<A: Application, W: Workflow<A>>(run: Run) -> Run {
    Run {
        state: RunState::Invoking,
        version: W::VERSION,
        attempt: run.attempt.saturating_add(1),
        steps: Vec::new(),
        expires_at: None,
        ..run
    }
}

fn json_error(id: &RunId, what: &'static str, error: &serde_json::Error) -> EngineError {
    EngineError::Json {
        id: id.clone(),
        what,
        message: error.to_string(),
    }
}

fn stored_output<T: DeserializeOwned>(run: &Run) -> Result<T, EngineError> {
    let stored = run.output.as_ref().map_or("null", Json::as_str);
    serde_json::from_str(stored).map_err(|error| json_error(&run.id, "output", &error))
}

/// Why a run that was reverted, was.
fn cause(run: &Run) -> RunError {
    run.cause().cloned().unwrap_or_else(|| RunError {
        step: run.workflow.clone(),
        during: Phase::Invoke,
        message: "the run does not say why it was reverted".to_owned(),
        attempt: run.attempt,
        at: run.updated_at,
    })
}

impl<A: Application> Execution<'_, A> {
    /// Takes the run as far as it goes.
    async fn conduct<W: Workflow<A>>(
        &self,
        workflow: &W,
        input: &W::Input,
    ) -> Result<End<W::Output>, EngineError> {
        let is_taken_over = self.ledger().is_recorded();
        if is_taken_over && self.persist().await.is_err() {
            return self.halted().await;
        }
        let (state, is_cancelled) = {
            let ledger = self.ledger();
            (
                ledger.run().state,
                ledger.run().cancel_requested_at.is_some(),
            )
        };
        let end = match state {
            RunState::NotStarted | RunState::Invoking if is_cancelled => {
                self.ledger().halt(Halt::Cancelled);
                None
            }
            RunState::NotStarted | RunState::Invoking => match self.drive(workflow, input).await {
                Some(output) => self.finish(W::NAME, output).await,
                None => None,
            },
            _ => self.revert().await,
        };
        match end {
            Some(end) => Ok(end),
            None => self.halted().await,
        }
    }

    /// Runs the workflow; None if it halted.
    async fn drive<W: Workflow<A>>(&self, workflow: &W, input: &W::Input) -> Option<W::Output> {
        let flow = Flow::outermost(self);
        let work = AssertUnwindSafe(workflow.run(&flow, input)).catch_unwind();
        // Steps end by themselves at the last moment. This ends what a workflow awaits beside them.
        let grace = self.engine.config.deadline_margin / 2;
        let time = self
            .now()
            .until(self.last_moment(Phase::Invoke).plus(grace));
        let answered = match select(std::pin::pin!(work), self.engine.environment.sleep(time)).await
        {
            Either::Left((Ok(answered), _)) => answered,
            Either::Left((Err(panic), _)) => Err(StepError::permanent(format!(
                "it panicked: {}",
                panic_message(&*panic)
            ))),
            Either::Right(_) => Err(StepError::transient("no time is left in this invocation")),
        };
        if self.ledger().halted().is_some() {
            return None;
        }
        match answered {
            Ok(output) => return Some(output),
            Err(error) if error.is_permanent() => self.fail(W::NAME, error.chain()),
            Err(error) => self.give_up(W::NAME, &error),
        };
        None
    }

    /// Records that the run is done, together with what its last steps handed over; None if it halted.
    async fn finish<T: Serialize>(&self, workflow: &str, output: T) -> Option<End<T>> {
        let uncalled = self.ledger().uncalled().map(str::to_owned);
        if let Some(step) = uncalled {
            let reason = format!("it recorded step {step}, which was not called again");
            self.ledger().halt(Halt::Definition(reason));
            return None;
        }
        if self.ledger().is_done_before() {
            return Some(End::Outcome(Outcome::Done(output)));
        }
        let finished = match Json::of(&output) {
            Ok(json) => self
                .ledger()
                .finish(json, &*self.engine.journal)
                .map_err(|size| {
                    format!("with its output, the record of the run would take {size} bytes")
                }),
            Err(error) => Err(format!("its output cannot be written as JSON: {error}")),
        };
        if let Err(message) = finished {
            self.fail(workflow, message);
            return None;
        }
        self.persist().await.ok()?;
        self.ended();
        Some(End::Outcome(Outcome::Done(output)))
    }

    /// Goes on after a halt: reverts the run where it failed, gives its lease back where it waits, or stops.
    async fn halted<T>(&self) -> Result<End<T>, EngineError> {
        loop {
            let halt = self.ledger().take_halt();
            match halt {
                Some(Halt::Failed { step, message }) => {
                    self.note_error(&step, Phase::Invoke, message);
                    if let Some(end) = self.revert().await {
                        return Ok(end);
                    }
                }
                Some(Halt::Cancelled) => {
                    let workflow = self.ledger().run().workflow.clone();
                    self.note_error(&workflow, Phase::Invoke, "the run was cancelled".to_owned());
                    if let Some(end) = self.revert().await {
                        return Ok(end);
                    }
                }
                Some(Halt::Suspended {
                    step,
                    message,
                    retry_after,
                }) => {
                    let during = match self.ledger().run().state {
                        RunState::Compensating => Phase::Compensate,
                        _ => Phase::Invoke,
                    };
                    let cause = self.note_error(&step, during, message);
                    if self.give_back().await.is_ok() {
                        self.ended();
                        return Ok(End::Outcome(Outcome::Suspended { cause, retry_after }));
                    }
                }
                Some(Halt::Definition(reason)) => {
                    if self.give_back().await.is_ok() {
                        let id = self.ledger().run().id.clone();
                        return Err(EngineError::Definition { id, reason });
                    }
                }
                Some(Halt::Found(run)) => return Ok(End::Found(run)),
                Some(Halt::Journal(error)) => return Err(error.into()),
                Some(Halt::LeaseLost) | None => {
                    warn!("another worker has taken the run over");
                    return Ok(End::Outcome(Outcome::Running { until: None }));
                }
            }
        }
    }

    /// Reverts the run; None if it halted.
    async fn revert<T>(&self) -> Option<End<T>> {
        let state = self.unwind().await.ok()?;
        self.ended();
        let ledger = self.ledger();
        let cause = cause(ledger.run());
        Some(End::Outcome(match state {
            RunState::Failed => {
                let leftovers = ledger
                    .run()
                    .leftovers()
                    .map(|step| step.name.clone())
                    .collect();
                Outcome::Failed { cause, leftovers }
            }
            _ => Outcome::Reverted { cause },
        }))
    }

    /// Gives the lease back, with all progress recorded. Of a run that has not begun there is nothing to keep.
    async fn give_back(&self) -> Result<(), Halted> {
        let is_recorded = {
            let mut ledger = self.ledger();
            ledger.suspend();
            ledger.is_recorded()
        };
        if is_recorded {
            self.persist().await
        } else {
            Ok(())
        }
    }

    fn ended(&self) {
        let ledger = self.ledger();
        let run = ledger.run();
        let error = run
            .errors
            .last()
            .filter(|_| run.state != RunState::Done)
            .map(ToString::to_string);
        let (state, attempt, steps) = (run.state, run.attempt, run.steps.len());
        info!(%state, attempt, steps, error, "run ended: {state}");
        let event = RunEvent::Ended {
            workflow: &run.workflow,
            state: run.state,
        };
        self.engine.observer.observe(&event);
    }
}
