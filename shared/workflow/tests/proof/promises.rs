//! What the engine promises, one sentence each.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::FutureExt;
use workflow::{
    AttemptEnd, Call, Effect, Engine, EngineConfig, EngineError, Environment, Flow, Invocation,
    Journal, Observer, Outcome, Phase, Query, RetryPolicy, Run, RunEvent, RunId, RunQuery,
    RunState, Step, StepError, StepResponse, StepResult, StepState, Steps, Timestamp, Workflow,
};

use crate::{
    driver::INVOCATION,
    program::{Act, Node, Program, act, mark, optional},
    sim::{Cut, Machine, Turn, Worker},
    world::{CutJournal, World},
};

/// One engine on one machine.
struct Bench {
    machine: Machine,
    world: World,
    journal: Arc<CutJournal>,
    engine: Engine<World>,
    observed: Arc<Observed>,
}

#[derive(Default)]
struct Observed(Mutex<Vec<String>>);

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
    fn new(plan: &[(usize, Cut)]) -> Self {
        let machine = Machine::new(plan);
        Self::of(World::new(machine.clone()), machine)
    }

    /// A world in which an effect is always refused, after it has acted or before.
    fn refusing(effect: &str, acts: bool) -> Self {
        let machine = Machine::new(&[]);
        let mut world = World::new(machine.clone());
        world.refused.insert(effect.to_owned(), acts);
        Self::of(world, machine)
    }

    fn of(world: World, machine: Machine) -> Self {
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

    fn invocation(&self) -> Invocation {
        Invocation {
            deadline: Some(self.machine.now().plus(INVOCATION)),
            last_chance: false,
        }
    }

    fn deliver<W>(&self, workflow: &W, input: &W::Input) -> Result<Outcome<W::Output>, EngineError>
    where
        W: Workflow<World>,
    {
        self.deliver_in(workflow, input, self.invocation())
    }

    fn deliver_in<W>(
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
    fn play_until_death(&self, nodes: &[Node]) {
        let (program, id, input) = (Program(nodes.to_vec()), RunId::new("run"), String::new());
        let run = self
            .engine
            .run(&program, &self.world, &id, &input, self.invocation());
        let mut worker: Worker<'_, _> = Box::pin(run);
        assert!(matches!(self.machine.turn(&mut worker), Turn::Died));
    }

    fn play(&self, nodes: &[Node]) -> Outcome<Vec<String>> {
        self.deliver(&Program(nodes.to_vec()), &String::new())
            .unwrap()
    }

    fn cancel(&self, nodes: &[Node]) -> Option<Outcome<Vec<String>>> {
        let (program, id) = (Program(nodes.to_vec()), RunId::new("run"));
        let cancel = self
            .engine
            .cancel(&program, &self.world, &id, self.invocation());
        cancel.now_or_never().unwrap().unwrap()
    }

    fn run(&self) -> Run {
        self.recorded().unwrap()
    }

    fn recorded(&self) -> Option<Run> {
        let id = RunId::new("run");
        let load = Journal::<String>::load(&*self.journal, &id);
        load.now_or_never().unwrap().unwrap()
    }

    fn standing(&self) -> Vec<String> {
        self.world.standing().into_keys().collect()
    }

    fn observed(&self) -> Vec<String> {
        self.observed.0.lock().unwrap().clone()
    }
}

/// A step of a test: it does what it is told, and says what it was called with.
struct Told<F>(F);

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

struct OneStep<S>(S);

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

#[test]
fn a_run_that_is_done_answers_its_stored_output_and_nothing_is_done_again() {
    let bench = Bench::refusing("b", true);
    let nodes = [act("a"), optional("b")];
    let skipped = Outcome::Done(vec!["b".to_owned()]);
    assert_eq!(bench.play(&nodes), skipped);
    let operations = bench.machine.operations();
    assert_eq!(bench.play(&nodes), skipped);
    assert_eq!(
        bench.machine.operations(),
        operations + 1,
        "the attempt to begin it finds that it is done"
    );
}

#[test]
fn another_input_under_the_same_id_is_an_error_and_changes_nothing() {
    let bench = Bench::new(&[]);
    bench.play(&[act("a")]);
    let before = bench.run();
    let other = bench.deliver(&Program(vec![act("a")]), &"other".to_owned());
    assert!(
        matches!(other, Err(EngineError::Conflict { what: "input", .. })),
        "{other:?}"
    );
    let other = bench.deliver(&OneStep(Told(|_: &Call| Ok(()))), &());
    assert!(
        matches!(
            other,
            Err(EngineError::Conflict {
                what: "workflow",
                ..
            })
        ),
        "{other:?}"
    );
    assert_eq!(bench.run(), before);
}

#[test]
fn a_reverted_run_that_is_asked_for_again_is_begun_afresh_with_keys_of_its_own() {
    let machine = Machine::new(&[(1, Cut::RefuseAfter)]);
    let bench = Bench::of(World::new(machine.clone()), machine);
    assert!(matches!(bench.play(&[act("a")]), Outcome::Reverted { .. }));
    assert_eq!(bench.standing(), [""; 0]);
    assert_eq!(bench.play(&[act("a")]), Outcome::Done(Vec::new()));
    assert_eq!(bench.standing(), ["a"]);
    assert_eq!(bench.run().attempt, 2);
}

#[test]
fn the_cause_of_a_revert_is_kept_with_the_name_of_the_step() {
    let bench = Bench::refusing("b", false);
    let Outcome::Reverted { cause } = bench.play(&[act("a"), act("b"), act("c")]) else {
        panic!("not reverted")
    };
    assert_eq!(
        (cause.step.as_str(), cause.message.as_str()),
        ("b", "refused, as always")
    );
    let run = bench.run();
    assert_eq!(run.cause(), Some(&cause));
    let states: Vec<StepState> = run.steps.iter().map(|step| step.state).collect();
    assert_eq!(
        states,
        [StepState::Reverted, StepState::Reverted],
        "the one that failed as well"
    );
}

#[test]
fn steps_are_compensated_newest_first() {
    // The process dies after the first compensation.
    let machine = Machine::new(&[(6, Cut::DieAfter)]);
    let mut world = World::new(machine.clone());
    world.refused.insert("m".to_owned(), false);
    let bench = Bench::of(world, machine);
    bench.play_until_death(&[act("a"), act("b"), mark("m")]);
    assert_eq!(bench.standing(), ["a"]);
}

#[test]
fn a_compensation_that_fails_for_good_keeps_no_other_from_running_and_is_carried_on_with() {
    let machine = Machine::new(&[]);
    let mut world = World::new(machine.clone());
    world.refused.insert("c".to_owned(), true);
    world.stuck.insert("b".to_owned());
    let bench = Bench::of(world, machine);
    let nodes = [act("a"), act("b"), act("c")];
    let Outcome::Failed { cause, leftovers } = bench.play(&nodes) else {
        panic!("not failed")
    };
    assert_eq!(
        (cause.step.as_str(), leftovers),
        ("c", vec!["b".to_owned()])
    );
    assert_eq!(bench.standing(), ["b"]);
    let run = bench.run();
    let kept: Vec<(&str, Phase)> = run
        .errors
        .iter()
        .map(|error| (error.step.as_str(), error.during))
        .collect();
    assert_eq!(
        kept,
        [("c", Phase::Invoke), ("b", Phase::Compensate)],
        "every error is kept"
    );
    assert_eq!(run.expires_at, None, "a run that failed never expires");

    let mut world = bench.world.clone();
    world.stuck.clear();
    let id = RunId::new("run");
    let (program, input) = (Program(nodes.to_vec()), String::new());
    let again = bench
        .engine
        .run(&program, &world, &id, &input, bench.invocation());
    assert!(matches!(
        again.now_or_never().unwrap(),
        Ok(Outcome::Reverted { .. })
    ));
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn a_transient_error_is_retried_with_the_same_key() {
    let bench = Bench::new(&[]);
    let keys = Arc::<Mutex<Vec<(String, u32)>>>::default();
    let seen = Arc::clone(&keys);
    let step = Told(move |call: &Call| {
        let mut seen = seen.lock().unwrap();
        seen.push((call.idempotency_key.clone(), call.attempt));
        if seen.len() < 3 {
            Err(StepError::transient("not yet"))
        } else {
            Ok(())
        }
    });
    assert_eq!(
        bench.deliver(&OneStep(step), &()).unwrap(),
        Outcome::Done(())
    );
    let key = "run/1/told".to_owned();
    assert_eq!(
        *keys.lock().unwrap(),
        [(key.clone(), 1), (key.clone(), 2), (key, 3)]
    );
    let told = [
        "told Invoke FailedTransiently",
        "told Invoke FailedTransiently",
        "told Invoke Succeeded",
        "one-step done",
    ];
    assert_eq!(bench.observed(), told);
}

#[test]
fn when_the_attempts_are_used_up_the_run_is_suspended_and_the_next_delivery_goes_on() {
    let bench = Bench::new(&[(3, Cut::LoseReply), (4, Cut::LoseRequest)]);
    let nodes = [act("a"), act("b"), mark("m")];
    let Outcome::Suspended { cause, retry_after } = bench.play(&nodes) else {
        panic!("not suspended")
    };
    assert_eq!((cause.step.as_str(), retry_after), ("b", None));
    let run = bench.run();
    assert_eq!(
        (run.state, run.lease_until, run.expires_at),
        (RunState::Invoking, None, None)
    );
    assert_eq!(bench.play(&nodes), Outcome::Done(Vec::new()));
    let attempts: Vec<u32> = bench.run().steps.iter().map(|step| step.attempts).collect();
    assert_eq!(attempts, [1, 3, 1]);
    assert!(bench.observed().contains(&"program resumed".to_owned()));
}

#[test]
fn the_last_delivery_reverts_what_it_cannot_finish() {
    let bench = Bench::new(&[(1, Cut::LoseReply), (2, Cut::LoseReply)]);
    let invocation = Invocation {
        last_chance: true,
        ..bench.invocation()
    };
    let outcome = bench
        .deliver_in(&Program(vec![act("a")]), &String::new(), invocation)
        .unwrap();
    let Outcome::Reverted { cause } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(cause.message.contains("last delivery"), "{}", cause.message);
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn the_last_delivery_keeps_time_for_taking_things_back() {
    let bench = Bench::new(&[(1, Cut::HangAfter)]);
    let invocation = Invocation {
        deadline: Some(bench.machine.now().plus(Duration::from_secs(8))),
        last_chance: true,
    };
    let outcome = bench
        .deliver_in(&Program(vec![act("a")]), &String::new(), invocation)
        .unwrap();
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn a_journal_that_stays_away_ends_the_execution_after_a_few_attempts() {
    let bench = Bench::new(&[
        (0, Cut::LoseRequest),
        (1, Cut::LoseRequest),
        (2, Cut::LoseRequest),
    ]);
    let ended = bench.deliver(&Program(vec![act("a")]), &String::new());
    assert!(
        matches!(&ended, Err(error) if error.is_transient()),
        "{ended:?}"
    );
    assert_eq!(bench.machine.operations(), 3);
    assert_eq!(
        bench.standing(),
        [""; 0],
        "nothing is done without its intent on record"
    );
}

#[test]
fn a_wait_that_was_asked_for_is_kept_to_and_reported() {
    let bench = Bench::new(&[]);
    let asked = Duration::from_mins(10);
    let step = Told(move |_: &Call| Err(StepError::transient("busy").with_retry_after(asked)));
    let begun = bench.machine.now();
    let Outcome::Suspended { retry_after, .. } = bench.deliver(&OneStep(step), &()).unwrap() else {
        panic!("not suspended")
    };
    assert_eq!(retry_after, Some(asked));
    assert_eq!(bench.machine.now(), begun, "no time is waited for in vain");
}

#[test]
fn an_attempt_that_hangs_is_ended_and_its_outcome_counts_as_unknown() {
    let bench = Bench::new(&[(1, Cut::HangAfter)]);
    let begun = bench.machine.now();
    assert_eq!(bench.play(&[act("a")]), Outcome::Done(Vec::new()));
    assert!(begun.until(bench.machine.now()) >= RetryPolicy::default().timeout);
    assert_eq!(
        bench.world.standing().get("a"),
        Some(&1),
        "it was invoked again, with the same key"
    );
    assert_eq!(
        bench.observed().first().map(String::as_str),
        Some("act Invoke TimedOut")
    );
}

#[test]
fn near_the_deadline_the_run_is_suspended_with_its_lease_given_back() {
    let bench = Bench::new(&[(1, Cut::HangBefore)]);
    let deadline = bench.machine.now().plus(Duration::from_secs(4));
    let invocation = Invocation {
        deadline: Some(deadline),
        last_chance: false,
    };
    let outcome = bench
        .deliver_in(&Program(vec![act("a")]), &String::new(), invocation)
        .unwrap();
    assert!(matches!(outcome, Outcome::Suspended { .. }), "{outcome:?}");
    assert_eq!(
        bench.machine.now(),
        deadline.minus(EngineConfig::default().deadline_margin)
    );
    assert_eq!(bench.run().lease_until, None);
}

#[test]
fn while_it_is_worked_on_a_run_is_leased_until_shortly_after_the_deadline() {
    let bench = Bench::new(&[(1, Cut::DieBefore)]);
    let deadline = bench.machine.now().plus(INVOCATION);
    bench.play_until_death(&[act("a")]);
    let until = Some(deadline.plus(EngineConfig::default().lease_margin));
    assert_eq!(bench.run().lease_until, until);
    assert_eq!(bench.play(&[act("a")]), Outcome::Running { until });
}

#[test]
fn a_run_that_is_taken_over_is_leased_anew_before_anything_is_done() {
    // The first delivery is suspended after two attempts. The second finds the run, takes it over, and dies at its first effect.
    let bench = Bench::new(&[
        (1, Cut::LoseReply),
        (2, Cut::LoseReply),
        (6, Cut::DieBefore),
    ]);
    let nodes = [act("a")];
    assert!(matches!(bench.play(&nodes), Outcome::Suspended { .. }));
    let suspended = bench.run();
    bench.play_until_death(&nodes);
    let taken_over = bench.run();
    assert_eq!((suspended.epoch, suspended.lease_until), (1, None));
    assert_eq!(
        (taken_over.epoch, taken_over.sequence),
        (2, suspended.sequence + 1)
    );
    assert!(taken_over.lease_until.is_some());
    assert_ne!(taken_over.owner, suspended.owner);
}

#[test]
fn what_fails_for_good_outweighs_a_sibling_that_would_wait() {
    // a is suspended first; then b, which hung meanwhile, is refused.
    let machine = Machine::new(&[
        (1, Cut::LoseReply),
        (3, Cut::HangBefore),
        (4, Cut::LoseReply),
        (5, Cut::RefuseBefore),
    ]);
    let bench = Bench::of(World::new(machine.clone()), machine);
    let parallel = Node::Parallel(vec![vec![act("a")], vec![act("b")]]);
    let outcome = bench.play(&[parallel]);
    let Outcome::Reverted { cause } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(cause.step, "b");
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn nothing_is_written_before_the_first_effect_and_the_end_is_one_write() {
    // Begin with the intent of a, then a; the intent of b with the result of a, then b; the end with the mark.
    for (nodes, operations) in [
        (vec![act("a")], 3),
        (vec![act("a"), mark("m")], 3),
        (vec![act("a"), act("b"), mark("m")], 5),
        (vec![mark("m")], 1),
    ] {
        let bench = Bench::new(&[]);
        assert_eq!(bench.play(&nodes), Outcome::Done(Vec::new()));
        assert_eq!(bench.machine.operations(), operations, "{nodes:?}");
    }
}

/// Reads, and does nothing else.
struct Reading {
    answer: Result<(), StepError>,
    is_done: bool,
}

struct Ask(Result<(), StepError>);

impl Query<World> for Ask {
    const NAME: &'static str = "ask";
    type Input = ();
    type Output = ();

    async fn fetch(&self, _: &World, (): &()) -> Result<(), StepError> {
        self.0.clone()
    }
}

impl Workflow<World> for Reading {
    const NAME: &'static str = "reading";
    type Input = ();
    type Output = ();

    fn steps(&self) -> Steps<World> {
        Steps::new()
    }

    async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
        flow.query(&Ask(self.answer.clone()), &()).await?;
        if self.is_done {
            flow.already_done();
        }
        Ok(())
    }
}

#[test]
fn a_duplicate_that_reads_that_all_is_done_costs_no_write() {
    let bench = Bench::new(&[]);
    let reading = Reading {
        answer: Ok(()),
        is_done: true,
    };
    assert_eq!(bench.deliver(&reading, &()).unwrap(), Outcome::Done(()));
    assert_eq!(bench.machine.operations(), 0);
    assert_eq!(bench.recorded(), None);
}

#[test]
fn a_workflow_that_only_reads_is_recorded_as_done_all_the_same() {
    let bench = Bench::new(&[]);
    let reading = Reading {
        answer: Ok(()),
        is_done: false,
    };
    assert_eq!(bench.deliver(&reading, &()).unwrap(), Outcome::Done(()));
    assert_eq!(bench.run().state, RunState::Done);
}

#[test]
fn a_workflow_that_has_done_something_is_recorded_whatever_it_says_it_has_read() {
    struct Hasty;

    impl Workflow<World> for Hasty {
        const NAME: &'static str = "hasty";
        type Input = ();
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Act)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
            flow.already_done();
            flow.step_as("m", &crate::program::Mark, &"m".to_owned())
                .await
        }
    }

    let bench = Bench::new(&[]);
    assert_eq!(bench.deliver(&Hasty, &()).unwrap(), Outcome::Done(()));
    assert_eq!(bench.run().state, RunState::Done);
    assert_eq!(bench.standing(), ["m"]);
}

#[test]
fn a_read_that_fails_transiently_suspends_the_run_and_leaves_no_record() {
    let bench = Bench::new(&[]);
    let reading = Reading {
        answer: Err(StepError::transient("away")),
        is_done: false,
    };
    assert!(matches!(
        bench.deliver(&reading, &()).unwrap(),
        Outcome::Suspended { .. }
    ));
    assert_eq!(bench.recorded(), None);
}

#[test]
fn a_read_that_fails_for_good_is_recorded_as_the_cause() {
    let bench = Bench::new(&[]);
    let reading = Reading {
        answer: Err(StepError::permanent("not there")),
        is_done: false,
    };
    assert!(matches!(
        bench.deliver(&reading, &()).unwrap(),
        Outcome::Reverted { .. }
    ));
    assert_eq!(
        bench.run().cause().map(ToString::to_string),
        Some("ask: not there".to_owned())
    );
    assert_eq!(
        bench.machine.operations(),
        1,
        "there is nothing to take back"
    );
}

#[test]
fn siblings_come_to_an_end_before_anything_is_taken_back() {
    // b acts and never answers, while a is refused.
    let machine = Machine::new(&[(1, Cut::HangAfter)]);
    let mut world = World::new(machine.clone());
    world.refused.insert("a".to_owned(), true);
    let bench = Bench::of(world, machine);
    let begun = bench.machine.now();
    let parallel = Node::Parallel(vec![vec![act("b"), act("never")], vec![act("a")]]);
    assert!(matches!(bench.play(&[parallel]), Outcome::Reverted { .. }));
    assert!(
        begun.until(bench.machine.now()) >= RetryPolicy::default().timeout,
        "it was waited for b"
    );
    let run = bench.run();
    let step = |step: &workflow::StepRecord| (step.name.clone(), step.state, step.attempts);
    let steps: Vec<_> = run.steps.iter().map(step).collect();
    let reverted = |name: &str| (name.to_owned(), StepState::Reverted, 1);
    assert_eq!(
        steps,
        [reverted("b"), reverted("a")],
        "b is not tried again, and what would come after it is not begun"
    );
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn a_nested_workflow_has_a_run_id_of_its_own_and_is_reverted_with_its_parent() {
    let bench = Bench::refusing("last", false);
    let nested = Node::Nested("child".to_owned(), vec![act("a"), act("b")]);
    // The effects of a nested workflow bear its run id's path.
    assert!(matches!(
        bench.play(&[nested, act("last")]),
        Outcome::Reverted { .. }
    ));
    let names: Vec<String> = bench
        .run()
        .steps
        .into_iter()
        .map(|step| step.name)
        .collect();
    assert_eq!(names, ["child/a", "child/b", "last"]);
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn an_optional_step_that_fails_is_taken_back_and_the_run_goes_on() {
    let bench = Bench::refusing("b", true);
    assert_eq!(
        bench.play(&[act("a"), optional("b"), act("c")]),
        Outcome::Done(vec!["b".to_owned()])
    );
    assert_eq!(bench.standing(), ["a", "c"]);
    let run = bench.run();
    assert_eq!(
        run.steps.get(1).map(|step| step.state),
        Some(StepState::Skipped)
    );
    assert_eq!(
        run.errors.first().map(|error| error.step.as_str()),
        Some("b")
    );
}

#[test]
fn a_suspended_run_that_is_cancelled_is_reverted_and_not_begun_again() {
    let bench = Bench::new(&[(1, Cut::LoseReply), (2, Cut::LoseReply)]);
    let nodes = [act("a")];
    assert!(matches!(bench.play(&nodes), Outcome::Suspended { .. }));
    assert!(matches!(
        bench.cancel(&nodes),
        Some(Outcome::Reverted { .. })
    ));
    assert_eq!(bench.standing(), [""; 0]);
    assert!(
        matches!(bench.play(&nodes), Outcome::Reverted { .. }),
        "a late delivery changes nothing"
    );
    assert_eq!(bench.run().attempt, 1);
}

#[test]
fn a_run_that_is_cancelled_while_it_is_being_suspended_is_reverted_under_its_lease() {
    let plan = [
        (1, Cut::LoseReply),
        (2, Cut::LoseReply),
        (3, Cut::Cancel),
        (5, Cut::DieBefore),
    ];
    let bench = Bench::new(&plan);
    let journal = Arc::clone(&bench.journal);
    bench.machine.on_cancel(move || {
        let id = RunId::new("run");
        let request = Journal::<String>::request_cancel(&*journal, &id, Timestamp::from_millis(1));
        assert!(request.now_or_never().unwrap().unwrap().is_some());
    });
    bench.play_until_death(&[act("a")]);
    let run = bench.run();
    assert_eq!(run.state, RunState::Compensating);
    assert!(run.lease_until.is_some());
}

#[test]
fn a_run_that_is_over_is_not_cancelled() {
    let bench = Bench::new(&[]);
    assert_eq!(bench.cancel(&[act("a")]), None);
    bench.play(&[act("a")]);
    assert_eq!(bench.cancel(&[act("a")]), Some(Outcome::Done(Vec::new())));
    let bench = Bench::refusing("a", false);
    bench.play(&[act("a")]);
    assert!(matches!(
        bench.cancel(&[act("a")]),
        Some(Outcome::Reverted { .. })
    ));
    assert_eq!(bench.run().attempt, 1);
}

#[test]
fn runs_that_are_over_expire_after_the_retention_and_others_never() {
    let retention = EngineConfig::default().retention;
    let bench = Bench::new(&[]);
    bench.play(&[act("a")]);
    assert_eq!(
        bench.run().expires_at,
        Some(bench.machine.now().plus(retention))
    );
    let bench = Bench::refusing("a", false);
    bench.play(&[act("a")]);
    assert_eq!(
        bench.run().expires_at,
        Some(bench.machine.now().plus(retention))
    );
}

#[test]
fn a_resumed_run_that_does_not_fit_the_code_is_left_as_it_is() {
    let suspended = || {
        let bench = Bench::new(&[(3, Cut::LoseRequest), (4, Cut::LoseRequest)]);
        assert!(matches!(
            bench.play(&[act("a"), act("b")]),
            Outcome::Suspended { .. }
        ));
        bench
    };
    // A recorded step that the code does not call any more; and one that is another kind of step by now.
    for other in [vec![act("b")], vec![mark("a"), act("b")]] {
        let bench = suspended();
        let refused = bench.deliver(&Program(other.clone()), &String::new());
        assert!(
            matches!(refused, Err(EngineError::Definition { .. })),
            "{other:?}: {refused:?}"
        );
        let run = bench.run();
        assert_eq!(
            (run.state, run.lease_until),
            (RunState::Invoking, None),
            "{other:?}"
        );
        assert!(bench.standing().contains(&"a".to_owned()));
    }
}

#[test]
fn a_step_that_the_workflow_does_not_declare_is_refused_before_it_acts() {
    struct Undeclared;

    impl Workflow<World> for Undeclared {
        const NAME: &'static str = "undeclared";
        type Input = ();
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new()
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
            flow.step(&Act, &"a".to_owned()).await
        }
    }

    let bench = Bench::new(&[]);
    let Outcome::Reverted { cause } = bench.deliver(&Undeclared, &()).unwrap() else {
        panic!("not reverted")
    };
    assert!(
        cause
            .message
            .contains("not among those that the workflow declares"),
        "{}",
        cause.message
    );
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn a_name_that_is_used_twice_is_refused_before_the_step_acts() {
    let bench = Bench::new(&[]);
    let Outcome::Reverted { cause } = bench.play(&[act("a"), act("a")]) else {
        panic!("not reverted")
    };
    assert!(
        cause.message.contains("called already"),
        "{}",
        cause.message
    );
}

#[test]
fn a_run_whose_record_would_become_too_large_fails_before_the_step_acts() {
    let machine = Machine::new(&[]);
    let world = World::new(machine.clone());
    let mut journal = CutJournal::new(&world);
    journal.max_size = 50_000;
    let engine: Engine<World> =
        Engine::new(Arc::new(journal)).with_environment(Arc::new(machine.clone()));
    let program = Program(vec![act("a"), act(&"b".repeat(20_000))]);
    let (id, input) = (RunId::new("run"), String::new());
    let run = engine.run(&program, &world, &id, &input, Invocation::default());
    let Outcome::Reverted { cause } = run.now_or_never().unwrap().unwrap() else {
        panic!("not reverted")
    };
    assert!(
        cause.message.contains("of at most 50000 bytes"),
        "{}",
        cause.message
    );
    assert!(world.standing().is_empty());
}

#[test]
fn an_input_that_is_too_large_is_an_error_and_nothing_is_recorded() {
    let machine = Machine::new(&[]);
    let world = World::new(machine.clone());
    let mut journal = CutJournal::new(&world);
    journal.max_size = 50_000;
    let engine: Engine<World> =
        Engine::new(Arc::new(journal)).with_environment(Arc::new(machine.clone()));
    let (program, id, input) = (
        Program(vec![act("a")]),
        RunId::new("run"),
        "x".repeat(50_000),
    );
    let run = engine.run(&program, &world, &id, &input, Invocation::default());
    assert!(matches!(
        run.now_or_never().unwrap(),
        Err(EngineError::TooLarge { .. })
    ));
    assert_eq!(machine.operations(), 0);
}

#[test]
fn an_output_that_makes_the_record_too_large_reverts_the_run() {
    struct Verbose;

    impl Workflow<World> for Verbose {
        const NAME: &'static str = "verbose";
        type Input = ();
        type Output = String;

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Act)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<String, StepError> {
            flow.step(&Act, &"a".to_owned()).await?;
            Ok("x".repeat(50_000))
        }
    }

    let machine = Machine::new(&[]);
    let world = World::new(machine.clone());
    let mut journal = CutJournal::new(&world);
    journal.max_size = 50_000;
    let engine: Engine<World> = Engine::new(Arc::new(journal)).with_environment(Arc::new(machine));
    let id = RunId::new("run");
    let run = engine.run(&Verbose, &world, &id, &(), Invocation::default());
    assert!(matches!(
        run.now_or_never().unwrap(),
        Ok(Outcome::Reverted { .. })
    ));
    assert!(world.standing().is_empty());
}

#[test]
fn an_answer_that_makes_the_record_too_large_fails_the_step_and_takes_it_back() {
    struct Verbose;

    impl Step<World> for Verbose {
        const NAME: &'static str = "verbose";
        type Input = ();
        type Output = String;
        type Undo = ();

        async fn invoke(&self, world: &World, (): &(), call: &Call) -> StepResult<Self, World> {
            world.act("a", &call.idempotency_key).await?;
            Ok(StepResponse::new("x".repeat(50_000)))
        }

        async fn compensate(
            &self,
            world: &World,
            (): &(),
            _: Option<&()>,
            call: &Call,
        ) -> Result<(), StepError> {
            world.undo("a", &call.idempotency_key).await
        }
    }

    impl Workflow<World> for Verbose {
        const NAME: &'static str = "verbose";
        type Input = ();
        type Output = String;

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Self)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<String, StepError> {
            flow.step(self, &()).await
        }
    }

    let machine = Machine::new(&[]);
    let world = World::new(machine.clone());
    let mut journal = CutJournal::new(&world);
    journal.max_size = 50_000;
    let engine: Engine<World> = Engine::new(Arc::new(journal)).with_environment(Arc::new(machine));
    let id = RunId::new("run");
    let run = engine.run(&Verbose, &world, &id, &(), Invocation::default());
    assert!(matches!(
        run.now_or_never().unwrap(),
        Ok(Outcome::Reverted { .. })
    ));
    assert!(world.standing().is_empty());
}

#[test]
fn a_panic_is_the_failure_of_its_run_and_says_what_it_said() {
    let bench = Bench::new(&[(1, Cut::PanicBefore)]);
    let outcome = crate::without_planned_panics(|| bench.play(&[act("a")]));
    let Outcome::Reverted { cause } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(cause.message, "it panicked: as planned");
    assert!(
        bench
            .observed()
            .contains(&format!("act Invoke {:?}", AttemptEnd::FailedPermanently))
    );
}

#[test]
fn an_error_that_a_workflow_swallows_reverts_the_run_all_the_same() {
    struct Swallowing;

    impl Workflow<World> for Swallowing {
        const NAME: &'static str = "swallowing";
        type Input = ();
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Act)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
            let _ = flow.step_as("a", &Act, &"a".to_owned()).await;
            let _ = flow.step_as("b", &Act, &"b".to_owned()).await;
            Ok(())
        }
    }

    let bench = Bench::refusing("a", true);
    assert!(matches!(
        bench.deliver(&Swallowing, &()).unwrap(),
        Outcome::Reverted { .. }
    ));
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn runs_can_be_shown_and_listed() {
    let bench = Bench::new(&[]);
    bench.play(&[act("a")]);
    let shown = bench
        .engine
        .show(&RunId::new("run"))
        .now_or_never()
        .unwrap()
        .unwrap();
    assert_eq!(shown, Some(bench.run()));
    let query = RunQuery {
        state: Some(RunState::Done),
        ..RunQuery::default()
    };
    let page = bench.engine.list(&query).now_or_never().unwrap().unwrap();
    assert_eq!((page.runs, page.next), (vec![bench.run()], None));
    assert!(bench.run().created_at > Timestamp::default());
}
