//! Why a run does not go on.

use std::time::Duration;

use crate::{JournalError, Run};

/// Why a run does not go on in this execution. Where several things happen, the weightiest counts.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// A step failed transiently and its attempts, or the time, are used up.
    Suspended {
        step: String,
        message: String,
        retry_after: Option<Duration>,
    },
    /// A step failed for good.
    Failed { step: String, message: String },
    /// Somebody asked for the run to be cancelled.
    Cancelled,
    /// What the run recorded does not fit the code.
    Definition(String),
    /// The run was begun before: as it stands.
    Found(Box<Run>),
    /// Another worker has taken the run over.
    LeaseLost,
    /// The journal failed.
    Journal(JournalError),
}

impl Halt {
    pub(super) const fn weight(&self) -> u8 {
        match self {
            Self::Suspended { .. } => 0,
            Self::Failed { .. } | Self::Cancelled => 1,
            Self::Definition(_) => 2,
            Self::Found(_) | Self::LeaseLost | Self::Journal(_) => 3,
        }
    }
}
