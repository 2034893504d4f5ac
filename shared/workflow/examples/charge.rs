//! An order is paid by card and then shipped. The payment provider knows a charge only by the idempotency key under which
//! it was made, so the refund names that key.
//!
//! `cargo run -p workflow --example charge`

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use workflow::{
    Call, Engine, Flow, Invocation, MemoryJournal, RunId, Step, StepError, StepResponse,
    StepResult, Steps, Workflow,
};

/// The payment provider: what is charged, by idempotency key.
#[derive(Default)]
struct Provider {
    charges: Mutex<BTreeMap<String, u32>>,
}

impl Provider {
    fn charges(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.charges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Charges the card; its compensation refunds that.
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
        println!("  charging {cents} cents under {}", call.idempotency_key);
        provider
            .charges()
            .insert(call.idempotency_key.clone(), *cents);
        Ok(StepResponse::new(()))
    }

    async fn compensate(
        &self,
        provider: &Provider,
        _: &u32,
        _: Option<&()>,
        call: &Call,
    ) -> Result<(), StepError> {
        // Where a charge was not answered, nothing but its key tells which one it is.
        for key in &call.invocation_keys {
            if provider.charges().remove(key).is_some() {
                println!("  refunding what was charged under {key}");
            }
        }
        Ok(())
    }
}

struct Buy {
    in_stock: bool,
}

impl Workflow<Provider> for Buy {
    const NAME: &'static str = "buy";
    type Input = u32;
    type Output = String;

    fn steps(&self) -> Steps<Provider> {
        Steps::new().with(Charge)
    }

    async fn run(&self, flow: &Flow<'_, Provider>, cents: &u32) -> Result<String, StepError> {
        flow.step(&Charge, cents).await?;
        if !self.in_stock {
            return Err(StepError::permanent("the shop is sold out"));
        }
        Ok(format!("paid {cents} cents"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::default();
    let engine = Engine::new(Arc::new(MemoryJournal::default()));
    for (id, in_stock) in [("order-1", true), ("order-2", false)] {
        println!("{id}");
        let (buy, id) = (Buy { in_stock }, RunId::new(id));
        let run = engine.run(&buy, &provider, &id, &4_200, Invocation::default());
        println!("  {:?}", run.await?);
    }
    println!(
        "charged in the end: {}",
        provider.charges().values().sum::<u32>()
    );
    Ok(())
}
