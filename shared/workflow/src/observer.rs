//! What the engine tells of its runs, for metrics.

use std::time::Duration;

use crate::{Phase, RunState};

/// Is told what happens in runs as it happens; for counting and measuring. It must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn observe(&self, event: &RunEvent<'_>);
}

/// Something that happened in a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// An attempt at a step, or at its compensation, ended.
    Attempt {
        /// The workflow.
        workflow: &'a str,
        /// The declared step's name.
        step: &'a str,
        /// What was being done.
        during: Phase,
        /// How it ended.
        ended: AttemptEnd,
        /// How long it took.
        took: Duration,
    },
    /// A run that another worker began, or that had been suspended, was taken up again.
    Resumed {
        /// The workflow.
        workflow: &'a str,
    },
    /// An execution came to its end and left the run in this state.
    Ended {
        /// The workflow.
        workflow: &'a str,
        /// The run's state. `Invoking` and `WaitingToCompensate` mean that it is suspended.
        state: RunState,
    },
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It succeeded.
    Succeeded,
    /// It failed, and may succeed later.
    FailedTransiently,
    /// It failed for good, or panicked.
    FailedPermanently,
    /// It took too long and was ended.
    TimedOut,
}

/// Nobody is told anything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _: &RunEvent<'_>) {}
}
