//! The port to where poison goes.

use std::{error::Error, sync::Arc};

use dead_letters::{DeadLetter, DeadLetterQueue};
use thiserror::Error;

/// Where messages are parked that cannot be worked on.
pub trait Parking: Send + Sync {
    /// Parks a message. Acknowledge it only after that; an error means that it is unknown whether it is parked.
    fn park(
        &self,
        letter: &DeadLetter<'_>,
    ) -> impl Future<Output = Result<(), ParkingError>> + Send;
}

/// The message was not parked, as far as is known.
#[derive(Clone, Debug, Error)]
#[error("the message could not be parked")]
pub struct ParkingError(#[source] pub Arc<dyn Error + Send + Sync>);

impl Parking for DeadLetterQueue {
    async fn park(&self, letter: &DeadLetter<'_>) -> Result<(), ParkingError> {
        let parked = Self::park(self, letter).await;
        parked.map_err(|error| ParkingError(Arc::new(error)))
    }
}
