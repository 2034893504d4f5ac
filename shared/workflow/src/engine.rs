//! The engine: runs workflows, durably.

use std::{sync::Arc, time::Duration};

use tracing::{Instrument, info_span};

use crate::{
    Application, EngineConfig, EngineError, Environment, GivenUp, Journal, JournalError, Json,
    Observer, Phase, Run, RunError, RunId, RunPage, RunQuery, RunState, SystemEnvironment,
    Timestamp, Workflow,
    admission::Admission,
    conduct::End,
    execution::Execution,
    ledger::{Ledger, not_started},
    observer::Unobserved,
};

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
    ///
    /// Where the workflow is [serial](Workflow::SERIAL) and the run of that id has another input, that one is first taken
    /// to its end; if it does not come to one that it can be followed from, its outcome is the answer.
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
        // Without knowing of the run it is begun; only if that finds it begun before is there a second round, and only if
        // that is another one of the series a third and a fourth. One more would need the run to be ended and forgotten
        // in between.
        for _ in 0..5 {
            let now = self.environment.now();
            let (ledger, own_input) = match found.take() {
                None => {
                    let run =
                        not_started(id, W::NAME, W::VERSION, json.clone(), self.new_owner(), now);
                    let ledger = Ledger::fresh(run, self.config.retention);
                    if let Some(size) = ledger.oversize(&*self.journal) {
                        let (id, most) = (id.clone(), self.journal.max_size());
                        return Err(EngineError::TooLarge { id, size, most });
                    }
                    (Box::new(ledger), None)
                }
                Some(run) => match self.admit(workflow, app, *run, (input, &json), now)? {
                    Admission::Answer(outcome) => return Ok(outcome),
                    // A worker whose time is over must take nothing over, least of all begin a reverted run afresh: its
                    // message may be in other hands, and nobody would carry on.
                    Admission::GoOn(..) if now.plus(self.config.deadline_margin) >= deadline => {
                        return Ok(Outcome::Running { until: None });
                    }
                    Admission::GoOn(ledger, own_input) => (ledger, own_input),
                },
            };
            // Where a run before it in the series is reverted, what was asked for is not given up: it is begun then.
            let given_up = |given_up: &GivenUp<'_>| {
                let is_followed = own_input.is_some() && given_up.state == RunState::Reverted;
                (!is_followed).then(|| workflow.given_up(app, input, given_up))?
            };
            let input = own_input.as_ref().unwrap_or(input);
            let scope = (self, app, &steps);
            let until = (deadline, invocation.last_chance);
            let execution = Execution::new(scope, *ledger, until, &given_up);
            let conducted = execution.conduct(workflow, input);
            found = match conducted.await? {
                End::Found(run) => Some(run),
                End::Outcome(Outcome::Done(_) | Outcome::Reverted { .. })
                    if own_input.is_some() =>
                {
                    self.journal.load(id).await?.map(Box::new)
                }
                End::Outcome(outcome) => return Ok(outcome),
            };
        }
        Ok(Outcome::Running { until: None })
    }

    pub(crate) fn new_owner(&self) -> String {
        format!(
            "{:016x}{:016x}",
            self.environment.random(),
            self.environment.random()
        )
    }
}

pub(crate) fn json_error(id: &RunId, what: &'static str, error: &serde_json::Error) -> EngineError {
    EngineError::Json {
        id: id.clone(),
        what,
        message: error.to_string(),
    }
}

/// Why a run that was reverted, was.
pub(crate) fn cause(run: &Run) -> RunError {
    run.cause().cloned().unwrap_or_else(|| RunError {
        step: run.workflow.clone(),
        during: Phase::Invoke,
        message: "the run does not say why it was reverted".to_owned(),
        attempt: run.attempt,
        at: run.updated_at,
    })
}
