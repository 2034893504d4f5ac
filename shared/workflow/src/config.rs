//! The engine's settings.

use std::time::Duration;

use crate::RetryPolicy;

/// The engine's settings.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// How long a run that is over stays in the journal. A duplicate that comes later than that finds nothing,
    /// so it is to exceed the time that the queue keeps a message by far.
    pub retention: Duration,
    /// By how much a run's lease outlives the invocation's deadline. It covers the difference of two workers'
    /// clocks, and the time in which a request that was given up may still take effect.
    pub lease_margin: Duration,
    /// How long before the invocation's deadline the last attempt ends, so that what there is can still be recorded.
    pub deadline_margin: Duration,
    /// How much of the last delivery's time is kept for taking things back.
    pub revert_reserve: Duration,
    /// How long an invocation may take of which the deadline is not known.
    pub default_time: Duration,
    /// How a write to the journal is tried.
    pub journal_retry: RetryPolicy,
}

impl Default for EngineConfig {
    /// Records are kept for 30 days; leases outlive the deadline by 5 s; attempts end 1 s before it, and 5 s
    /// before that in the last delivery; an invocation without a deadline may take a minute.
    fn default() -> Self {
        Self {
            retention: Duration::from_hours(30 * 24),
            lease_margin: Duration::from_secs(5),
            deadline_margin: Duration::from_secs(1),
            revert_reserve: Duration::from_secs(5),
            default_time: Duration::from_mins(1),
            journal_retry: RetryPolicy::default(),
        }
    }
}
