//! What all changes of a brand have in common: the store is written to, in time, and then the change is announced.

use std::time::Duration;

use aws::Limits;
use brand::{Brand, BrandEvents, StoreError};
use telemetry::{Metrics, Trace};
use tokio::time::timeout;
use tracing::{error, warn};

use crate::{ApiError, Deadline};

/// How long an announcement may take: it is not worth a client's waiting.
const ANNOUNCE: Duration = Duration::from_secs(2);
const _: () = assert!(Limits::SHORT.leave_room_in(ANNOUNCE));

/// What the store answers; where it fails, or does not answer in time, the client learns no more than that.
///
/// A request of the SDK is a future of 6 KB, here and below. It is boxed, since each future around it would copy it, and the
/// handler's is wrapped a dozen times before it is polled.
pub fn in_time<T>(
    deadline: &Deadline,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> impl Future<Output = Result<T, ApiError>> {
    let answer = timeout(deadline.time_left(), Box::pin(answer));
    async {
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(cause)) => {
                error!(error = telemetry::chain(&cause), "the store failed");
                Err(ApiError::Unknown)
            }
            Err(_) => {
                error!("the store did not answer in time");
                Err(ApiError::Unknown)
            }
        }
    }
}

/// Announces a brand, in the trace of the request that wrote it. A failure is counted and logged, and no more: the brand's row
/// is due, so the sweep sends a reminder.
pub async fn announce(
    events: &impl BrandEvents,
    brand: &Brand,
    deadline: &Deadline,
    trace: &Trace,
    metrics: &mut Metrics,
) {
    let time = deadline.time_left().min(ANNOUNCE);
    let announced = timeout(time, Box::pin(events.announce(brand, trace))).await;
    let failure = match announced {
        Ok(Ok(())) => {
            metrics.add("announced");
            return;
        }
        Ok(Err(cause)) => telemetry::chain(&cause),
        Err(_) => "no answer in time".to_owned(),
    };
    warn!(brand.id = %brand.id, error = failure, "announce_failed");
    metrics.add("announce_failed");
}
