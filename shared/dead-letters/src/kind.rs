//! Why messages are parked, told apart.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// What kind of failure parked a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// It is no event, or not one of its type.
    Malformed,
    /// It is larger than any event.
    TooLarge,
    /// Nobody knows events of its type.
    UnknownType,
    /// Its run failed, and what was done is taken back. Sent again, the run is begun afresh.
    Reverted,
    /// Its run failed, and not everything could be taken back. Sent again, the run goes on taking back.
    Failed,
    /// The engine cannot carry out its run: the record or the workflow's definition stands against it.
    Engine,
    /// Its deliveries are used up before anything was decided.
    Exhausted,
    /// Its deliveries are used up, and the queue itself moved it: the consumer died each time, or the last time.
    Undelivered,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::TooLarge,
        Self::UnknownType,
        Self::Reverted,
        Self::Failed,
        Self::Engine,
        Self::Exhausted,
        Self::Undelivered,
    ];

    /// The word for it, in attributes, logs and the brand's row. It does not change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::UnknownType => "unknown_type",
            Self::Reverted => "reverted",
            Self::Failed => "failed",
            Self::Engine => "engine",
            Self::Exhausted => "exhausted",
            Self::Undelivered => "undelivered",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A word that names no kind of failure.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no kind of failure: they are {kinds}", kinds = FailureKind::ALL.map(FailureKind::as_str).join(", "))]
pub struct UnknownFailureKind(String);

impl FromStr for FailureKind {
    type Err = UnknownFailureKind;

    fn from_str(text: &str) -> Result<Self, UnknownFailureKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| UnknownFailureKind(text.to_owned()))
    }
}
