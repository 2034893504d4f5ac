//! Delivers a run's message until the run is settled, and judges what is left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use workflow::{
    Engine, EngineError, Environment, Invocation, Journal, Outcome, Run, RunId, RunState,
};

use crate::{
    program::Program,
    sim::{Machine, Turn, Worker},
    world::{CutJournal, World},
};

/// How long an invocation may take.
pub(crate) const INVOCATION: Duration = Duration::from_secs(30);
/// Longer than any lease.
pub(crate) const A_LONG_TIME: Duration = Duration::from_mins(1);
/// No run takes more deliveries than this, whatever is planned for it.
pub(crate) const DELIVERIES: u32 = 40;

type Ended = Result<Outcome<Vec<String>>, EngineError>;

pub(crate) struct Scene {
    pub(crate) program: Program,
    pub(crate) world: World,
    pub(crate) journal: Arc<CutJournal>,
    /// After that many deliveries there is no other, if that is limited.
    pub(crate) max_receives: Option<u32>,
    /// Before which delivery somebody asks for the run to be cancelled, if anybody does.
    pub(crate) cancelled: Option<u32>,
    was_cancelled: Arc<AtomicBool>,
    pub(crate) id: RunId,
}

impl Scene {
    pub(crate) fn new(program: Program, machine: &Machine) -> Self {
        let world = World::new(machine.clone());
        let journal = Arc::new(CutJournal::new(&world));
        Self {
            program,
            world,
            journal,
            max_receives: None,
            cancelled: None,
            was_cancelled: Arc::default(),
            id: RunId::new("run"),
        }
    }

    fn engine(&self) -> Engine<World> {
        Engine::new(self.journal.clone()).with_environment(Arc::new(self.world.machine.clone()))
    }

    /// The run's record.
    pub(crate) fn run(&self) -> Option<Run> {
        let load = Journal::<String>::load(&*self.journal, &self.id);
        futures::FutureExt::now_or_never(load).unwrap().unwrap()
    }

    /// Asks for the run to be cancelled, now.
    fn request_cancel(&self) -> impl FnOnce() + Send + 'static {
        let (journal, machine) = (Arc::clone(&self.journal), self.world.machine.clone());
        let (id, was_cancelled) = (self.id.clone(), Arc::clone(&self.was_cancelled));
        move || {
            let request = Journal::<String>::request_cancel(&*journal, &id, machine.now());
            let found = futures::FutureExt::now_or_never(request).unwrap().unwrap();
            let cancelled = found.is_some_and(|run| !run.state.is_over());
            was_cancelled.fetch_or(cancelled, Ordering::SeqCst);
        }
    }

    fn worker<'a>(&'a self, engine: &'a Engine<World>, delivery: u32) -> Worker<'a, Ended> {
        let deadline = Some(self.world.machine.now().plus(INVOCATION));
        let last_chance = self.max_receives.is_some_and(|most| delivery >= most);
        let invocation = Invocation {
            deadline,
            last_chance,
        };
        let input: &'static String = Box::leak(Box::default());
        Box::pin(engine.run(&self.program, &self.world, &self.id, input, invocation))
    }

    /// Delivers the message until the run is settled, with every worker that stands still going on in the end.
    pub(crate) fn settle(&self) -> Result<RunState, String> {
        let engine = self.engine();
        self.world.machine.on_cancel(self.request_cancel());
        let mut frozen = Vec::new();
        let mut delivery = 0;
        loop {
            delivery += 1;
            if delivery > DELIVERIES {
                return Err(format!(
                    "not settled after {DELIVERIES} deliveries: {:?}",
                    self.run()
                ));
            }
            if self.cancelled == Some(delivery) {
                self.request_cancel()();
            }
            let mut worker = self.worker(&engine, delivery);
            let ended = match self.world.machine.turn(&mut worker) {
                Turn::Ended(ended) => ended,
                Turn::Died => {
                    drop(worker);
                    self.world.machine.advance(A_LONG_TIME);
                    continue;
                }
                Turn::Froze => {
                    frozen.push(worker);
                    self.world.machine.advance(A_LONG_TIME);
                    continue;
                }
            };
            let (outcome, skipped) = match ended {
                Ok(Outcome::Done(skipped)) => (RunState::Done, skipped),
                Ok(Outcome::Reverted { .. }) => (RunState::Reverted, Vec::new()),
                Ok(Outcome::Failed { .. }) => (RunState::Failed, Vec::new()),
                // The message is delivered again, by when the lease of whoever is at it is over.
                Ok(Outcome::Suspended { .. } | Outcome::Running { .. }) => {
                    self.world.machine.advance(A_LONG_TIME);
                    continue;
                }
                Err(error) if error.is_transient() => {
                    self.world.machine.advance(A_LONG_TIME);
                    continue;
                }
                Err(error) => return Err(format!("error: {error}")),
            };
            self.finish(&mut frozen, outcome, &skipped)?;
            return Ok(self.run().ok_or("nothing is recorded")?.state);
        }
    }

    /// Checks that all is as the outcome says; then lets the workers that stood still go on, and checks again.
    fn finish(
        &self,
        frozen: &mut Vec<Worker<'_, Ended>>,
        outcome: RunState,
        skipped: &[String],
    ) -> Result<(), String> {
        self.check(outcome, skipped)?;
        for mut worker in frozen.drain(..) {
            // Whatever comes of it, it may change nothing.
            while let Turn::Froze = self.world.machine.turn(&mut worker) {}
            self.check(outcome, skipped)
                .map_err(|wrong| format!("after a frozen worker went on: {wrong}"))?;
        }
        Ok(())
    }

    fn check(&self, outcome: RunState, skipped: &[String]) -> Result<(), String> {
        let run = self.run().ok_or("nothing is recorded")?;
        if run.state != outcome {
            return Err(format!("answered {outcome}, recorded {}", run.state));
        }
        if self.was_cancelled.load(Ordering::SeqCst) && outcome == RunState::Done {
            return Err("a run that was cancelled is done".to_owned());
        }
        let standing = self.world.standing();
        let expected: Vec<String> = match outcome {
            RunState::Done => self.program.effects(),
            RunState::Failed => run.leftovers().map(|step| step.name.clone()).collect(),
            _ => Vec::new(),
        };
        for (name, count) in &standing {
            if !expected.contains(name) || skipped.contains(name) || *count != 1 {
                return Err(format!(
                    "{name} stands {count} times in a run that is {outcome}: {run:?}"
                ));
            }
        }
        let missing = expected
            .iter()
            .find(|name| !standing.contains_key(*name) && !skipped.contains(name));
        match missing {
            Some(name) if outcome == RunState::Done => {
                Err(format!("{name} does not stand in a run that is done"))
            }
            _ => Ok(()),
        }
    }
}
