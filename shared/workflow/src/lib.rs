//! Durable workflows of steps and compensations, for functions that are driven by a queue.
//!
//! A *workflow* is an async function over *steps*. A step acts on something outside and has a *compensation* that undoes
//! it. A *run* of a workflow is recorded in a *journal*, so it survives its process: the next one goes on where the
//! journal stands. When a step fails for good, everything is undone, newest first, **the step that failed included**,
//! since whether it has acted is unknown. Branches are `if`, loops are `for`: everything else is plain Rust.
//!
//! This crate knows no database and no cloud. It comes with a journal in memory. Others implement [`Journal`] and pass
//! the cases of the module `conformance` (with the feature of that name).
//!
//! # An example
//!
//! An order is paid by card. If it cannot be fulfilled, the charge is refunded. The payment provider knows a charge only
//! by the idempotency key under which it was made, so the refund names that key, also where the charge was never answered.
//!
//! ```
//! use std::{collections::BTreeMap, sync::{Arc, Mutex}};
//! use workflow::*;
//!
//! /// The payment provider: what is charged, by idempotency key.
//! #[derive(Default)]
//! struct Provider { charges: Mutex<BTreeMap<String, u32>> }
//!
//! struct Charge;
//!
//! impl Step<Provider> for Charge {
//!     const NAME: &'static str = "charge";
//!     type Input = u32;
//!     type Output = ();
//!     type Undo = ();
//!
//!     async fn invoke(&self, provider: &Provider, cents: &u32, call: &Call) -> StepResult<Self, Provider> {
//!         provider.charges.lock().unwrap().insert(call.idempotency_key.clone(), *cents);
//!         Ok(StepResponse::new(()))
//!     }
//!
//!     // `undo` is None where the outcome of `invoke` is unknown.
//!     async fn compensate(&self, provider: &Provider, _: &u32, _: Option<&()>, call: &Call) -> Result<(), StepError> {
//!         provider.charges.lock().unwrap().retain(|key, _| !call.invocation_keys.contains(key));
//!         Ok(())
//!     }
//! }
//!
//! struct Buy { in_stock: bool }
//!
//! impl Workflow<Provider> for Buy {
//!     const NAME: &'static str = "buy";
//!     type Input = u32;
//!     type Output = ();
//!
//!     fn steps(&self) -> Steps<Provider> { Steps::new().with(Charge) }
//!
//!     async fn run(&self, flow: &Flow<'_, Provider>, cents: &u32) -> Result<(), StepError> {
//!         flow.step(&Charge, cents).await?;
//!         if !self.in_stock {
//!             return Err(StepError::permanent("the shop is sold out"));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), EngineError> {
//! let (provider, engine) = (Provider::default(), Engine::new(Arc::new(MemoryJournal::default())));
//! let run = |id: &str, in_stock| {
//!     let (engine, provider, id) = (&engine, &provider, RunId::new(id));
//!     async move { engine.run(&Buy { in_stock }, provider, &id, &4_200, Invocation::default()).await }
//! };
//! assert_eq!(run("order-1", true).await?, Outcome::Done(()));
//! assert!(matches!(run("order-2", false).await?, Outcome::Reverted { .. }));
//! assert_eq!(provider.charges.lock().unwrap().values().sum::<u32>(), 4_200);
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! A run that is run again until it is settled ends in one of three ways, whatever dies, hangs or loses its reply:
//!
//! - **done**: every effect stands;
//! - **reverted**: none stands, except those of [irreversible steps](IrreversibleStep);
//! - **failed**: a compensation failed for good. [`Run::leftovers`] names what may stand, and running it again goes on
//!   undoing it.
//!
//! For that, three things are recorded before they happen: that a step begins, with its input and its idempotency key;
//! that the run is being reverted; that an optional step is given up. Every write is conditional on the record being as its
//! writer knows it ([`Fence`]), so a worker that lost its lease writes nothing.
//!
//! Nothing else is written: reads are not recorded, nothing is before the first effect, the result of a step goes along
//! with the next write, and that of the last one with the end of the run. `n` steps take `n + 1` writes.
//!
//! # Waiting
//!
//! A *transient* error is retried within the invocation, for seconds. Then the run is [suspended](Outcome::Suspended): its
//! record says when it goes on ([`Run::resume_at`]), a little later each time, and until then running it does nothing. The
//! engine has no process of its own, so something must run it again at that time: a queue, a schedule, a sweep.
//!
//! Transient errors never revert a run, however many there are. After its [time budget](EngineConfig::time_budget) it is
//! [paused](Outcome::Paused), with nothing undone, until it is run again on purpose.
//!
//! # Unanswered calls and idempotency keys
//!
//! A call without an answer may have acted, and may still act until the [margin](EngineConfig::lease_margin) has passed.
//! Until then the run keeps its lease, and the engine makes only the same call again, under the same
//! [key](Call::idempotency_key). Before it calls another step, compensates, reads, or ends the run, it waits.
//!
//! A key never means two things: it contains a random token of the run's attempt, and is recorded, together with the
//! step's input, before it is used. After an answered failure the next attempt has a new key, since many services store
//! failures under their key. A compensation has keys of its own, and gets all keys of the invocation.
//!
//! # Obligations
//!
//! A step's author: see [`Step`] and [`StepError`]. In short, actions are idempotent, compensations tolerate absence, and an
//! unanswered call is reported as such. A workflow's author: it acts and reads only through its [`Flow`], and declares its
//! reversible steps; [`Workflow::steps`] says what is caught where one is missing. The caller: it runs a run again that is
//! suspended or [leased](Outcome::Leased), or that ended in a [transient](EngineError::is_transient) error.
//!
//! Two assumptions cannot be enforced from here. Workers' clocks agree to within [`EngineConfig::lease_margin`]; and an
//! unanswered call takes effect within that margin, or never. Where it does later, an effect may stand that was undone
//! before it came about.
//!
//! # Alternatives
//!
//! | | this crate | Medusa 2 | steno | Step Functions | Lambda durable functions |
//! |---|---|---|---|---|---|
//! | a workflow is | an async function | a function that composes a graph when it is loaded | a graph of actions | a document in JSON | an async function |
//! | a crash is survived by | running it again | the workflow engine on Redis, where that is configured | a recovery that the application starts | the service | the service |
//! | the step that failed is compensated | always | if it says so (`permanentFailure`) | no: an action must fail as a whole | as it is drawn | as it is written |
//! | a time-out | ends the attempt; the outcome is unknown | marks the step afterwards | there is none | fails the state | is as it is written |
//! | needs | a table, or anything else that implements [`Journal`] | Redis | a store of the application's | the service | the service |
//! | waits for signals, starts on a schedule | no | yes | no | yes | yes |
//! | shows its runs | [`Engine::show`] | pages in its admin | graphs | a console | a console |
//! | used in production | not yet | widely | by its makers | very widely | since 2025 |
//!
//! The other columns are from their documentation, not from measurements. For workflows that wait for people, take one of
//! the services.
//!
//! # Cost
//!
//! `cargo bench -p workflow --bench engine` runs workflows whose steps add one to a number, on a journal that only
//! serialises the record. Bytes grow with the square of the number of steps, since each write replaces the record as a whole;
//! cut a workflow of hundreds of steps into several.

mod attempts;
mod calls;
mod conduct;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod engine;
mod environment;
mod error;
mod execution;
mod journal;
mod ledger;
mod observer;
mod run;
mod step;
mod workflow;

pub use config::{EngineConfig, ResumePolicy, RetryPolicy};
pub use engine::{Engine, Invocation};
pub use environment::{Environment, SystemEnvironment, Timestamp};
pub use error::{EngineError, JournalError, StepError};
pub use journal::{Committed, Expected, Fence, Journal, MemoryJournal};
pub use observer::{AttemptOutcome, Observer, RunEvent};
pub use run::{
    Json, Outcome, Phase, Run, RunError, RunId, RunState, RunSummary, StepRecord, StepState,
    StepSummary,
};
pub use step::{Call, IrreversibleStep, Query, Step, StepResponse, StepResult, Steps};
pub use workflow::{Flow, OptionalStepCall, StepCall, Workflow, WorkflowCall};
