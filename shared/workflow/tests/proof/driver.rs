//! Runs a workflow until it is settled, and judges what is left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use workflow::{
    Engine, EngineConfig, EngineError, Environment, Invocation, Journal, Outcome, Run, RunId,
    RunState,
};

use crate::{
    program::Program,
    sim::{Machine, Turn, Worker},
    world::{CutJournal, World, at_once},
};

/// How long an invocation may take.
pub(crate) const INVOCATION: Duration = Duration::from_secs(30);
/// No run takes more deliveries than this, whatever is planned for it.
const DELIVERIES: u32 = 60;

type Answer = Result<Option<Outcome<Vec<String>>>, EngineError>;

pub(crate) struct Scene {
    pub(crate) program: Program,
    pub(crate) world: World,
    pub(crate) journal: Arc<CutJournal>,
    pub(crate) config: EngineConfig,
    /// Which delivery cancels the run, if one does.
    pub(crate) cancelled: Option<u32>,
    /// Whether a run that was reverted is asked for once more.
    pub(crate) again: bool,
    was_cancelled: Arc<AtomicBool>,
    pub(crate) id: RunId,
}

impl Scene {
    pub(crate) fn new(program: Program, machine: &Machine) -> Self {
        Self {
            program,
            world: World::new(machine.clone()),
            journal: Arc::new(CutJournal::new(machine)),
            config: EngineConfig::default(),
            cancelled: None,
            again: false,
            was_cancelled: Arc::default(),
            id: RunId::new("run"),
        }
    }

    fn machine(&self) -> &Machine {
        &self.world.machine
    }

    /// The run's record.
    pub(crate) fn run(&self) -> Option<Run> {
        at_once(self.journal.inner.load(&self.id)).unwrap()
    }

