//! Settings: how steps are retried, how runs wait, and the engine's margins.

use std::time::Duration;

use crate::Environment;

/// How a step is retried within one invocation.
///
/// Only transient errors are retried, and never past the invocation's deadline. Then the run is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most attempts, the first one included; at least one is made.
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles with each further one.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
    /// How long an attempt may take. The engine ends it then, and its outcome is unknown.
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

    /// The wait after `attempt` (counted from 1): anything between zero and the exponential bound ("full
    /// jitter"), which spreads the retries of many workers best.
    /// See <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
    #[must_use]
    pub fn backoff(&self, attempt: u32, environment: &dyn Environment) -> Duration {
        let bound = doubled(self.base, attempt.saturating_sub(1), self.cap);
        jitter(bound, environment)
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

/// How long a suspended run waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumePolicy {
    /// The longest wait after the first suspension; it doubles with each further one.
    pub first: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl ResumePolicy {
    /// The wait after so many earlier suspensions: anything between half the exponential bound and the bound. A wait
    /// near zero, as full jitter allows, would call a target that is away almost at once.
    #[must_use]
    pub fn wait(&self, suspensions: u32, environment: &dyn Environment) -> Duration {
        let bound = doubled(self.first, suspensions, self.cap);
        let half = bound / 2;
        half.saturating_add(jitter(bound.saturating_sub(half), environment))
    }
}

/// The engine's settings.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// How long a run that is over stays in the journal. A duplicate that comes later finds nothing, so this must far
    /// exceed the time that the queue keeps a message.
    pub retention: Duration,
    /// How long a lease outlives the invocation's deadline, and an unanswered call. It covers the difference between
    /// two workers' clocks, and the time in which an unanswered call may still take effect.
    pub lease_margin: Duration,
    /// How long before the invocation's deadline the last attempt ends, so that progress can still be recorded.
    pub deadline_margin: Duration,
    /// How long an invocation without a deadline may take.
    pub default_time: Duration,
    /// How a write to the journal is retried.
    pub journal_retry: RetryPolicy,
    /// How long a suspended run waits.
    pub resume: ResumePolicy,
    /// How long an attempt of a run may meet transient errors before it is paused.
    pub time_budget: Duration,
}

impl Default for EngineConfig {
    /// Records are kept for 30 days; leases outlive the deadline by 5 s; attempts end 1 s before it; an invocation
    /// without a deadline may take a minute; a suspended run waits 1 minute, 2, 4 … up to an hour; after 72 hours it is
    /// paused.
    fn default() -> Self {
        Self {
            retention: Duration::from_hours(30 * 24),
            lease_margin: Duration::from_secs(5),
            deadline_margin: Duration::from_secs(1),
            default_time: Duration::from_mins(1),
            journal_retry: RetryPolicy::default(),
            resume: ResumePolicy {
                first: Duration::from_mins(1),
                cap: Duration::from_hours(1),
            },
            time_budget: Duration::from_hours(72),
        }
    }
}

/// `first`, doubled so many times, but at most `cap`.
fn doubled(first: Duration, times: u32, cap: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(cap)
}

/// Anything between zero and `bound`, in milliseconds.
fn jitter(bound: Duration, environment: &dyn Environment) -> Duration {
    let millis = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(environment.random() % millis.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{FutureExt, future::BoxFuture};

    use super::{EngineConfig, RetryPolicy};
    use crate::{Environment, Timestamp};

    /// Always draws the same number.
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

    #[test]
    fn the_bound_of_a_backoff_doubles_up_to_the_cap() {
        let policy = RetryPolicy::default();
        // The largest draw modulo (bound + 1) is the bound itself.
        for (attempt, bound) in [
            (1, 100),
            (2, 200),
            (3, 400),
            (6, 3_200),
            (7, 5_000),
            (99, 5_000),
        ] {
            let wait = policy.backoff(attempt, &Drawn(bound));
            assert_eq!(wait, Duration::from_millis(bound), "attempt {attempt}");
            let none = policy.backoff(attempt, &Drawn(bound + 1));
            assert_eq!(none, Duration::ZERO, "attempt {attempt}");
        }
    }

    #[test]
    fn a_suspended_run_waits_between_half_the_bound_and_the_bound_which_doubles_up_to_the_cap() {
        let policy = EngineConfig::default().resume;
        for (suspensions, bound) in [
            (0, 60_000),
            (1, 120_000),
            (5, 1_920_000),
            (6, 3_600_000),
            (200, 3_600_000),
        ] {
            let least = policy.wait(suspensions, &Drawn(0));
            assert_eq!(least, Duration::from_millis(bound / 2), "{suspensions}");
            let most = policy.wait(suspensions, &Drawn(bound / 2));
            assert_eq!(most, Duration::from_millis(bound), "{suspensions}");
        }
    }
}
