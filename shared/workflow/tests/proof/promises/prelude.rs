//! What the promises are tested with: an engine on a machine, and steps whose answers a test chooses.

pub(crate) use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

pub(crate) use futures::FutureExt;
pub(crate) use workflow::{
    AttemptOutcome, Call, Engine, EngineConfig, EngineError, Environment, Flow, Invocation,
    IrreversibleStep, Journal, Observer, Outcome, Phase, Query, RetryPolicy, Run, RunError,
    RunEvent, RunId, RunState, Step, StepError, StepResponse, StepResult, StepState, Steps,
    Timestamp, Workflow,
};

pub(crate) use crate::{
    driver::INVOCATION,
    program::{Act, Node, Program, act, mail, optional},
    sim::{Cut, Machine, Turn, Worker},
    world::{CutJournal, World, at_once},
};

/// One engine on one machine.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) world: World,
    pub(crate) journal: Arc<CutJournal>,
    pub(crate) engine: Engine,
    pub(crate) observed: Arc<Observed>,
}

#[derive(Default)]
pub(crate) struct Observed(pub(crate) Mutex<Vec<String>>);

impl Observer for Observed {
    fn observe(&self, event: &RunEvent<'_>) {
        let text = match event {
            RunEvent::Attempt {
                step,
                during,
                outcome,
                ..
            } => format!("{step} {during:?} {outcome:?}"),
            RunEvent::Resumed { workflow } => format!("{workflow} resumed"),
            RunEvent::Ended {
                workflow,
                state,
                suspended,
                paused,
            } => {
                let waits = if *suspended { ", suspended" } else { "" };
                let paused = if *paused { ", paused" } else { "" };
                format!("{workflow} {state}{waits}{paused}")
            }
            _ => "unknown".to_owned(),
        };
        self.0.lock().unwrap().push(text);
    }
}

impl Bench {
    pub(crate) fn new(plan: &[(usize, Cut)]) -> Self {
        let machine = Machine::new(plan);
        Self::of(World::new(machine.clone()), machine)
    }

    /// A world in which an effect is always refused, after it has acted or before.
    pub(crate) fn refusing(effect: &str, acts: bool) -> Self {
        let machine = Machine::new(&[]);
        let mut world = World::new(machine.clone());
        world.refused.insert(effect.to_owned(), acts);
        Self::of(world, machine)
    }

    pub(crate) fn of(world: World, machine: Machine) -> Self {
        let journal = CutJournal::new(&machine);
        Self::on(journal, world, machine)
    }

    pub(crate) fn on(journal: CutJournal, world: World, machine: Machine) -> Self {
        let (journal, observed) = (Arc::new(journal), Arc::<Observed>::default());
        let engine = Engine::new(journal.clone())
            .with_environment(Arc::new(machine.clone()))
            .with_observer(observed.clone());
        Self {
            machine,
            world,
            journal,
            engine,
            observed,
        }
    }

    pub(crate) fn invocation(&self) -> Invocation {
        self.invocation_of(INVOCATION)
    }

    pub(crate) fn invocation_of(&self, time: Duration) -> Invocation {
        let deadline = Some(self.machine.now().plus(time));
        Invocation { deadline }
    }

    pub(crate) fn deliver<W>(
        &self,
        workflow: &W,
        input: &W::Input,
    ) -> Result<Outcome<W::Output>, EngineError>
    where
        W: Workflow<World>,
    {
        self.deliver_in(workflow, input, self.invocation())
    }

    pub(crate) fn deliver_in<W>(
        &self,
        workflow: &W,
        input: &W::Input,
        invocation: Invocation,
    ) -> Result<Outcome<W::Output>, EngineError>
    where
        W: Workflow<World>,
    {
        let id = RunId::new("run");
        let run = self
            .engine
            .run(workflow, &self.world, &id, input, invocation);
        let mut worker: Worker<'_, _> = Box::pin(run);
        match self.machine.turn(&mut worker) {
            Turn::End(answer) => answer,
            Turn::Death | Turn::Freeze => panic!("the worker was cut"),
        }
    }

