//! Runs that are cancelled.

use super::prelude::*;

#[test]
fn a_suspended_run_that_is_cancelled_is_reverted_at_once_and_not_begun_again() {
    let bench = Bench::new(&[(1, Cut::Busy), (3, Cut::Busy)]);
    let nodes = [act("a")];
    assert!(matches!(bench.play(&nodes), Outcome::Suspended { .. }));
    let Some(Outcome::Reverted { cause }) = bench.cancel(&nodes) else {
        panic!("not reverted")
    };
    assert_eq!(cause.message, "the run was cancelled");
    assert_eq!(bench.standing(), [""; 0]);
    let late = bench.play(&nodes);
    assert!(matches!(late, Outcome::Reverted { .. }), "{late:?}");
    assert_eq!(bench.run().attempt, 1);
}

#[test]
fn a_run_that_another_worker_has_is_reverted_by_that_worker() {
    // The request comes while a acts: the worker learns of it at its next write, the intent of b.
    let bench = Bench::new(&[(1, Cut::Cancel)]);
    let nodes = [act("a"), act("b")];
    let (journal, machine, world) = (
        bench.journal.inner.clone(),
        bench.machine.clone(),
        bench.world.clone(),
    );
    bench.machine.on_cancel(move || {
        let (program, id) = (Program(Vec::new()), RunId::new("run"));
        let engine = Engine::new(journal).with_environment(Arc::new(machine));
        for _ in 0..2 {
            let cancel = engine.cancel(&program, &world, &id, Invocation::default());
            let answer = at_once(cancel).unwrap();
            assert!(matches!(answer, Some(Outcome::Leased { .. })), "{answer:?}");
        }
    });
    let outcome = bench.play(&nodes);
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    assert_eq!(bench.standing(), [""; 0]);
    let run = bench.run();
    assert!(run.cancel_requested_at.is_some());
    let names: Vec<&str> = run.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        bench.observed().len(),
        4,
        "b was not called: {:?}",
        bench.observed()
    );
}

#[test]
fn a_request_to_cancel_is_not_mistaken_for_the_workers_own_write() {
    // The worker's write 2 is lost on its way, and the request has the same sequence number.
    let bench = Bench::new(&[(2, Cut::LoseRequest), (3, Cut::Cancel)]);
    let (journal, machine, world) = (
        bench.journal.inner.clone(),
        bench.machine.clone(),
        bench.world.clone(),
    );
    bench.machine.on_cancel(move || {
        let (program, id) = (Program(Vec::new()), RunId::new("run"));
        let engine = Engine::new(journal).with_environment(Arc::new(machine));
        let cancel = engine.cancel(&program, &world, &id, Invocation::default());
        let answer = at_once(cancel).unwrap();
        assert!(matches!(answer, Some(Outcome::Leased { .. })), "{answer:?}");
    });
    let outcome = bench.play(&[act("a")]);
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn a_run_that_is_over_or_absent_is_not_cancelled() {
    let bench = Bench::new(&[]);
    assert_eq!(bench.cancel(&[act("a")]), None);
    bench.play(&[act("a")]);
    assert_eq!(bench.cancel(&[act("a")]), Some(Outcome::Done(Vec::new())));
    let bench = Bench::refusing("a", false);
    bench.play(&[act("a")]);
    let answer = bench.cancel(&[act("a")]);
    assert!(
        matches!(answer, Some(Outcome::Reverted { .. })),
        "{answer:?}"
    );
    assert_eq!(bench.run().cancel_requested_at, None);
}

#[test]
fn a_run_whose_last_call_was_not_answered_is_cancelled_only_after_the_margin() {
    // The attempts are used up by calls without an answer; the second one acts at the last moment of the margin.
    let bench = Bench::new(&[(1, Cut::LoseRequest), (2, Cut::Late)]);
    let nodes = [act("a")];
    assert!(matches!(bench.play(&nodes), Outcome::Suspended { .. }));
    let Some(Outcome::Leased { until }) = bench.cancel(&nodes) else {
        panic!("not leased")
    };
    assert_eq!(bench.run().lease_until, Some(until));
    bench.machine.advance_to(until);
    let answer = bench.cancel(&nodes);
    assert!(
        matches!(answer, Some(Outcome::Reverted { .. })),
        "{answer:?}"
    );
    bench.machine.advance(Duration::from_hours(1));
    assert_eq!(bench.standing(), [""; 0]);
}
