//! What is undone, in which order, and why.

use super::prelude::*;

#[test]
fn the_cause_of_a_revert_is_kept_with_the_name_of_the_step() {
    let bench = Bench::refusing("b", false);
    let Outcome::Reverted { cause } = bench.play(&[act("a"), act("b"), act("c")]) else {
        panic!("not reverted")
    };
    assert_eq!(
        (cause.step.as_str(), cause.message.as_str()),
        ("b", "refused")
    );
    let run = bench.run();
    assert_eq!(run.cause.as_ref(), Some(&cause));
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
    let bench = Bench::new(&[(5, Cut::RefuseBefore), (7, Cut::DieAfter)]);
    bench.play_until_death(&[act("a"), act("b"), mail("m")]);
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
    let error = run.errors.first().unwrap();
    assert_eq!(
        (error.step.as_str(), error.during),
        ("b", Phase::Compensate)
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
fn what_fails_for_good_outweighs_a_sibling_that_would_wait() {
    // Both hang. Then the one has no answer again, which suspends the run, and the other is refused.
    let bench = Bench::new(&[
        (1, Cut::HangBefore),
        (3, Cut::HangBefore),
        (4, Cut::LoseReply),
        (5, Cut::RefuseBefore),
    ]);
    let parallel = Node::Parallel(vec![vec![act("a")], vec![act("b")]]);
    let outcome = bench.play(&[parallel]);
    let Outcome::Reverted { cause } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(cause.step, "b");
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn siblings_come_to_an_end_before_anything_is_undone() {
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
    let step = |step: &workflow::StepRecord| (step.name.clone(), step.state, step.retries);
    let steps: Vec<_> = run.steps.iter().map(step).collect();
    let reverted = |name: &str| (name.to_owned(), StepState::Reverted, 0);
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
fn an_optional_step_that_fails_is_undone_and_the_run_goes_on() {
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
            let _ = flow.step(&Act, &"a".to_owned()).named("a").await;
            let _ = flow.step(&Act, &"b".to_owned()).named("b").await;
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
