//! The port to where circuits are kept.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use thiserror::Error;

use crate::Circuit;

/// Where circuits are kept, by the names of the services that they protect.
#[async_trait]
pub trait CircuitStore: Send + Sync {
    /// The circuit as the last write left it; closed where none has been written.
    async fn load(&self, id: &str) -> Result<Circuit, CircuitError>;

    /// Writes a circuit in place of the one with the expected revision; where none is expected, only if none has been written. A write
    /// that finds itself has been applied: it was repeated because its reply was lost.
    async fn commit(
        &self,
        id: &str,
        next: &Circuit,
        expected: Option<&str>,
    ) -> Result<Committed, CircuitError>;
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Committed {
    /// It is made.
    Applied,
    /// Nothing is written, since the circuit has changed: the circuit as it is.
    Conflict(Box<Circuit>),
}

/// The circuit could not be read or written.
#[derive(Clone, Debug, Error)]
pub enum CircuitError {
    /// The store did not answer, or not in time. A write may have been made.
    #[error("the circuits' table is not available")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The store refused the request for good.
    #[error("the circuits' table refused the request")]
    Refused(#[source] Arc<dyn Error + Send + Sync>),
    /// The item is not a circuit.
    #[error("the circuit cannot be read")]
    Unreadable(#[source] Arc<dyn Error + Send + Sync>),
    /// Others wrote it each time between our read and our write.
    #[error("the circuit kept changing")]
    Contended,
}

impl CircuitError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Contended)
    }
}