    /// Runs the pieces until the worker dies.
    pub(crate) fn play_until_death(&self, nodes: &[Node]) {
        let (program, id, input) = (Program(nodes.to_vec()), RunId::new("run"), String::new());
        let run = self
            .engine
            .run(&program, &self.world, &id, &input, self.invocation());
        let mut worker: Worker<'_, _> = Box::pin(run);
        assert!(matches!(self.machine.turn(&mut worker), Turn::Death));
    }

    pub(crate) fn play(&self, nodes: &[Node]) -> Outcome<Vec<String>> {
        self.deliver(&Program(nodes.to_vec()), &String::new())
            .unwrap()
    }

    /// Runs the pieces, waiting as long as the run is suspended or leased.
    pub(crate) fn play_to_the_end(&self, nodes: &[Node]) -> Outcome<Vec<String>> {
        loop {
            match self.play(nodes) {
                Outcome::Suspended { until, .. } | Outcome::Leased { until } => {
                    self.machine.advance_to(until);
                }
                outcome => return outcome,
            }
        }
    }

    pub(crate) fn cancel(&self, nodes: &[Node]) -> Option<Outcome<Vec<String>>> {
        let (program, id) = (Program(nodes.to_vec()), RunId::new("run"));
        let cancel = self
            .engine
            .cancel(&program, &self.world, &id, self.invocation());
        let mut worker: Worker<'_, _> = Box::pin(cancel);
        match self.machine.turn(&mut worker) {
            Turn::End(answer) => answer.unwrap(),
            Turn::Death | Turn::Freeze => panic!("the canceller was cut"),
        }
    }

    pub(crate) fn run(&self) -> Run {
        self.recorded().unwrap()
    }

    pub(crate) fn recorded(&self) -> Option<Run> {
        at_once(self.journal.inner.load(&RunId::new("run"))).unwrap()
    }

    pub(crate) fn standing(&self) -> Vec<String> {
        self.world.standing().into_keys().collect()
    }

    pub(crate) fn observed(&self) -> Vec<String> {
        self.observed.0.lock().unwrap().clone()
    }
}

/// An irreversible step whose answer is the test's.
pub(crate) struct Scripted<F>(pub(crate) F);

impl<F> IrreversibleStep<World> for Scripted<F>
where
    F: Fn(&Call) -> Result<(), StepError> + Send + Sync + 'static,
{
    const NAME: &'static str = "scripted";
    type Input = ();
    type Output = ();

    async fn invoke(&self, _: &World, (): &(), call: &Call) -> Result<(), StepError> {
        (self.0)(call)
    }
}

/// A workflow of one irreversible step.
pub(crate) struct OneStep<S>(pub(crate) S);

impl<S: IrreversibleStep<World, Input = (), Output = ()>> Workflow<World> for OneStep<S> {
    const NAME: &'static str = "one-step";
    type Input = ();
    type Output = ();

    fn steps(&self) -> Steps<World> {
        Steps::new()
    }

    async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
        flow.irreversible_step(&self.0, &()).await
    }
}

/// What the scripted step of a test was called with.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) calls: Arc<Mutex<Vec<Call>>>,
}

impl Script {
    /// A workflow of one step that answers these, one after the other, and then succeeds.
    pub(crate) fn workflow(
        &self,
        answers: Vec<Result<(), StepError>>,
    ) -> OneStep<Scripted<impl Fn(&Call) -> Result<(), StepError> + Send + Sync + 'static>> {
        let calls = Arc::clone(&self.calls);
        OneStep(Scripted(move |call: &Call| {
            let mut calls = calls.lock().unwrap();
            calls.push(call.clone());
            answers.get(calls.len() - 1).cloned().unwrap_or(Ok(()))
        }))
    }

    /// The number that ends each call's key.
    pub(crate) fn keys(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        let key = |call: &Call| call.idempotency_key.rsplit('/').next().unwrap().to_owned();
        calls.iter().map(key).collect()
    }
}

/// A step that always fails transiently.
pub(crate) fn away() -> OneStep<Scripted<impl Fn(&Call) -> Result<(), StepError>>> {
    OneStep(Scripted(|_: &Call| Err(StepError::transient("away"))))
}
