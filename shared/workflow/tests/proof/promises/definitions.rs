//! Code that does not fit what is recorded, or itself.

use super::prelude::*;

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
