//! How far a brand's sync is, in a word.

use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

use crate::{BrandRow, CMS_SUBSCRIBER, MarkKind, Timestamp};

/// A state that a brand's sync can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// The CMS holds the current version.
    Synced,
    /// It has not been begun with, or was tried and waits.
    Waiting,
    /// A worker is at it.
    Syncing,
    /// The CMS refused the version; what was done is undone.
    Refused,
    /// The CMS refused the version, and refused to undo it.
    Failed,
    /// The CMS was away for longer than the time budget.
    Paused,
    /// A person cancelled the run; what was done is undone.
    Cancelled,
}

impl SyncState {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Synced,
        Self::Waiting,
        Self::Syncing,
        Self::Refused,
        Self::Failed,
        Self::Paused,
        Self::Cancelled,
    ];

    /// All but synced: those that are looked for.
    pub const UNSYNCED: [Self; 6] = [
        Self::Waiting,
        Self::Syncing,
        Self::Refused,
        Self::Failed,
        Self::Paused,
        Self::Cancelled,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Waiting => "waiting",
            Self::Syncing => "syncing",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that row.
    #[must_use]
    pub fn of(row: &BrandRow, now: Timestamp) -> Self {
        let state = row.subscriber(CMS_SUBSCRIBER);
        if let Some(mark) = state.mark_of(row.brand.version) {
            return match mark.kind {
                MarkKind::Refused => Self::Refused,
                MarkKind::Failed => Self::Failed,
                MarkKind::Paused => Self::Paused,
                MarkKind::Cancelled => Self::Cancelled,
            };
        }
        if state.reached >= row.brand.version {
            Self::Synced
        } else if row.is_leased(now) {
            Self::Syncing
        } else {
            Self::Waiting
        }
    }
}

/// The word is not a sync state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a sync state")]
pub struct UnknownSyncState;

impl FromStr for SyncState {
    type Err = UnknownSyncState;

    fn from_str(text: &str) -> Result<Self, UnknownSyncState> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or(UnknownSyncState)
    }
}
