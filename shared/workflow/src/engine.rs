//! The engine: runs workflows, durably.

use std::sync::Arc;

use tracing::{Instrument, info_span};

use crate::{
    Committed, EngineConfig, EngineError, Environment, Expected, Fence, Journal, JournalError,
    Json, Observer, Outcome, Phase, Run, RunError, RunEvent, RunId, RunState, SystemEnvironment,
    Timestamp, Workflow,
    attempts::NO_TIME,
    calls::Calls,
    conduct::{Conclusion, outcome},
    execution::{Execution, Runtime},
    ledger::Ledger,
    observer::NoObserver,
};

/// How many times an execution looks at a run again that another one changed at the same moment.
const ROUNDS: usize = 3;

/// What the engine must know about the invocation that it works in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Invocation {
    /// When the process, or its permission to work on this, ends. None: not known.
    pub deadline: Option<Timestamp>,
}

/// Runs workflows, durably: a run survives the process that works on it. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    runtime: Runtime,
}

impl Engine {
    /// An engine that keeps its runs in `journal`.
    pub fn new(journal: Arc<dyn Journal>) -> Self {
        let runtime = Runtime {
            journal,
            environment: Arc::new(SystemEnvironment),
            observer: Arc::new(NoObserver),
            config: EngineConfig::default(),
        };
        Self { runtime }
    }

    /// The same engine on another journal.
    #[must_use]
    pub fn with_journal(&self, journal: Arc<dyn Journal>) -> Self {
        let mut engine = self.clone();
        engine.runtime.journal = journal;
        engine
    }

    /// Takes time, sleep and randomness from there instead of from the system.
    #[must_use]
    pub fn with_environment(mut self, environment: Arc<dyn Environment>) -> Self {
        self.runtime.environment = environment;
        self
    }

