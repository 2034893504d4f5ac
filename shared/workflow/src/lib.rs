//! Durable workflows of steps and compensations.

mod application;
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
pub use engine::{Engine, EngineConfig, Invocation, Outcome};
pub use environment::{Environment, SystemEnvironment, Timestamp};
pub use error::{EngineError, JournalError, Phase, RunError, StepError};
pub use flow::Flow;
pub use journal::{Committed, Expected, Fence, Journal, RunPage, RunQuery};
pub use memory::MemoryJournal;
pub use observer::{AttemptEnd, Observer, RunEvent};
pub use policy::RetryPolicy;
pub use run::{Json, Run, RunId, RunState, StepRecord, StepState};
pub use step::{Call, Effect, Query, Step, StepResponse, StepResult};
pub use workflow::{Steps, Workflow};
