//! Idempotency keys: recorded before they are used, and never used for two things.

use super::prelude::*;

#[test]
fn a_key_stays_while_its_calls_are_not_answered_and_moves_on_after_an_answered_failure() {
    let script = Script::default();
    let bench = Bench::new(&[]);
    let busy = || Err(StepError::transient("busy"));
    let workflow = script.workflow(vec![busy(), busy()]);
    assert_eq!(bench.deliver(&workflow, &()).unwrap(), Outcome::Done(()));
    assert_eq!(script.keys(), ["0", "1", "2"]);
    let calls = script.calls.lock().unwrap();
    let attempts: Vec<u32> = calls.iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    let prefix = format!("{}/scripted/", bench.run().nonce);
    assert!(
        calls
            .iter()
            .all(|call| call.idempotency_key.starts_with(&prefix))
    );
}

#[test]
fn an_answered_failure_moves_the_key_on_only_if_no_earlier_call_under_it_can_still_act() {
    let script = Script::default();
    let bench = Bench::new(&[]);
    let workflow = script.workflow(vec![
        Err(StepError::unanswered("no answer")),
        Err(StepError::transient(
            "another request with this key is under way",
        )),
        Err(StepError::transient("busy").with_retry_after(Duration::from_secs(6))),
        Err(StepError::transient("busy")),
    ]);
    let outcome = bench.deliver(&workflow, &()).unwrap();
    let Outcome::Suspended { until, .. } = outcome else {
        panic!("{outcome:?}")
    };
    bench.machine.advance_to(until);
    assert_eq!(bench.deliver(&workflow, &()).unwrap(), Outcome::Done(()));
    assert_eq!(script.keys(), ["0", "0", "0", "0", "1"]);
}

#[test]
fn an_effect_that_comes_late_is_not_made_a_second_time_under_a_new_key() {
    for stores_failures in [false, true] {
        let machine = Machine::new(&[(1, Cut::Late), (2, Cut::Busy)]);
        let mut world = World::new(machine.clone());
        world.stores_failures = stores_failures;
        let bench = Bench::of(world, machine);
        assert_eq!(
            bench.play_to_the_end(&[act("a")]),
            Outcome::Done(Vec::new())
        );
        assert_eq!(bench.world.standing().get("a"), Some(&1));
    }
}

#[test]
fn a_failure_that_is_stored_under_its_key_is_overcome_by_a_new_key() {
    let machine = Machine::new(&[(1, Cut::Busy)]);
    let mut world = World::new(machine.clone());
    world.stores_failures = true;
    let bench = Bench::of(world, machine);
    assert_eq!(bench.play(&[act("a")]), Outcome::Done(Vec::new()));
    // Begin, the call, the new key, the call, the end.
    assert_eq!(bench.machine.operations(), 5);
}

#[test]
fn a_new_key_is_recorded_before_it_is_used() {
    let bench = Bench::new(&[(1, Cut::Busy), (3, Cut::DieBefore)]);
    bench.play_until_death(&[act("a")]);
    assert_eq!(bench.run().steps[0].key, 1);
}

#[test]
fn a_compensation_has_a_key_of_its_own_and_all_keys_of_the_invocation() {
    #[derive(Clone, Default)]
    struct Refundable(Arc<Mutex<Vec<Call>>>);

    impl Step<World> for Refundable {
        const NAME: &'static str = "refundable";
        type Input = ();
        type Output = ();
        type Undo = ();

        async fn invoke(&self, _: &World, (): &(), call: &Call) -> StepResult<Self, World> {
            assert!(call.invocation_keys.is_empty());
            Err(if call.attempt < 3 {
                StepError::transient("busy")
            } else {
                StepError::permanent("refused")
            })
        }

        async fn compensate(
            &self,
            _: &World,
            (): &(),
            _: Option<&()>,
            call: &Call,
        ) -> Result<(), StepError> {
            let mut calls = self.0.lock().unwrap();
            calls.push(call.clone());
            match calls.len() {
                1 => Err(StepError::transient("busy")),
                2 => Err(StepError::permanent("refused")),
                _ => Ok(()),
            }
        }
    }

    impl Workflow<World> for Refundable {
        const NAME: &'static str = "refundable";
        type Input = ();
        type Output = ();

        fn steps(&self) -> Steps<World> {
            Steps::new().with(self.clone())
        }

        async fn run(&self, flow: &Flow<'_, World>, (): &()) -> Result<(), StepError> {
            flow.step(self, &()).named("charge").await
        }
    }

    let (bench, step) = (Bench::new(&[]), Refundable::default());
    let failed = bench.deliver(&step, &()).unwrap();
    assert!(matches!(failed, Outcome::Failed { .. }), "{failed:?}");
    let nonce = bench.run().nonce;
    let reverted = bench.deliver(&step, &()).unwrap();
    assert!(matches!(reverted, Outcome::Reverted { .. }), "{reverted:?}");
    let invocations: Vec<String> = (0..3)
        .rev()
        .map(|n| format!("{nonce}/charge/{n}"))
        .collect();
    for (number, call) in step.0.lock().unwrap().iter().enumerate() {
        assert_eq!(
            call.idempotency_key,
            format!("{nonce}/charge/undo-{number}")
        );
        assert_eq!(call.invocation_keys, invocations);
    }
}

#[test]
fn a_step_after_a_crash_gets_the_recorded_input_and_key() {
    let bench = Bench::new(&[(1, Cut::DieAfter)]);
    bench.play_until_death(&[act("a")]);
    let nonce = bench.run().nonce;
    assert_eq!(
        bench.play_to_the_end(&[act("a")]),
        Outcome::Done(Vec::new())
    );
    assert_eq!(bench.run().nonce, nonce);
    assert_eq!(bench.world.standing().get("a"), Some(&1));
    assert_eq!(bench.world.violations(), [""; 0]);
}

#[test]
fn a_step_that_is_named_undo_shares_no_key_with_a_compensation() {
    let bench = Bench::refusing("last", false);
    let nested = Node::Nested("a".to_owned(), vec![act("undo"), act("0")]);
    let nodes = [act("a"), nested, act("last")];
    let outcome = bench.play(&nodes);
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    assert_eq!(bench.world.violations(), [""; 0]);
    assert_eq!(bench.standing(), [""; 0]);
}
