//! What the promises are tested with: an engine on a machine, and steps that do as they are told.

pub(crate) use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

pub(crate) use futures::FutureExt;
pub(crate) use workflow::{
    AttemptEnd, Call, Effect, Engine, EngineConfig, EngineError, Environment, Flow, Invocation,
    Journal, Observer, Outcome, Phase, Query, RetryPolicy, Run, RunEvent, RunId, RunQuery,
    RunState, Step, StepError, StepResponse, StepResult, StepState, Steps, Timestamp, Workflow,
};

pub(crate) use crate::{
    driver::INVOCATION,
    program::{Act, Node, Program, act, mark, optional},
    sim::{Cut, Machine, Turn, Worker},
    world::{CutJournal, World},
};

/// One engine on one machine.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) world: World,
    pub(crate) journal: Arc<CutJournal>,
    pub(crate) engine: Engine<World>,
    pub(crate) observed: Arc<Observed>,
}

#[derive(Default)]
pub(crate) struct Observed(pub(crate) Mutex<Vec<String>>);

impl Observer for Observed {
    fn observe(&self, event: &RunEvent<'_>) {
        let told = match event {
            RunEvent::Attempt {
                step,
                during,
                ended,
                ..
            } => format!("{step} {during:?} {ended:?}"),
            RunEvent::Resumed { workflow } => format!("{workflow} resumed"),
            RunEvent::Ended { workflow, state } => format!("{workflow} {state}"),
            _ => "unknown".to_owned(),
        };
        self.0.lock().unwrap().push(told);
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
        let (journal, observed) = (
            Arc::new(CutJournal::new(&world)),
            Arc::<Observed>::default(),
        );
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
        Invocation {
            deadline: Some(self.machine.now().plus(INVOCATION)),
            last_chance: false,
        }
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
            Turn::Ended(ended) => ended,
            Turn::Died | Turn::Froze => panic!("the worker was cut"),
        }
    }

    /// Runs the pieces until the worker dies.
    pub(crate) fn play_until_death(&self, nodes: &[Node]) {
        let (program, id, input) = (Program(nodes.to_vec()), RunId::new("run"), String::new());
        let run = self
            .engine
            .run(&program, &self.world, &id, &input, self.invocation());
        let mut worker: Worker<'_, _> = Box::pin(run);
        assert!(matches!(self.machine.turn(&mut worker), Turn::Died));
    }

    pub(crate) fn play(&self, nodes: &[Node]) -> Outcome<Vec<String>> {
        self.deliver(&Program(nodes.to_vec()), &String::new())
            .unwrap()
    }

    pub(crate) fn cancel(&self, nodes: &[Node]) -> Option<Outcome<Vec<String>>> {
        let (program, id) = (Program(nodes.to_vec()), RunId::new("run"));
        let cancel = self
            .engine
            .cancel(&program, &self.world, &id, self.invocation());
        cancel.now_or_never().unwrap().unwrap()
    }

    pub(crate) fn run(&self) -> Run {
        self.recorded().unwrap()
    }

    pub(crate) fn recorded(&self) -> Option<Run> {
        let id = RunId::new("run");
        let load = Journal::<String>::load(&*self.journal, &id);
        load.now_or_never().unwrap().unwrap()
    }

    pub(crate) fn standing(&self) -> Vec<String> {
        self.world.standing().into_keys().collect()
    }

    pub(crate) fn observed(&self) -> Vec<String> {
        self.observed.0.lock().unwrap().clone()
    }
}

/// A step of a test: it does what it is told, and says what it was called with.
pub(crate) struct Told<F>(pub(crate) F);

impl<F> Step<World> for Told<F>
where
    F: Fn(&Call) -> Result<(), StepError> + Send + Sync + 'static,
{
    const NAME: &'static str = "told";
    const EFFECT: Effect = Effect::Kept;
    type Input = ();
    type Output = ();
    type Undo = ();

    async fn invoke(&self, _: &World, (): &(), call: &Call) -> StepResult<Self, World> {
        (self.0)(call).map(|()| StepResponse::new(()))
    }
}

pub(crate) struct OneStep<S>(pub(crate) S);

impl<S: Step<World, Input = (), Output = ()>> Workflow<World> for OneStep<S> {
    const NAME: &'static str = "one-step";
    type Input = ();
    type Output = ();

    fn steps(&self) -> Steps<World> {
        Steps::new()
    }

    async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
        flow.step(&self.0, &()).await
    }
}
