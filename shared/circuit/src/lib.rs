//! A circuit breaker for a service that many processes call: one item of a DynamoDB table says that it is open.
//!
//! - [`CircuitGate`]: a process asks it before it calls the service, and reports to it afterwards.
//! - [`CircuitBreaker`]: the sweep begins probes with it, and an operator opens and closes the circuit.
//! - [`Circuit`]: the item. Its transitions are plain functions of it and of the time.
//! - [`Pace`]: the rate at which a process calls the service.
//! - [`CallReports`]: what a process counts of its calls, and reports once a minute at most.
//! - [`ServiceStatus`]: both, for a person.
//!
//! A circuit is closed until five different keys (brands) have failed within a minute, with no success in between, or until the service
//! has refused our credentials. While it is open, only a probe calls the service: one at a time, after 1, 2, 4 … minutes, under a
//! lease with a random token. Where the failure came with a `Retry-After`, the next probe is not before it; at most 24 hours of it
//! count. The holder of the current token closes the circuit, or lengthens the wait. A circuit that an operator opened has no
//! probes, and only an operator closes it.
//!
//! While the service answers, the item is neither read nor written, and need not exist. So a process learns that the circuit is open
//! only after a failure of its own. Where the store is not available, the gate allows calls.

mod breaker;
mod calls;
mod circuit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dynamodb;
mod gate;
mod memory;
mod pace;
mod status;
mod store;

pub use breaker::CircuitBreaker;
pub use calls::{CallReports, CallStore, Calls, Minute, TenMinutes, WINDOW, last_hour};
pub use circuit::{
    Change, Circuit, CircuitConfig, ClosedBy, Closing, Failure, OpenedBy, Opening, ProbeLease,
    ProbeToken, Probing,
};
pub use dynamodb::DynamoDbCircuitStore;
pub use gate::{CircuitGate, Permit};
pub use memory::MemoryCircuitStore;
pub use pace::{LONGEST_PAUSE, Pace, Ticket, Turn};
pub use status::{CircuitView, MinuteView, ServiceStatus};
pub use store::{CircuitError, CircuitStore, Committed};
