//! Why messages are parked.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// What kind of failure parked a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// It is not an event, or its data does not fit its type.
    Malformed,
    /// It is larger than any event.
    TooLarge,
    /// There is no such event type.
    UnknownType,
    /// There is no brand with its id.
    UnknownBrand,
    /// The queue itself moved it: the consumer died or panicked at each delivery.
    Undelivered,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Malformed,
        Self::TooLarge,
        Self::UnknownType,
        Self::UnknownBrand,
        Self::Undelivered,
    ];

    /// The word for it, in attributes, logs and the brand's row. It does not change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::UnknownType => "unknown_type",
            Self::UnknownBrand => "unknown_brand",
            Self::Undelivered => "undelivered",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The word is not a kind of failure.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown kind of failure {0:?}: the kinds are {kinds}", kinds = FailureKind::ALL.map(FailureKind::as_str).join(", "))]
pub struct UnknownFailureKind(String);

impl FromStr for FailureKind {
    type Err = UnknownFailureKind;

    fn from_str(text: &str) -> Result<Self, UnknownFailureKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| UnknownFailureKind(text.to_owned()))
    }
}
