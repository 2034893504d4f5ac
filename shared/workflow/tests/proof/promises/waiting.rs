//! Durable timers, the time budget, and pauses.

use super::prelude::*;

/// The time that a suspension asks for.
fn suspended<T: std::fmt::Debug>(bench: &Bench, outcome: &Outcome<T>) -> Duration {
    let Outcome::Suspended { until, .. } = outcome else {
        panic!("not suspended: {outcome:?}")
    };
    bench.machine.now().until(*until)
}

#[test]
fn a_suspended_run_waits_longer_each_time_and_at_most_an_hour() {
    let bench = Bench::new(&[]);
    for (count, bound) in (1..).zip([1, 2, 4, 8, 16, 32, 60, 60, 60]) {
        let outcome = bench.deliver(&away(), &()).unwrap();
        let (wait, bound) = (suspended(&bench, &outcome), Duration::from_mins(bound));
        assert!(
            wait >= bound / 2 && wait <= bound,
            "{count}: {wait:?} of {bound:?}"
        );
        let run = bench.run();
        assert_eq!(run.suspensions, count);
        assert_eq!(run.resume_at, Some(bench.machine.now().plus(wait)));
        assert_eq!(run.lease_until, None, "every call was answered");
        bench.machine.advance(wait);
    }
}

#[test]
fn before_its_time_a_suspended_run_answers_so_and_does_nothing_else() {
    let bench = Bench::new(&[]);
    let first = bench.deliver(&away(), &()).unwrap();
    let wait = suspended(&bench, &first);
    let (before, operations) = (bench.run(), bench.machine.operations());
    let until = bench.machine.now().plus(wait);
    let early = until.minus(Duration::from_millis(1));
    bench.machine.advance_to(early);
    assert_eq!(bench.deliver(&away(), &()).unwrap(), first);
    assert_eq!(bench.run(), before);
    assert_eq!(bench.machine.operations(), operations);
    bench.machine.advance(Duration::from_millis(1));
    bench.deliver(&away(), &()).unwrap();
    assert_eq!(bench.run().suspensions, 2);
}

#[test]
fn a_wait_that_the_other_side_asks_for_is_kept_to() {
    let asked_for = Duration::from_mins(10);
    let bench = Bench::new(&[]);
    let busy = StepError::transient("busy").with_retry_after(asked_for);
    let outcome = bench.deliver(&Script::default().workflow(vec![Err(busy)]), &());
    assert_eq!(suspended(&bench, &outcome.unwrap()), asked_for);
}

#[test]
fn a_run_that_has_recorded_nothing_waits_as_well() {
    let bench = Bench::new(&[]);
    let reading = Reading(Err(StepError::transient("away")));
    for count in 1..=3 {
        let outcome = bench.deliver(&reading, &()).unwrap();
        let wait = suspended(&bench, &outcome);
        let run = bench.run();
        assert_eq!((run.suspensions, run.steps.len()), (count, 0));
        assert!(!run.may_have_acted());
        bench.machine.advance(wait);
    }
}

/// Reads, and does nothing else.
pub(crate) struct Reading(pub(crate) Result<(), StepError>);

pub(crate) struct Ask(Result<(), StepError>);

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
        flow.read(&Ask(self.0.clone()), &()).await
    }
}

#[test]
fn progress_does_not_reset_the_waits_and_a_new_attempt_of_the_run_does() {
    // Each invocation of b and c is busy twice; b goes on in between.
    let bench = Bench::new(&[
        (3, Cut::Busy),
        (5, Cut::Busy),
        (10, Cut::Busy),
        (12, Cut::Busy),
        (15, Cut::RefuseBefore),
    ]);
    let nodes = [act("a"), act("b"), act("c")];
    let first = bench.play(&nodes);
    bench.machine.advance(suspended(&bench, &first));
    let second = bench.play(&nodes);
    assert!(suspended(&bench, &second) >= Duration::from_mins(1));
    assert_eq!(bench.run().suspensions, 2);
    bench.machine.advance(suspended(&bench, &second));
    let third = bench.play(&nodes);
    assert!(matches!(third, Outcome::Reverted { .. }), "{third:?}");
    assert_eq!(bench.play(&nodes), Outcome::Done(Vec::new()));
    assert_eq!(bench.run().suspensions, 0);
}

