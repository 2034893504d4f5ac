//! Attempts: retried, ended, given up.

use super::prelude::*;

#[test]
fn a_transient_error_is_retried() {
    let bench = Bench::new(&[]);
    let busy = || Err(StepError::transient("busy"));
    let workflow = Script::default().workflow(vec![busy(), busy()]);
    assert_eq!(bench.deliver(&workflow, &()).unwrap(), Outcome::Done(()));
    let expected = [
        "scripted Invoke TransientFailure",
        "scripted Invoke TransientFailure",
        "scripted Invoke Success",
        "one-step done",
    ];
    assert_eq!(bench.observed(), expected);
}

#[test]
fn when_the_attempts_are_used_up_the_run_is_suspended_and_the_next_delivery_goes_on() {
    let bench = Bench::new(&[(3, Cut::LoseReply), (4, Cut::LoseRequest)]);
    let nodes = [act("a"), act("b"), mail("m")];
    let Outcome::Suspended { cause, until } = bench.play(&nodes) else {
        panic!("not suspended")
    };
    assert_eq!(cause.step, "b");
    let run = bench.run();
    assert_eq!((run.state, run.expires_at), (RunState::Invoking, None));
    bench.machine.advance_to(until);
    assert_eq!(bench.play(&nodes), Outcome::Done(Vec::new()));
    let retries: Vec<u32> = bench.run().steps.iter().map(|step| step.retries).collect();
    assert_eq!(retries, [0, 2, 0]);
    assert!(bench.observed().contains(&"program resumed".to_owned()));
    assert!(
        bench
            .observed()
            .contains(&"program invoking, suspended".to_owned())
    );
}

#[test]
fn a_journal_that_stays_away_ends_the_execution_after_a_few_attempts() {
    let cuts = [0, 1, 2].map(|operation| (operation, Cut::LoseRequest));
    let bench = Bench::new(&cuts);
    let answer = bench.deliver(&Program(vec![act("a")]), &String::new());
    assert!(
        matches!(&answer, Err(error) if error.is_transient()),
        "{answer:?}"
    );
    assert_eq!(bench.machine.operations(), 3);
    assert_eq!(
        bench.standing(),
        [""; 0],
        "nothing is done without its intent on record"
    );
}

#[test]
fn an_attempt_that_hangs_is_ended_and_made_again_under_the_same_key() {
    let bench = Bench::new(&[(1, Cut::HangAfter)]);
    let began = bench.machine.now();
    assert_eq!(bench.play(&[act("a")]), Outcome::Done(Vec::new()));
    assert!(began.until(bench.machine.now()) >= RetryPolicy::default().timeout);
    assert_eq!(bench.world.standing().get("a"), Some(&1));
    assert_eq!(bench.observed()[0], "act Invoke TimeOut");
}
