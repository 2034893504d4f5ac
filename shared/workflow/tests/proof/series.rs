//! A series: two runs of one id, about the first and the second state of a thing, delivered in turns and cut everywhere.
//! Each is all or nothing by itself, and they are never mixed.

use std::{collections::BTreeMap, sync::Arc};

use workflow::{
    Engine, EngineError, Environment, Flow, GivenUp, Invocation, Journal, Outcome, Query, Run,
    RunId, RunState, StepError, Steps, Workflow,
};

use crate::{
    driver::{A_LONG_TIME, DELIVERIES, INVOCATION},
    program::{Act, Mark},
    sim::{Cut, Machine, Turn, Worker},
    world::{CutJournal, World},
};

/// Brings the thing to the state of that number, unless it has been there or is beyond it.
struct BringTo;

impl Workflow<World> for BringTo {
    const NAME: &'static str = "bring-to";
    const SERIAL: bool = true;
    type Input = u32;
    type Output = ();

    fn steps(&self) -> Steps<World> {
        Steps::new().with(Act)
    }

    fn given_up(&self, _: &World, state: &u32, _: &GivenUp<'_>) -> Option<String> {
        Some(format!("!given up {state}"))
    }

    fn taken_up(&self, _: &World, state: &u32) -> Option<String> {
        Some(format!("?given up {state}"))
    }

    async fn run(&self, flow: &Flow<'_, World>, state: &u32) -> Result<(), StepError> {
        let (reached, is_given_up) = flow.query(&Reached, state).await?;
        if reached >= *state {
            return flow.already_done();
        }
        if is_given_up {
            flow.alongside(format!("?given up {state}"));
        }
        flow.step(&Act, &format!("effect {state}")).await?;
        flow.step(&Mark, &format!("mark {state}")).await
    }
}

/// The latest state that is marked as reached, and whether that of the input is signed as given up.
struct Reached;

impl Query<World> for Reached {
    const NAME: &'static str = "reached";
    type Input = u32;
    type Output = (u32, bool);

    async fn fetch(&self, world: &World, state: &u32) -> Result<(u32, bool), StepError> {
        let standing = world.standing();
        let is_marked = |state: &u32| standing.contains_key(&format!("mark {state}"));
        // What is overtaken by the second state is as good as reached.
        let overtaken = u32::from(world.is_signed("second"));
        let reached = (1..=2).rev().find(is_marked).unwrap_or(overtaken);
        Ok((reached, world.is_signed(&format!("given up {state}"))))
    }
}

type Ended = Result<Outcome<()>, EngineError>;

struct Series {
    world: World,
    journal: Arc<CutJournal>,
    machine: Machine,
    id: RunId,
}

impl Series {
    fn new(plan: &[(usize, Cut)]) -> Self {
        let machine = Machine::new(plan);
        let world = World::new(machine.clone());
        let (journal, id) = (Arc::new(CutJournal::new(&world)), RunId::new("run"));
        Self {
            world,
            journal,
            machine,
            id,
        }
    }

    /// Delivers both messages, in turns, until both are settled; answers how each was.
    fn settle(&self) -> Result<BTreeMap<u32, RunState>, String> {
        let engine =
            Engine::new(self.journal.clone()).with_environment(Arc::new(self.machine.clone()));
        let (journal, id, machine) = (self.journal.clone(), self.id.clone(), self.machine.clone());
        self.machine.on_cancel(move || {
            let request = Journal::<String>::request_cancel(&*journal, &id, machine.now());
            futures::FutureExt::now_or_never(request).unwrap().unwrap();
        });
        let mut frozen: Vec<Worker<'_, Ended>> = Vec::new();
        let mut settled = BTreeMap::new();
        // The thing has its second state from when that is first announced.
        let mut latest = 1;
        for delivery in 0..DELIVERIES {
            if settled.len() == 2 {
                break;
            }
            let message: &'static u32 = if delivery % 2 == 0 { &1 } else { &2 };
            if settled.contains_key(message) {
                continue;
            }
            if *message == 2 {
                latest = 2;
                self.world.transact(&["!second".to_owned()]).unwrap();
            }
            let invocation = Invocation {
                deadline: Some(self.machine.now().plus(INVOCATION)),
                last_chance: false,
            };
            let run = engine.run(&BringTo, &self.world, &self.id, message, invocation);
            let mut worker: Worker<'_, Ended> = Box::pin(run);
            let turn = self.machine.turn(&mut worker);
            self.check_signs(latest)?;
            let state = match turn {
                Turn::Ended(Ok(Outcome::Done(()))) => RunState::Done,
                Turn::Ended(Ok(Outcome::Reverted { .. })) => RunState::Reverted,
                Turn::Ended(Ok(Outcome::Failed { .. })) => RunState::Failed,
                Turn::Ended(Err(error)) if !error.is_transient() => {
                    return Err(format!("error: {error}"));
                }
                Turn::Froze => {
                    frozen.push(worker);
                    self.machine.advance(A_LONG_TIME);
                    continue;
                }
                Turn::Ended(_) | Turn::Died => {
                    self.machine.advance(A_LONG_TIME);
                    continue;
                }
            };
            if state != RunState::Done && *message == latest && !self.is_signed(latest) {
                return Err(format!("{message} is given up, and not signed so"));
            }
            settled.insert(*message, state);
        }
        if settled.len() < 2 {
            return Err(format!("not settled after {DELIVERIES} deliveries"));
        }
        self.check(&settled)?;
        for mut worker in frozen {
            while let Turn::Froze = self.machine.turn(&mut worker) {}
            self.check_signs(latest)?;
            self.check(&settled)
                .map_err(|wrong| format!("after a frozen worker went on: {wrong}"))?;
        }
        Ok(settled)
    }