/// Delivers until the run is paused; answers for how long it was tried.
fn until_paused(
    bench: &Bench,
    workflow: &impl Workflow<World, Input = (), Output = ()>,
) -> Duration {
    let began = bench.machine.now();
    loop {
        let tried = began.until(bench.machine.now());
        assert!(tried < Duration::from_hours(100), "not paused");
        match bench.deliver(workflow, &()).unwrap() {
            Outcome::Suspended { until, .. } | Outcome::Leased { until } => {
                bench.machine.advance_to(until);
            }
            Outcome::Paused { .. } => return began.until(bench.machine.now()),
            outcome => panic!("{outcome:?}"),
        }
    }
}

#[test]
fn a_run_that_fails_beyond_its_time_budget_is_paused_and_nothing_is_undone() {
    let bench = Bench::new(&[]);
    let budget = EngineConfig::default().time_budget;
    let tried = until_paused(&bench, &away());
    assert!(
        tried >= budget && tried <= budget + Duration::from_hours(1),
        "{tried:?}"
    );
    let run = bench.run();
    assert_eq!(run.state, RunState::Invoking);
    assert_eq!(run.paused_at, Some(bench.machine.now()));
    assert_eq!(
        (run.resume_at, run.lease_until, run.cause.clone()),
        (None, None, None)
    );
    assert!(run.may_have_acted(), "nothing is undone");
    assert_eq!(
        bench.observed().last().unwrap(),
        "one-step invoking, paused"
    );
}

#[test]
fn running_a_paused_run_resumes_it_with_a_new_budget_and_short_waits() {
    let bench = Bench::new(&[]);
    until_paused(&bench, &away());
    bench.machine.advance(Duration::from_hours(24 * 7));
    let resumed = bench.machine.now();
    let outcome = bench.deliver(&away(), &()).unwrap();
    assert!(suspended(&bench, &outcome) <= Duration::from_mins(1));
    let run = bench.run();
    assert_eq!(
        (run.suspensions, run.budget_began(), run.paused_at),
        (1, resumed, None)
    );
    bench.machine.advance(Duration::from_mins(1));
    let tried = until_paused(&bench, &away());
    assert!(tried >= Duration::from_hours(71), "{tried:?}");
    assert_eq!(
        bench
            .deliver(&Script::default().workflow(Vec::new()), &())
            .unwrap(),
        Outcome::Done(())
    );
}

#[test]
fn compensating_waits_and_is_paused_like_anything_else() {
    struct Away;

    impl Step<World> for Away {
        const NAME: &'static str = "away";
        type Input = ();
        type Output = ();
        type Undo = ();

        async fn invoke(&self, _: &World, (): &(), _: &Call) -> StepResult<Self, World> {
            Err(StepError::permanent("refused"))
        }

        async fn compensate(
            &self,
            _: &World,
            (): &(),
            _: Option<&()>,
            _: &Call,
        ) -> Result<(), StepError> {
            Err(StepError::transient("away"))
        }
    }

    impl Workflow<World> for Away {
        const NAME: &'static str = "away";
        type Input = ();
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Self)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
            flow.step(self, &()).await
        }
    }

    let bench = Bench::new(&[]);
    let tried = until_paused(&bench, &Away);
    assert!(tried >= EngineConfig::default().time_budget);
    let run = bench.run();
    assert_eq!(run.state, RunState::Compensating);
    assert_eq!(run.cause.unwrap().message, "refused");
    assert_eq!(run.errors.len(), Run::MAX_ERRORS);
    let outcome = bench.deliver(&Away, &()).unwrap();
    assert!(suspended(&bench, &outcome) <= Duration::from_mins(1));
}

#[test]
fn now_is_when_the_run_began_in_each_resumption() {
    struct Clock(Arc<Mutex<Vec<Timestamp>>>);

    impl Workflow<World> for Clock {
        const NAME: &'static str = "clock";
        type Input = ();
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Act)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
            self.0.lock().unwrap().push(flow.now());
            flow.step(&Act, &"a".to_owned()).await
        }
    }

    let bench = Bench::new(&[(1, Cut::Busy), (3, Cut::Busy)]);
    let (began, clock) = (bench.machine.now(), Clock(Arc::default()));
    let outcome = bench.deliver(&clock, &()).unwrap();
    bench.machine.advance(suspended(&bench, &outcome));
    assert_eq!(bench.deliver(&clock, &()).unwrap(), Outcome::Done(()));
    assert_eq!(*clock.0.lock().unwrap(), [began, began]);
}
