//! Calls that were not answered, and may take effect until the margin has passed.

use super::prelude::*;

const MARGIN: Duration = Duration::from_secs(5);

#[test]
fn after_an_unanswered_call_the_same_call_is_made_again_at_once_under_the_same_key() {
    let script = Script::default();
    let bench = Bench::new(&[]);
    let unanswered = || Err(StepError::unanswered("no answer"));
    let workflow = script.workflow(vec![unanswered(), unanswered()]);
    let began = bench.machine.now();
    assert_eq!(bench.deliver(&workflow, &()).unwrap(), Outcome::Done(()));
    assert_eq!(script.keys(), ["0", "0", "0"]);
    let last = script.calls.lock().unwrap().last().unwrap().now;
    assert!(began.until(last) < Duration::from_secs(1));
    // The last call without an answer is the second one.
    let second = script.calls.lock().unwrap()[1].now;
    assert_eq!(
        bench.machine.now(),
        second.plus(MARGIN),
        "the end waits for the margin"
    );
}

#[test]
fn a_different_step_is_called_only_after_the_margin() {
    // The process dies when it calls b.
    let bench = Bench::new(&[(1, Cut::LoseReply), (4, Cut::DieBefore)]);
    let began = bench.machine.now();
    bench.play_until_death(&[act("a"), act("b")]);
    assert_eq!(began.until(bench.machine.now()), MARGIN);
    assert_eq!(bench.run().steps.len(), 2);
}

#[test]
fn a_step_is_compensated_only_after_the_margin() {
    // The call hangs, acts at the last moment of the margin after its time-out, and its repetition is refused.
    let bench = Bench::new(&[(1, Cut::HangLate), (2, Cut::RefuseBefore)]);
    let outcome = bench.play(&[act("a")]);
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    bench.machine.advance(Duration::from_hours(1));
    assert_eq!(bench.standing(), [""; 0]);
}

#[test]
fn a_revert_ends_only_after_the_margin() {
    let bench = Bench::new(&[(1, Cut::Late), (2, Cut::RefuseBefore)]);
    let outcome = bench.play(&[mail("m")]);
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    assert_eq!(
        bench.standing(),
        ["m"],
        "what nothing undoes has come by then"
    );
}

#[test]
fn where_the_deadline_comes_first_the_lease_is_kept_until_the_margin_has_passed() {
    let bench = Bench::new(&[(1, Cut::LoseReply)]);
    let (program, input) = (Program(vec![act("a")]), String::new());
    let invocation = bench.invocation_of(Duration::from_secs(4));
    let began = bench.machine.now();
    let outcome = bench.deliver_in(&program, &input, invocation).unwrap();
    let Outcome::Suspended { until, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(until, began.plus(MARGIN));
    let run = bench.run();
    assert_eq!((run.resume_at, run.lease_until), (Some(until), Some(until)));
    assert_eq!(run.suspensions, 0, "a wait for the margin is not counted");
    let calls = bench.observed().len();
    bench.machine.advance_to(until);
    assert_eq!(bench.play(&[act("a")]), Outcome::Done(Vec::new()));
    let observed = bench.observed();
    assert_eq!(observed[calls..], ["program resumed", "program done"]);
}

#[test]
fn a_run_that_is_suspended_after_an_unanswered_call_keeps_its_lease_for_the_margin() {
    let bench = Bench::new(&[(1, Cut::LoseReply), (2, Cut::LoseReply)]);
    assert!(matches!(bench.play(&[act("a")]), Outcome::Suspended { .. }));
    let run = bench.run();
    assert_eq!(run.lease_until, Some(bench.machine.now().plus(MARGIN)));
    assert!(run.resume_at > run.lease_until);
    assert_eq!(run.suspensions, 1);
}

#[test]
fn a_panic_is_a_permanent_failure_whose_call_counts_as_unanswered() {
    let bench = Bench::new(&[(1, Cut::PanicBefore)]);
    let began = bench.machine.now();
    let outcome = crate::without_planned_panics(|| bench.play(&[act("a")]));
    let Outcome::Reverted { cause } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(cause.message, "it panicked: as planned");
    assert_eq!(began.until(bench.machine.now()), MARGIN);
    assert_eq!(
        bench.observed()[0],
        format!("act Invoke {:?}", AttemptOutcome::Panic)
    );
}

#[test]
fn a_call_whose_future_the_workflow_drops_counts_as_unanswered_and_the_run_is_reverted() {
    struct Impatient;

    impl Workflow<World> for Impatient {
        const NAME: &'static str = "impatient";
        type Input = ();
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Act)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
            let name = "a".to_owned();
            let call = flow.step(&Act, &name).into_future();
            let mut turns = 0;
            let patience = std::future::poll_fn(move |context| {
                turns += 1;
                context.waker().wake_by_ref();
                if turns > 1 {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            });
            futures::future::select(call, Box::pin(patience)).await;
            Ok(())
        }
    }

    let bench = Bench::new(&[(1, Cut::HangLate)]);
    let outcome = bench.deliver(&Impatient, &()).unwrap();
    let Outcome::Reverted { cause } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        cause.message.contains("dropped the call"),
        "{}",
        cause.message
    );
}

#[test]
fn reads_wait_for_the_margin_too() {
    struct Clock;

    impl Query<World> for Clock {
        const NAME: &'static str = "clock";
        type Input = ();
        type Output = Timestamp;

        async fn fetch(&self, world: &World, (): &()) -> Result<Timestamp, StepError> {
            Ok(world.machine.now())
        }
    }

    struct ActAndRead;

    impl Workflow<World> for ActAndRead {
        const NAME: &'static str = "act-and-read";
        type Input = ();
        type Output = Timestamp;

        fn steps(&self) -> Steps<World> {
            Steps::new().with(Act)
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<Timestamp, StepError> {
            flow.step(&Act, &"a".to_owned()).await?;
            flow.read(&Clock, &()).await
        }
    }

    let bench = Bench::new(&[(1, Cut::LoseReply)]);
    let settled = bench.machine.now().plus(MARGIN);
    let outcome = bench.deliver(&ActAndRead, &()).unwrap();
    assert_eq!(outcome, Outcome::Done(settled));
}
