//! Attempts: retried, ended, given up.

use super::prelude::*;

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