    /// Reports to `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.runtime.observer = observer;
        self
    }

    /// Works with those settings.
    #[must_use]
    pub fn with_config(mut self, config: EngineConfig) -> Self {
        self.runtime.config = config;
        self
    }

    /// Runs a workflow under that id, or goes on with the run of that id from where it stands.
    ///
    /// | the run of that id | `run` |
    /// |---|---|
    /// | is not recorded | begins it |
    /// | is done, with the same input | answers its stored output |
    /// | is over otherwise | begins its next attempt; but one that was cancelled, with the same input, stays reverted |
    /// | is suspended | answers [`Suspended`](Outcome::Suspended) until it may go on, then resumes it |
    /// | has another worker | answers [`Leased`](Outcome::Leased) |
    /// | is paused | resumes it with a new time budget |
    /// | has failed | goes on undoing it |
    /// | is unfinished, with another input | answers [`EngineError::Conflict`] |
    ///
    /// After an error, the run's state is what the journal holds.
    pub async fn run<A, W>(
        &self,
        workflow: &W,
        app: &A,
        id: &RunId,
        input: &W::Input,
        invocation: Invocation,
    ) -> Result<Outcome<W::Output>, EngineError>
    where
        A: Send + Sync + 'static,
        W: Workflow<A>,
    {
        let json = Json::of(input).map_err(|error| json_error(id, &error))?;
        let found = self.runtime.journal.load(id).await?.map(Box::new);
        let request = Request {
            workflow,
            app,
            id,
            input,
            json,
            deadline: self.deadline(invocation),
            cancels: false,
        };
        self.execute(request, found).await
    }

    /// Cancels a run: it is reverted, and stays so. A run that is done stays done. None: there is no such run.
    ///
    /// Where another worker has the run, the request is recorded, and the answer is [`Outcome::Leased`]. That worker, or
    /// the next one, reverts the run:
    ///
    /// ```text
    /// worker:    load n ─► ... ─► write n + 1 (expects n) ─► refused: own token, but not its write ─► reverts the run
    /// canceller:  load n ─► write n + 1, with the request ─► made
    /// ```
    pub async fn cancel<A, W>(
        &self,
        workflow: &W,
        app: &A,
        id: &RunId,
        invocation: Invocation,
    ) -> Result<Option<Outcome<W::Output>>, EngineError>
    where
        A: Send + Sync + 'static,
        W: Workflow<A>,
    {
        let journal = &self.runtime.journal;
        let mut found = journal.load(id).await?.map(Box::new);
        for _ in 0..ROUNDS {
            let Some(mut run) = found else {
                return Ok(None);
            };
            if run.workflow != W::NAME {
                let (id, what) = (id.clone(), "workflow");
                return Err(EngineError::Conflict { id, what });
            }
            if run.state.is_over() {
                return outcome(&run).map(Some);
            }
            let now = self.runtime.environment.now();
            let until = run.lease_until.filter(|until| now < *until);
            let is_requested = run.cancel_requested_at.is_some();
            run.cancel_requested_at.get_or_insert(now);
            let Some(until) = until else {
                let json = run.input.clone();
                let input: W::Input = json.parse().map_err(|error| json_error(id, &error))?;
                let request = Request {
                    workflow,
                    app,
                    id,
                    input: &input,
                    json,
                    deadline: self.deadline(invocation),
                    cancels: true,
                };
                return self.execute(request, Some(run)).await.map(Some);
            };
            if is_requested {
                return Ok(Some(Outcome::Leased { until }));
            }
            let expected = Expected::At(Fence::of(&run));
            run.sequence = run.sequence.saturating_add(1);
            found = match journal.commit(&run, expected).await? {
                Committed::Applied => return Ok(Some(Outcome::Leased { until })),
                Committed::Conflict(found) => found,
            };
        }
        let until = self.runtime.environment.now();
        Ok(Some(Outcome::Leased { until }))
    }

    /// The run of that id.
    pub async fn show(&self, id: &RunId) -> Result<Option<Run>, JournalError> {
        self.runtime.journal.load(id).await
    }

    fn deadline(&self, invocation: Invocation) -> Timestamp {
        let default = || {
            self.runtime
                .environment
                .now()
                .plus(self.runtime.config.default_time)
        };
        invocation.deadline.unwrap_or_else(default)
    }

    async fn execute<A, W>(
        &self,
        request: Request<'_, A, W>,
        mut found: Option<Box<Run>>,
    ) -> Result<Outcome<W::Output>, EngineError>
    where
        A: Send + Sync + 'static,
        W: Workflow<A>,
    {
        let Request {
            workflow,
            app,
            id,
            input,
            deadline,
            ..
        } = request;
        let steps = workflow.steps();
        if let Some(name) = steps.clash() {
            let reason = format!("two steps are named {name}");
            let id = id.clone();
            return Err(EngineError::Definition { id, reason });
        }
        let span = info_span!("workflow", run = %id, workflow = W::NAME);
        let rounds = async {
            for _ in 0..ROUNDS {
                let ledger = match self.admit(&request, found)? {
                    Admission::Answer(outcome) => return Ok(outcome),
                    Admission::Execution(ledger) => *ledger,
                };
                let execution = Execution::new(&self.runtime, ledger, deadline);
                let calls = Calls::new(execution, app, &steps);
                found = match calls.conduct(workflow, input).await? {
                    Conclusion::Outcome(outcome) => return Ok(outcome),
                    Conclusion::Overtaken(found) => found,
                };
            }
            let until = self.runtime.environment.now();
            Ok(Outcome::Leased { until })
        };
        rounds.instrument(span).await
    }

    /// Whether the run is executed now, by what the journal holds.
    fn admit<A, W>(
        &self,
        request: &Request<'_, A, W>,
        found: Option<Box<Run>>,
    ) -> Result<Admission<W::Output>, EngineError>
    where
        A: Send + Sync + 'static,
        W: Workflow<A>,
    {
        let now = self.runtime.environment.now();
        let conflict = |what| {
            let id = request.id.clone();
            Err(EngineError::Conflict { id, what })
        };
        if let Some(run) = &found {
            let is_same_input = run.input.means_the_same_as(&request.json);
            let is_settled = run.state == RunState::Done || run.cancel_requested_at.is_some();
            if run.workflow != W::NAME {
                return conflict("workflow");
            }
            if run.state.is_over() && is_same_input && is_settled {
                return outcome(run).map(Admission::Answer);
            }
            if !run.state.is_over() {
                if !is_same_input {
                    return conflict("input");
                }
                let is_early = run.resume_at.is_some_and(|at| now < at) && !request.cancels;
                let is_leased = run.lease_until.is_some_and(|until| now < until);
                if is_early {
                    return outcome(run).map(Admission::Answer);
                }
                if let Some(until) = run.lease_until.filter(|_| is_leased) {
                    return Ok(Admission::Answer(Outcome::Leased { until }));
                }
                let drives = run.state == RunState::Invoking && run.cancel_requested_at.is_none();
                if drives && run.version != W::VERSION {
                    let (theirs, ours) = (run.version, W::VERSION);
                    let reason =
                        format!("version {theirs} of it began the run, and this is version {ours}");
                    let id = request.id.clone();
                    return Err(EngineError::Definition { id, reason });
                }
            }
        }
        // A worker whose time is over must begin nothing and take nothing over: it could not carry on.
        if now.plus(self.runtime.config.deadline_margin) >= request.deadline {
            let cause = RunError::new(W::NAME, Phase::Invoke, NO_TIME.to_owned(), now);
            return Ok(Admission::Answer(Outcome::Suspended { until: now, cause }));
        }
        let retention = self.runtime.config.retention;
        match found {
            Some(run) if !run.state.is_over() => {
                self.runtime
                    .observer
                    .observe(&RunEvent::Resumed { workflow: W::NAME });
                let is_on_purpose = run.paused_at.is_some() || run.state == RunState::Failed;
                let mut ledger =
                    Ledger::take_over(*run, self.runtime.environment.token(), retention);
                if is_on_purpose {
                    ledger.renew_budget(now);
                }
                Ok(Admission::Execution(Box::new(ledger)))
            }
            before => {
                let attempt = before.as_ref().map_or(0, |run| run.attempt);
                let fence = before.as_deref().map(Fence::of);
                let run = Run {
                    id: request.id.clone(),
                    workflow: W::NAME.to_owned(),
                    version: W::VERSION,
                    state: RunState::NotStarted,
                    attempt: attempt.saturating_add(1),
                    nonce: self.runtime.environment.token(),
                    owner: self.runtime.environment.token(),
                    input: request.json.clone(),
                    began_at: now,
                    ..Run::default()
                };
                let ledger = Ledger::begin(run, fence, retention);
                if let Some(size) = ledger.oversize(&*self.runtime.journal) {
                    let (id, most) = (request.id.clone(), self.runtime.journal.max_size());
                    return Err(EngineError::TooLarge { id, size, most });
                }
                Ok(Admission::Execution(Box::new(ledger)))
            }
        }
    }
}

/// What is asked of the engine.
struct Request<'a, A, W: Workflow<A>>
where
    A: Send + Sync + 'static,
{
    workflow: &'a W,
    app: &'a A,
    id: &'a RunId,
    input: &'a W::Input,
    json: Json,
    deadline: Timestamp,
    cancels: bool,
}

/// Whether a run is executed now.
enum Admission<T> {
    /// Not now: this is the answer.
    Answer(Outcome<T>),
    Execution(Box<Ledger>),
}

fn json_error(id: &RunId, error: &serde_json::Error) -> EngineError {
    EngineError::Json {
        id: id.clone(),
        what: "input",
        message: error.to_string(),
    }
}
