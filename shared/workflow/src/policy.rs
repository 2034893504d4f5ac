//! How often, how long and how far apart a step is tried.

use std::time::Duration;

use crate::Environment;

/// How a step is tried within one invocation.
///
/// Only transient errors and time-outs are retried, and never past the invocation's deadline: then the run
/// is suspended, and the next delivery of its message goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often the step is tried, the first time included; at least one.
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles with each further one.
    pub base: Duration,
    /// What no wait exceeds, however many attempts went before.
    pub cap: Duration,
    /// How long one attempt may take. It is ended then, and its outcome counts as unknown.
    pub timeout: Duration,
}

impl RetryPolicy {
    /// One attempt, for a step that must not be repeated within one invocation.
    #[must_use]
    pub const fn once(timeout: Duration) -> Self {
        Self {
            attempts: 1,
            base: Duration::ZERO,
            cap: Duration::ZERO,
            timeout,
        }
    }

    /// The wait after `attempt` (counted from 1): anything between nothing and the exponential bound ("full
    /// jitter"), which spreads the retries of many workers best.
    /// See <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
    #[must_use]
    pub fn backoff(&self, attempt: u32, environment: &dyn Environment) -> Duration {
        let doubled = 1_u32
            .checked_shl(attempt.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let bound = self.base.saturating_mul(doubled).min(self.cap);
        let millis = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(environment.random() % millis.saturating_add(1))
    }
}

impl Default for RetryPolicy {
    /// Three attempts, up to 100 ms and 200 ms apart, of at most 10 s each.
    fn default() -> Self {
        Self {
            attempts: 3,
            base: Duration::from_millis(100),
            cap: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{FutureExt, future::BoxFuture};

    use super::RetryPolicy;
    use crate::{Environment, Timestamp};

    /// Draws always the same number.
    struct Drawn(u64);

    impl Environment for Drawn {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            std::future::ready(()).boxed()
        }

        fn random(&self) -> u64 {
            self.0
        }
    }

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 99,
        base: Duration::from_millis(100),
        cap: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
    };

    #[test]
    fn the_bound_of_a_wait_doubles_up_to_the_cap() {
        // The largest draw modulo (bound + 1) is the bound itself.
        for (attempt, bound) in [
            (1, 100),
            (2, 200),
            (3, 400),
            (6, 3_200),
            (7, 5_000),
            (99, 5_000),
        ] {
            let wait = POLICY.backoff(attempt, &Drawn(bound));
            assert_eq!(wait, Duration::from_millis(bound), "attempt {attempt}");
            let none = POLICY.backoff(attempt, &Drawn(bound + 1));
            assert_eq!(none, Duration::ZERO, "attempt {attempt}");
        }
    }

    #[test]
    fn a_wait_may_be_nothing() {
        assert_eq!(POLICY.backoff(5, &Drawn(0)), Duration::ZERO);
    }
}
