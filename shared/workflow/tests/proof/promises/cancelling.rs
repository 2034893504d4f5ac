//! Runs that somebody asks to be cancelled.

use super::prelude::*;

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
