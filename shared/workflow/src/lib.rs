//! Durable workflows of steps and compensations, for functions that are driven by a queue.
//!
//! A *workflow* is an async function over *steps*. A step acts on something outside, and has a *compensation* that takes
//! that back. A *run* of a workflow is recorded in a *journal*, so that it survives the process: whoever gets the queue's
//! message next goes on where the journal stands. When a step fails for good, what was done is taken back, newest first,
//! **the step that failed included**, since nobody knows whether it has acted. Everything else is plain Rust: branches are
//! `if`, loops are `for`.
//!
//! This crate knows no database and no cloud. It comes with a journal in memory; others implement [`Journal`] and are put
//! through the cases of the module `conformance` (with the feature of that name).
//!
//! # An example
//!
//! A brand is created in a CMS, and marked as synced here. If it cannot be, it goes from the CMS again.
//!
//! ```
//! use std::{convert::Infallible, sync::{Arc, Mutex}};
//! use workflow::*;
//!
//! /// What steps act on.
//! #[derive(Default)]
//! struct App { cms: Mutex<Vec<String>> }
//!
//! impl Application for App { type Write = Infallible; } // no step hands over a write
//!
//! struct CreateInCms;
//!
//! impl Step<App> for CreateInCms {
//!     const NAME: &'static str = "create-in-cms";
//!     type Input = String;
//!     type Output = ();
//!     type Undo = String;
//!
//!     async fn invoke(&self, app: &App, name: &String, _: &Call) -> StepResult<Self, App> {
//!         app.cms.lock().unwrap().push(name.clone());
//!         Ok(StepResponse::new(()).undo(name.clone()))
//!     }
//!
//!     // `undo` is None when nobody knows what became of `invoke`: then the input tells what to remove.
//!     async fn compensate(&self, app: &App, name: &String, undo: Option<&String>, _: &Call) -> Result<(), StepError> {
//!         let name = undo.unwrap_or(name);
//!         app.cms.lock().unwrap().retain(|held| held != name);
//!         Ok(())
//!     }
//! }
//!
//! struct SyncBrand;
//!
//! impl Workflow<App> for SyncBrand {
//!     const NAME: &'static str = "sync-brand";
//!     type Input = String;
//!     type Output = ();
//!
//!     fn steps(&self) -> Steps<App> { Steps::new().with(CreateInCms) }
//!
//!     async fn run(&self, flow: &Flow<'_, App>, name: &String) -> Result<(), StepError> {
//!         flow.step(&CreateInCms, name).await?;
//!         if name == "Doomed" {
//!             return Err(StepError::permanent("this brand must not be"));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), EngineError> {
//! let (app, engine) = (App::default(), Engine::new(Arc::new(MemoryJournal::default())));
//! let acme = engine.run(&SyncBrand, &app, &RunId::new("1"), &"Acme".into(), Invocation::default()).await?;
//! assert_eq!(acme, Outcome::Done(()));
//! let doomed = engine.run(&SyncBrand, &app, &RunId::new("2"), &"Doomed".into(), Invocation::default()).await?;
//! assert!(matches!(doomed, Outcome::Reverted { .. }));
//! assert_eq!(*app.cms.lock().unwrap(), ["Acme"]);
//! # Ok(())
//! # }
//! ```
//!
//! # What is guaranteed
//!
//! A run that is delivered until it is settled ends in one of three ways, whatever dies, hangs or loses its reply:
//!
//! - **done**: every effect stands, and every [write that was handed over](StepResponse::write) is made;
//! - **reverted**: none stands, but for those that were declared to be [kept](Effect::Kept);
//! - **failed**: a compensation failed for good; [`Run::leftovers`] names what may stand, and asking for the run again
//!   goes on taking it back.
//!
//! For that, three things are recorded before they are done: that a step with a compensation begins; that the run is
//! being reverted; that an optional step is given up. Every write is made only if the record stands as its writer knows
//! it ([`Fence`]), so that a worker which lost its lease writes nothing.
//!
//! Nothing else is written: reads are not recorded, nothing is before the first effect, the result of a step goes along
//! with the next write, and that of the last one with the end of the run. `n` steps with a compensation take `n + 1` writes.
//!
//! # Runs that follow each other
//!
//! Where a thing changes and each of its states is worked on by a run, those runs must not be side by side: the older one would
//! overwrite what the newer has done. A [serial](Workflow::SERIAL) workflow's runs of one id, with inputs that differ, are conducted one
//! after the other; a run that is still open is taken to its end, with its own input, before the next begins.
//!
//! A run that was given up can be [marked so](Workflow::given_up) where its thing is kept, in the transaction that ends it, and
//! the mark is taken away in the one that [takes it up again](Flow::alongside): so whoever sees the mark knows that nobody is at it.
//!
//! # What is owed
//!
//! By a step's author: see [`Step`]. In short, actions are idempotent, compensations tolerate absence, and what has been
//! given up has no later effect. By a workflow's author: it does nothing but through its [`Flow`], and declares its steps. By
//! the caller: a run that is [suspended](Outcome::Suspended), [running](Outcome::Running) or that ended in a
//! [transient](EngineError::is_transient) error is asked for again later, which is what a queue does with a message that is
//! not acknowledged.
//!
//! Two assumptions cannot be enforced from here. Workers' clocks agree to within [`EngineConfig::lease_margin`]; and a
//! request that was given up takes effect within that margin, or never. Where it does later, an effect may stand that was
//! taken back before it came about.
//!
//! # Beside others
//!
//! | | this crate | Medusa 2 | steno | Step Functions | Lambda durable functions |
//! |---|---|---|---|---|---|
//! | a workflow is | an async function | a function that composes a graph when it is loaded | a graph of actions | a document in JSON | an async function |
//! | a crash is survived by | the next delivery of the message | the workflow engine on Redis, where that is configured | a recovery that the application starts | the service | the service |
//! | the step that failed is compensated | always | if it says so (`permanentFailure`) | no: an action has to fail as a whole | as it is drawn | as it is written |
//! | a time-out | ends the attempt; the outcome is unknown | marks the step afterwards | there is none | fails the state | is as it is written |
//! | needs | a table, or whatever implements [`Journal`] | Redis | a store of the application's | the service | the service |
//! | a straight run of `n` steps writes | `n + 1` records | was not counted | a record for each begin and end of a node | nothing of one's own; each transition has a price | nothing of one's own; each checkpoint has a price |
//! | waits for days or for signals, starts on a schedule | no | yes | no | yes | yes |
//! | shows its runs | [`Engine::list`], [`Engine::show`] | pages in its admin | graphs | a console | a console |
//! | used in production | not yet | widely | by its makers | very widely | since 2025 |
//!
//! What it says of the others is from their documentation, not from measurements here. For workflows that wait for people, take
//! one of the services: this crate has no timers of its own, and a run lives as long as its message is delivered.
//!
//! # What it costs
//!
//! `cargo bench -p workflow --bench engine` runs workflows whose steps add one to a number, on a journal that only writes the
//! record down as JSON. On two shared cores of a virtual machine, with the release profile:
//!
//! | steps with a compensation | time for a run | writes | bytes of all of them |
//! |---|---|---|---|
//! | 1 | 2.7 µs | 2 | 823 |
//! | 3 | 7.2 µs | 4 | 2,508 |
//! | 10 | 35 µs | 11 | 14,278 |
//!
//! The same additions made directly take nanoseconds. Bytes grow with the square of the number of steps, since each write
//! replaces the record as a whole; workflows of hundreds of steps are better cut into several.

mod admission;
mod application;
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
mod flow;
mod journal;
mod ledger;
mod memory;
mod observer;
mod policy;
mod run;
mod step;
mod unwind;
mod workflow;

pub use application::Application;
pub use config::EngineConfig;
pub use engine::{Engine, Invocation, Outcome};
pub use environment::{Environment, SystemEnvironment, Timestamp};
pub use error::{EngineError, JournalError, Phase, RunError, StepError};
pub use flow::Flow;
pub use journal::{Committed, Expected, Fence, Journal, RunPage, RunQuery};
pub use memory::MemoryJournal;
pub use observer::{AttemptEnd, Observer, RunEvent};
pub use policy::RetryPolicy;
pub use run::{Json, Run, RunId, RunState, StepRecord, StepState};
pub use step::{Call, Effect, Query, Step, StepResponse, StepResult};
pub use workflow::{GivenUp, Steps, Workflow};
