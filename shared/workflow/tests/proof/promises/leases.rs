//! One worker at a time.

use super::prelude::*;

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
