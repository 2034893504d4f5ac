//! How long a request to AWS may take.
//!
//! A function is frozen between two invocations, and a pooled connection may die meanwhile without a word: what is sent over it is never
//! answered. So an attempt is short, and whoever waits for a request waits long enough for a second attempt, which takes
//! another connection. Callers with a limit of their own assert that it [leaves room](Limits::leave_room_in) for one.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;

/// The longest wait before the second attempt. Before the third it is twice as long.
pub(crate) const BACKOFF: Duration = Duration::from_millis(200);
/// The most attempts at a request.
pub(crate) const ATTEMPTS: u32 = 3;

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One attempt.
    pub attempt: Duration,
    /// All attempts, and the waits between them.
    pub operation: Duration,
}

impl Limits {
    /// For most requests: DynamoDB and SQS answer in milliseconds.
    pub const SHORT: Self = Self {
        attempt: Duration::from_millis(800),
        operation: Duration::from_secs(3),
    };
    /// For those that take longer: a page of up to 1 MB, beside those of other shards, on a small part of a processor; a secret, which
    /// KMS decrypts; what a person's computer sends.
    pub const LONG: Self = Self {
        attempt: Duration::from_secs(3),
        operation: Duration::from_secs(7),
    };

    /// Whether so much time is enough for an attempt that is not answered, and a second one.
    #[must_use]
    pub const fn leave_room_in(self, time: Duration) -> bool {
        let needed = self.attempt.saturating_mul(2).saturating_add(BACKOFF);
        needed.as_millis() <= time.as_millis()
    }

    /// The same for the SDK.
    #[must_use]
    pub fn timeouts(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.operation)
            .build()
    }
}

const _: () = assert!(Limits::SHORT.leave_room_in(Limits::SHORT.operation));
const _: () = assert!(Limits::LONG.leave_room_in(Limits::LONG.operation));
