//! What the engine reports about its runs, for metrics.

use std::time::Duration;

use crate::{Phase, RunState};

/// Receives what happens in runs, as it happens, for counting and measuring. It must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn observe(&self, event: &RunEvent<'_>);
}

/// Something that happened in a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// An attempt at a step, at its compensation or at a query ended.
    Attempt {
        /// The workflow.
        workflow: &'a str,
        /// The declared step's name.
        step: &'a str,
        /// What the attempt was for.
        during: Phase,
        /// How it ended.
        outcome: AttemptOutcome,
        /// How long it took.
        took: Duration,
    },
    /// An execution took over a run that was recorded before.
    Resumed {
        /// The workflow.
        workflow: &'a str,
    },
    /// An execution ended and left the run like this.
    Ended {
        /// The workflow.
        workflow: &'a str,
        /// The run's state.
        state: RunState,
        /// Whether it is suspended.
        suspended: bool,
        /// Whether it is paused.
        paused: bool,
    },
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// It succeeded.
    Success,
    /// The other side answered that it failed; it may succeed later.
    TransientFailure,
    /// It was not answered and may still take effect.
    Unanswered,
    /// It took too long, and the engine ended it; it may still take effect.
    TimeOut,
    /// It failed for good.
    PermanentFailure,
    /// It panicked, which counts as a permanent failure that was not answered.
    Panic,
}

/// Ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoObserver;

impl Observer for NoObserver {
    fn observe(&self, _: &RunEvent<'_>) {}
}
