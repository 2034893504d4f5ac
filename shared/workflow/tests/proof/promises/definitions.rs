//! Code that does not fit what is recorded, or itself.

use super::prelude::*;

#[test]
fn a_resumed_run_that_does_not_fit_the_code_is_left_as_it_is() {
    // A recorded step that the code does not call any more; and one that is another kind of step by now.
    for other in [vec![act("b")], vec![mail("a"), act("b")]] {
        let bench = Bench::new(&[(3, Cut::Busy), (5, Cut::Busy)]);
        let Outcome::Suspended { until, .. } = bench.play(&[act("a"), act("b")]) else {
            panic!("not suspended")
        };
        bench.machine.advance_to(until);
        let refused = bench.deliver(&Program(other.clone()), &String::new());
        assert!(
            matches!(refused, Err(EngineError::Definition { .. })),
            "{other:?}: {refused:?}"
        );
        let run = bench.run();
        let expected = (RunState::Invoking, None);
        assert_eq!((run.state, run.lease_until), expected, "{other:?}");
        assert!(bench.standing().contains(&"a".to_owned()));
    }
}

/// Calls a step and then one that it does not declare.
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

#[test]
fn a_step_that_the_workflow_does_not_declare_is_a_definition_error_before_it_acts() {
    let bench = Bench::new(&[]);
    let refused = bench.deliver(&Undeclared, &());
    let Err(EngineError::Definition { reason, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(reason, "the workflow does not declare step act");
    assert_eq!(bench.machine.operations(), 0);
    assert_eq!(bench.recorded(), None);
}

#[test]
fn two_steps_of_one_name_are_a_definition_error_before_anything_acts() {
    struct Other;

    impl Step<World> for Other {
        const NAME: &'static str = Act::NAME;
        type Input = String;
        type Output = ();
        type Undo = ();

        async fn invoke(&self, _: &World, _: &String, _: &Call) -> StepResult<Self, World> {
            Ok(StepResponse::new(()))
        }

        async fn compensate(
            &self,
            _: &World,
            _: &String,
            _: Option<&()>,
            _: &Call,
        ) -> Result<(), StepError> {
            Ok(())
        }
    }

    struct Clashing;

    impl Workflow<World> for Clashing {
        const NAME: &'static str = "clashing";
        type Input = ();
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Act).with_all(Steps::new().with(Other))
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
            flow.step(&Act, &"a".to_owned()).await
        }
    }

    let bench = Bench::new(&[]);
    let refused = bench.deliver(&Clashing, &());
    assert!(matches!(refused, Err(EngineError::Definition { .. })));
    assert_eq!(bench.machine.operations(), 0);
}

#[test]
fn a_name_that_is_used_twice_is_a_definition_error_before_the_second_call_acts() {
    let bench = Bench::new(&[]);
    let nodes = Program(vec![act("a"), act("a")]);
    let refused = bench.deliver(&nodes, &String::new());
    assert!(matches!(refused, Err(EngineError::Definition { .. })));
    assert_eq!(bench.world.standing().get("a"), Some(&1));
}

#[test]
fn a_run_of_another_version_is_refused_until_it_is_cancelled() {
    struct Versioned<const VERSION: u32>;

    impl<const VERSION: u32> Workflow<World> for Versioned<VERSION> {
        const NAME: &'static str = "versioned";
        const VERSION: u32 = VERSION;
        type Input = ();
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Act)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
            flow.step(&Act, &"a".to_owned()).await
        }
    }

    let bench = Bench::new(&[(1, Cut::LoseReply), (2, Cut::LoseReply)]);
    let Outcome::Suspended { until, .. } = bench.deliver(&Versioned::<1>, &()).unwrap() else {
        panic!("not suspended")
    };
    bench.machine.advance_to(until);
    let refused = bench.deliver(&Versioned::<2>, &());
    assert!(matches!(refused, Err(EngineError::Definition { .. })));
    let id = RunId::new("run");
    let cancel = bench
        .engine
        .cancel(&Versioned::<2>, &bench.world, &id, bench.invocation());
    let answer = cancel.now_or_never().unwrap().unwrap();
    assert!(
        matches!(answer, Some(Outcome::Reverted { .. })),
        "{answer:?}"
    );
    assert_eq!(bench.standing(), [""; 0]);
}
