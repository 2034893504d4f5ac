//! The one place that maps what failed to what becomes of the message.

use std::time::Duration;

use brand::BrandVersion;
use dead_letters::FailureKind;
use workflow::Timestamp;

use crate::Failure;

/// The longest wait before a message is delivered a second time; it doubles with each further delivery.
const BACKOFF: Duration = Duration::from_secs(2);
/// What no wait exceeds.
const MAX_BACKOFF: Duration = Duration::from_mins(15);

/// What is to be done with a message.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is done with.
    Acknowledge,
    /// It is to be delivered again, after that time.
    Postpone { wait: Duration, reason: String },
    /// It is to be delivered again, after that time, and has no delivery left: it is sent anew.
    SendAnew { wait: Duration, reason: String },
    /// No repetition cures it.
    Park { kind: FailureKind, reason: String },
    /// Its run was given up, and no repetition cures it, unless it was overtaken.
    GiveUp {
        brand: BrandVersion,
        kind: FailureKind,
        reason: String,
    },
}

impl Verdict {
    /// On what has failed, in a message that was received `receives` times, of `max_receives`.
    pub(crate) fn on(failure: &Failure, receives: u32, max_receives: u32) -> Self {
        let reason = telemetry::chain(failure);
        let wait = match failure {
            Failure::Poison(poison) => {
                let kind = poison.kind();
                return Self::Park { kind, reason };
            }
            Failure::Reverted { brand, .. } => {
                return Self::give_up(*brand, FailureKind::Reverted, reason);
            }
            Failure::Failed { brand, .. } => {
                return Self::give_up(*brand, FailureKind::Failed, reason);
            }
            // The brand stays in the outbox: it is announced again, and its run carried out once it can be.
            Failure::Engine(_) => {
                let kind = FailureKind::Engine;
                return Self::Park { kind, reason };
            }
            Failure::Running { until } => {
                let now = Timestamp::from_millis(brand::Timestamp::now().as_millis());
                let wait = until.map_or(BACKOFF, |until| now.until(until).max(BACKOFF));
                // Whoever is at the run may be the delivery before this one, dying: nobody else may know of it.
                if receives >= max_receives {
                    return Self::SendAnew { wait, reason };
                }
                wait
            }
            Failure::Suspended { retry_after, .. } => {
                retry_after.unwrap_or_default().max(backoff(receives))
            }
            Failure::Journal(_) => backoff(receives),
        };
        Self::again(wait, reason, receives >= max_receives)
    }

    /// It is to be delivered again. If that was the last delivery, it is parked: the queue would do so without a word, and
    /// the brand, whose sync is not decided, stays in the outbox.
    pub(crate) fn again(wait: Duration, reason: String, is_last: bool) -> Self {
        if is_last {
            let kind = FailureKind::Exhausted;
            Self::Park { kind, reason }
        } else {
            Self::Postpone { wait, reason }
        }
    }

    fn give_up(brand: BrandVersion, kind: FailureKind, reason: String) -> Self {
        Self::GiveUp {
            brand,
            kind,
            reason,
        }
    }
}

/// A growing, jittered wait, by how often the message has been received: at least half of the exponential bound, so
/// that a run which waits for something gets away from it.
pub(crate) fn backoff(receives: u32) -> Duration {
    let doubled = 1_u32
        .checked_shl(receives.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let bound = BACKOFF.saturating_mul(doubled).min(MAX_BACKOFF);
    bound.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BACKOFF, MAX_BACKOFF, backoff};

    #[test]
    fn the_wait_grows_with_each_delivery_up_to_a_bound() {
        for (receives, bound) in [(1, BACKOFF), (2, BACKOFF * 2), (5, BACKOFF * 16)] {
            let waits: Vec<Duration> = (0..100).map(|_| backoff(receives)).collect();
            assert!(waits.iter().all(|wait| (bound / 2..=bound).contains(wait)));
            assert!(
                waits.iter().any(|wait| Some(wait) != waits.first()),
                "jitter"
            );
        }
        assert!(backoff(u32::MAX) <= MAX_BACKOFF);
    }
}
