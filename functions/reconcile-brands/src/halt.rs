//! Time, and what ends an invocation's work.

use std::time::Duration;

use brand::{StoreError, Timestamp};
use thiserror::Error;
use workflow::Environment;

use crate::caller::CallError;

/// How much of an invocation's time is kept for the last call of the CMS to end, and for the last write.
const LAST_WRITE: Duration = Duration::from_secs(10);

/// Why a reconciliation does not get on in this invocation. The next one goes on.
#[derive(Debug, Error)]
pub(crate) enum Halt {
    /// The CMS.
    #[error(transparent)]
    Cms(#[from] CallError),
    /// The table of brands.
    #[error(transparent)]
    Brands(#[from] StoreError),
    /// The invocation ends.
    #[error("no time is left")]
    NoTime,
    /// It cannot go on at all.
    #[error("{0}")]
    Stopped(String),
}

/// The clock, and when the invocation ends.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) environment: &'a dyn Environment,
    pub(crate) deadline: Option<workflow::Timestamp>,
}

impl Moment<'_> {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.environment.now().as_millis())
    }

    /// Until when something may begin.
    pub(crate) fn latest(&self) -> Option<workflow::Timestamp> {
        self.deadline.map(|deadline| deadline.minus(LAST_WRITE))
    }

    pub(crate) fn has(&self, time: Duration) -> bool {
        let now = self.environment.now();
        self.latest().is_none_or(|latest| now.plus(time) <= latest)
    }
}
