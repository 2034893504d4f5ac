//! The crate's example: a charge whose outcome is unknown is refunded by its key.

use std::collections::BTreeMap;

use super::prelude::*;

/// A payment provider that knows a charge only by its key.
#[derive(Default)]
struct Provider {
    charges: Mutex<BTreeMap<String, u32>>,
    /// How many calls are charged without an answer; the next one is refused.
    unanswered: u32,
    calls: Mutex<u32>,
}

struct Charge;

impl Step<Provider> for Charge {
    const NAME: &'static str = "charge";
    type Input = u32;
    type Output = ();
    type Undo = ();

    async fn invoke(
        &self,
        provider: &Provider,
        cents: &u32,
        call: &Call,
    ) -> StepResult<Self, Provider> {
        let key = call.idempotency_key.clone();
        let mut calls = provider.calls.lock().unwrap();
        *calls += 1;
        if *calls > provider.unanswered {
            return Err(StepError::permanent("the card is refused"));
        }
        provider.charges.lock().unwrap().insert(key, *cents);
        Err(StepError::unanswered("no answer"))
    }

    async fn compensate(
        &self,
        provider: &Provider,
        _: &u32,
        undo: Option<&()>,
        call: &Call,
    ) -> Result<(), StepError> {
        assert!(undo.is_none(), "the outcome is unknown");
        let mut charges = provider.charges.lock().unwrap();
        charges.retain(|key, _| !call.invocation_keys.contains(key));
        Ok(())
    }
}

impl Workflow<Provider> for Charge {
    const NAME: &'static str = "buy";
    type Input = u32;
    type Output = ();

    fn steps(&self) -> Steps<Provider> {
        Steps::new().with(Self)
    }

    async fn run(&self, flow: &Flow<'_, Provider>, cents: &u32) -> Result<(), StepError> {
        flow.step(self, cents).await
    }
}

#[test]
fn a_charge_that_was_not_answered_and_then_refused_is_refunded_by_its_key() {
    for unanswered in 0..3 {
        let machine = Machine::new(&[]);
        let journal = Arc::new(CutJournal::new(&machine));
        let engine = Engine::new(journal).with_environment(Arc::new(machine.clone()));
        let provider = Provider {
            unanswered,
            ..Provider::default()
        };
        let (id, invocation) = (RunId::new("order-1"), Invocation::default());
        let mut run: Worker<'_, _> =
            Box::pin(engine.run(&Charge, &provider, &id, &4_200, invocation));
        let Turn::End(Ok(Outcome::Reverted { cause })) = machine.turn(&mut run) else {
            panic!("not reverted")
        };
        assert_eq!(cause.message, "the card is refused");
        assert_eq!(*provider.calls.lock().unwrap(), unanswered + 1);
        assert!(
            provider.charges.lock().unwrap().is_empty(),
            "the customer stays charged"
        );
    }
}