    /// Cancels the run while a worker has it, in the midst of one of that worker's operations.
    fn cancel_leased(&self) -> impl FnOnce() + Send + 'static {
        let (inner, machine) = (Arc::clone(&self.journal.inner), self.machine().clone());
        let (id, was_cancelled) = (self.id.clone(), Arc::clone(&self.was_cancelled));
        let (program, world) = (self.program.clone(), self.world.clone());
        move || {
            let run = at_once(inner.load(&id)).unwrap();
            let is_leased = |run: Run| run.lease_until.is_some_and(|until| machine.now() < until);
            if run.is_some_and(is_leased) {
                let engine = Engine::new(inner).with_environment(Arc::new(machine));
                let cancel = engine.cancel(&program, &world, &id, Invocation::default());
                let answer = cancel.now_or_never().unwrap().unwrap();
                assert!(matches!(answer, Some(Outcome::Leased { .. })), "{answer:?}");
                was_cancelled.store(true, Ordering::SeqCst);
            }
        }
    }

    fn worker<'a>(&'a self, engine: &'a Engine, cancels: bool) -> Worker<'a, Answer> {
        let deadline = Some(self.machine().now().plus(INVOCATION));
        let invocation = Invocation { deadline };
        Box::pin(async move {
            let (input, world) = (String::new(), &self.world);
            if cancels {
                let cancel = engine.cancel(&self.program, world, &self.id, invocation);
                cancel.await
            } else {
                let run = engine.run(&self.program, world, &self.id, &input, invocation);
                run.await.map(Some)
            }
        })
    }

    /// Runs the workflow until it is settled, and lets every worker that stands still go on in the end.
    pub(crate) fn settle(&self) -> Result<RunState, String> {
        let engine = Engine::new(self.journal.clone())
            .with_environment(Arc::new(self.machine().clone()))
            .with_config(self.config.clone());
        self.machine().on_cancel(self.cancel_leased());
        let (mut frozen, mut again) = (Vec::new(), self.again);
        for delivery in 1..=DELIVERIES {
            let cancels = self.cancelled == Some(delivery);
            let mut worker = self.worker(&engine, cancels);
            let turn = self.machine().turn(&mut worker);
            self.check_record()?;
            let answer = match turn {
                Turn::End(answer) => answer,
                Turn::Death => continue,
                Turn::Freeze => {
                    frozen.push(worker);
                    self.machine().advance(INVOCATION);
                    continue;
                }
            };
            let (state, skipped) = match answer {
                Ok(Some(Outcome::Done(skipped))) => (RunState::Done, skipped),
                Ok(Some(Outcome::Reverted { .. })) => (RunState::Reverted, Vec::new()),
                Ok(Some(Outcome::Failed { .. })) => (RunState::Failed, Vec::new()),
                Ok(Some(Outcome::Suspended { until, .. } | Outcome::Leased { until })) => {
                    self.wait(&engine, until)?;
                    continue;
                }
                Ok(Some(Outcome::Paused { .. }) | None) => continue,
                Err(error) if error.is_transient() => continue,
                Err(error) => return Err(format!("error: {error}")),
            };
            let was_cancelled = self
                .run()
                .is_some_and(|run| run.cancel_requested_at.is_some());
            if cancels && !was_cancelled {
                // The run was over, and a worker that died may still begin it again.
                continue;
            }
            if state == RunState::Reverted && !was_cancelled && std::mem::take(&mut again) {
                self.check(state, &skipped)?;
                continue;
            }
            self.finish(&mut frozen, state, &skipped)?;
            return Ok(state);
        }
        let run = self.run();
        Err(format!(
            "not settled after {DELIVERIES} deliveries: {run:?}"
        ))
    }

    /// Waits until then. A worker that comes a moment too early does nothing.
    fn wait(&self, engine: &Engine, until: workflow::Timestamp) -> Result<(), String> {
        let early = until.minus(Duration::from_millis(1));
        if early > self.machine().now() {
            let before = self.run();
            self.machine().advance_to(early);
            if before != self.run() {
                // A write came late.
                return Ok(());
            }
            let operations = self.machine().operations();
            match self.machine().turn(&mut self.worker(engine, false)) {
                Turn::End(Ok(Some(Outcome::Suspended { .. } | Outcome::Leased { .. }))) => {}
                Turn::End(answer) => return Err(format!("too early, but answered {answer:?}")),
                Turn::Death | Turn::Freeze => return Err("too early, but cut".to_owned()),
            }
            if (operations, before) != (self.machine().operations(), self.run()) {
                return Err("a worker that came too early did something".to_owned());
            }
        }
        self.machine().advance_to(until);
        Ok(())
    }

    /// What holds at any time.
    fn check_record(&self) -> Result<(), String> {
        if let Some(violation) = self.world.violations().first() {
            return Err(format!("a key means two things: {violation}"));
        }
        let (mut standing, run) = (self.world.standing(), self.run());
        if run.as_ref().is_some_and(|run| run.attempt > 1) {
            // What nothing undoes may be of the attempt before.
            let mails = self.program.mails();
            standing.retain(|name, _| !mails.contains(name));
        }
        let may_have_acted = run.as_ref().is_some_and(Run::may_have_acted);
        if !standing.is_empty() && !may_have_acted {
            return Err(format!(
                "{standing:?} stands, and the record knows nothing: {run:?}"
            ));
        }
        let flag = run.is_some_and(|run| run.cancel_requested_at.is_some());
        if self.was_cancelled.load(Ordering::SeqCst) && !flag {
            return Err("a request to cancel was lost".to_owned());
        }
        Ok(())
    }

    /// Checks that all is as the outcome says; then lets the workers that stood still go on, and everything late happen,
    /// and checks again.
    fn finish(
        &self,
        frozen: &mut Vec<Worker<'_, Answer>>,
        outcome: RunState,
        skipped: &[String],
    ) -> Result<(), String> {
        self.check(outcome, skipped)?;
        for mut worker in frozen.drain(..) {
            while let Turn::Freeze = self.machine().turn(&mut worker) {}
            self.check(outcome, skipped)
                .map_err(|wrong| format!("after a frozen worker went on: {wrong}"))?;
        }
        self.machine().advance(Duration::from_hours(1));
        self.check(outcome, skipped)
            .map_err(|wrong| format!("after all that was late: {wrong}"))
    }

    fn check(&self, outcome: RunState, skipped: &[String]) -> Result<(), String> {
        self.check_record()?;
        let run = self.run().ok_or("nothing is recorded")?;
        if run.state != outcome {
            return Err(format!("answered {outcome}, recorded {}", run.state));
        }
        if run.cancel_requested_at.is_some() && outcome == RunState::Done {
            return Err("a run that was cancelled is done".to_owned());
        }
        let standing = self.world.standing();
        let (effects, mails) = (self.program.effects(), self.program.mails());
        let expected: Vec<String> = match outcome {
            RunState::Done => effects,
            RunState::Failed => run.leftovers().map(|step| step.name.clone()).collect(),
            _ => Vec::new(),
        };
        for (name, count) in &standing {
            let is_expected = expected.contains(name) && !skipped.contains(name);
            // Each attempt of a run may leave what nothing undoes.
            let is_left = mails.contains(name) && *count <= run.attempt;
            if !(is_left || is_expected && *count == 1) {
                return Err(format!(
                    "{name} stands {count} times in a run that is {outcome}: {run:?}"
                ));
            }
        }
        let is_missing = |name: &&String| !standing.contains_key(*name) && !skipped.contains(name);
        match expected.iter().find(is_missing) {
            Some(name) if outcome == RunState::Done => {
                Err(format!("{name} does not stand in a run that is done"))
            }
            _ => Ok(()),
        }
    }
}