    fn recorded(&self) -> Option<Run> {
        let load = Journal::<String>::load(&*self.journal, &self.id);
        futures::FutureExt::now_or_never(load).unwrap().unwrap()
    }

    /// At no moment is a run open while the latest state is signed as given up: whoever dies, or stands still, in between.
    fn check_signs(&self, latest: u32) -> Result<(), String> {
        let Some(run) = self.recorded() else {
            return Ok(());
        };
        let is_open = !run.state.is_over() && run.state != RunState::Failed;
        if is_open && self.is_signed(latest) {
            Err(format!("{latest} is signed as given up, and open: {run:?}"))
        } else {
            Ok(())
        }
    }

    fn is_signed(&self, state: u32) -> bool {
        self.world.is_signed(&format!("given up {state}"))
    }

    fn check(&self, settled: &BTreeMap<u32, RunState>) -> Result<(), String> {
        let run = self.recorded().ok_or("nothing is recorded")?;
        if run.lease_until.is_some() || !(run.state.is_over() || run.state == RunState::Failed) {
            return Err(format!("the run is left open: {run:?}"));
        }
        let standing = self.world.standing();
        let count = |what: &str, state| standing.get(&format!("{what} {state}")).copied();
        for state in [1, 2] {
            let (effect, mark) = (count("effect", state), count("mark", state));
            let is_left_over = run
                .leftovers()
                .any(|step| step.input.as_str().contains(&state.to_string()));
            if effect != mark && !(mark.is_none() && is_left_over) {
                return Err(format!(
                    "of {state}: {effect:?} effects, {mark:?} marks: {run:?}"
                ));
            }
            if effect.is_some_and(|count| count > 1) {
                return Err(format!("the effect of {state} stands more than once"));
            }
        }
        if settled.get(&2) == Some(&RunState::Done) && count("mark", 2).is_none() {
            return Err("the second is done, and not marked so".to_owned());
        }
        Ok(())
    }
}

/// The cuts of which three are made.
const MOST_TELLING: [Cut; 5] = [
    Cut::DieBefore,
    Cut::DieAfter,
    Cut::LoseReply,
    Cut::FreezeBefore,
    Cut::RefuseAfter,
];

#[test]
fn whatever_is_cut_the_runs_of_a_series_are_all_or_nothing_each_and_one_after_the_other() {
    let (mut scenes, mut ends) = (0_usize, BTreeMap::<String, usize>::new());
    let mut play = |plan: &[(usize, Cut)]| {
        let series = Series::new(plan);
        let settled = series
            .settle()
            .unwrap_or_else(|wrong| panic!("with {plan:?}: {wrong}"));
        scenes += 1;
        *ends.entry(format!("{settled:?}")).or_default() += 1;
        series.machine.operations()
    };
    crate::without_planned_panics(|| {
        let operations = play(&[]);
        for first in 0..operations {
            for cut in Cut::ALL {
                let operations = play(&[(first, cut)]);
                for second in first + 1..operations {
                    for again in Cut::ALL {
                        let operations = play(&[(first, cut), (second, again)]);
                        if !MOST_TELLING.contains(&cut) || !MOST_TELLING.contains(&again) {
                            continue;
                        }
                        for third in second + 1..operations {
                            for once_more in MOST_TELLING {
                                play(&[(first, cut), (second, again), (third, once_more)]);
                            }
                        }
                    }
                }
            }
        }
    });
    println!("series: {scenes} scenes, settled {ends:?}");
    assert!(scenes > 10_000, "{scenes}");
    assert!(ends.len() >= 4, "they end in different ways: {ends:?}");
}
