//! One worker at a time.

use super::prelude::*;

#[test]
fn near_the_deadline_the_run_is_suspended_with_its_lease_kept_for_the_margin_only() {
    let bench = Bench::new(&[(1, Cut::HangBefore)]);
    let invocation = bench.invocation_of(Duration::from_secs(4));
    let (program, input) = (Program(vec![act("a")]), String::new());
    let outcome = bench.deliver_in(&program, &input, invocation).unwrap();
    assert!(matches!(outcome, Outcome::Suspended { .. }), "{outcome:?}");
    let config = EngineConfig::default();
    let last_moment = invocation.deadline.unwrap().minus(config.deadline_margin);
    assert_eq!(bench.machine.now(), last_moment);
    let lease_until = Some(last_moment.plus(config.lease_margin));
    assert_eq!(bench.run().lease_until, lease_until);
}

#[test]
fn while_it_is_worked_on_a_run_is_leased_until_shortly_after_the_deadline_and_not_taken_over_before()
 {
    let bench = Bench::new(&[(1, Cut::DieBefore)]);
    let deadline = bench.machine.now().plus(INVOCATION);
    bench.play_until_death(&[act("a")]);
    let until = deadline.plus(EngineConfig::default().lease_margin);
    let leased = bench.run();
    assert_eq!(leased.lease_until, Some(until));
    assert_eq!(bench.play(&[act("a")]), Outcome::Leased { until });
    bench
        .machine
        .advance_to(until.minus(Duration::from_millis(1)));
    assert_eq!(bench.play(&[act("a")]), Outcome::Leased { until });
    assert_eq!(bench.run(), leased);
    bench.machine.advance_to(until);
    assert_eq!(bench.play(&[act("a")]), Outcome::Done(Vec::new()));
}

#[test]
fn a_run_that_is_taken_over_is_leased_again_before_anything_is_done() {
    // The first delivery is suspended after two attempts. The second takes the run over, and dies at its first call.
    let bench = Bench::new(&[
        (1, Cut::LoseReply),
        (2, Cut::LoseReply),
        (5, Cut::DieBefore),
    ]);
    let nodes = [act("a")];
    let Outcome::Suspended { until, .. } = bench.play(&nodes) else {
        panic!("not suspended")
    };
    let suspended = bench.run();
    bench.machine.advance_to(until);
    bench.play_until_death(&nodes);
    let run = bench.run();
    assert_eq!(run.sequence, suspended.sequence + 1);
    assert_eq!(
        run.lease_until,
        Some(until.plus(INVOCATION).plus(Duration::from_secs(5)))
    );
    assert_eq!(run.resume_at, None);
    assert_ne!(run.owner, suspended.owner);
    assert_eq!(run.nonce, suspended.nonce);
}

#[test]
fn a_worker_whose_time_is_over_begins_nothing() {
    let bench = Bench::new(&[]);
    let invocation = bench.invocation_of(Duration::from_secs(1));
    let (program, input) = (Program(vec![act("a")]), String::new());
    let outcome = bench.deliver_in(&program, &input, invocation).unwrap();
    let Outcome::Suspended { until, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(until, bench.machine.now());
    assert_eq!((bench.machine.operations(), bench.recorded()), (0, None));
}

#[test]
fn a_step_for_which_no_time_is_left_is_not_begun() {
    // The call of a hangs until the last moment.
    let bench = Bench::new(&[(1, Cut::LoseRequest), (2, Cut::HangAfter)]);
    let invocation = bench.invocation_of(Duration::from_secs(4));
    let program = Program(vec![Node::Parallel(vec![vec![act("a"), act("b")]])]);
    bench
        .deliver_in(&program, &String::new(), invocation)
        .unwrap();
    assert_eq!(bench.run().steps.len(), 1);
}
