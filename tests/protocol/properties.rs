//! What the protocol promises: in every state, and where the system has come to rest.

use std::fmt::{self, Display, Formatter};

use crate::state::{State, Status};

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Where the row says that it is synced and no run is open, the CMS shows what the row says.
    SyncedIsTrue,
    /// At rest, the CMS shows what the row says it was told, unless it is reported that this is in doubt.
    NoOrphan,
    /// At rest, the CMS shows no brand that is deleted, unless it is reported that it could not be removed.
    DeletedIsGone,
    /// At rest, the brand is synced, or it is reported that it could not be; and no run is open.
    NotLost,
    /// From everywhere there is a way to rest, on which nothing fails.
    ComesToRest,
}

impl Promise {
    pub(crate) const ALL: [Self; 5] = [
        Self::SyncedIsTrue,
        Self::NoOrphan,
        Self::DeletedIsGone,
        Self::NotLost,
        Self::ComesToRest,
    ];

    /// Whether the state keeps it. Whether it comes to rest, the search must say.
    pub(crate) fn is_kept(self, state: &State, is_at_rest: bool) -> bool {
        let Some(row) = state.row else { return true };
        let is_right = state.cms == row.content();
        match self {
            Self::SyncedIsTrue => row.status != Status::Synced || state.has_open_run() || is_right,
            Self::NoOrphan => {
                let is_known = state.cms == row.in_cms;
                !is_at_rest || is_known || (state.has_leftover() && state.is_reported())
            }
            Self::DeletedIsGone => {
                let is_gone = !row.is_deleted || state.cms.is_none();
                !is_at_rest || is_gone || state.is_reported()
            }
            Self::NotLost => !is_at_rest || Rest::of(state).is_some(),
            Self::ComesToRest => true,
        }
    }
}

impl Display for Promise {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SyncedIsTrue => "the row says synced, and the CMS shows something else",
            Self::NoOrphan => "at rest, the CMS shows something else than the row knows of",
            Self::DeletedIsGone => "at rest, the CMS shows a deleted brand",
            Self::NotLost => "at rest, the brand is neither synced nor reported",
            Self::ComesToRest => "from here on there is no rest, though nothing fails any more",
        })
    }
}

/// How the system comes to rest, if it does well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rest {
    /// Nothing was ever created.
    Nothing,
    /// The CMS shows the brand.
    Synced,
    /// The brand is deleted, and the CMS shows nothing.
    Deleted,
    /// It could not be synced: the CMS shows what it did before, and the event is in the dead-letter queue.
    Reported,
    /// As before, and what the CMS shows is in doubt.
    InDoubt,
}

impl Rest {
    /// How the system is at rest in a state in which it can do nothing by itself; none if a brand is lost there.
    pub(crate) fn of(state: &State) -> Option<Self> {
        let Some(row) = state.row else {
            return Some(Self::Nothing);
        };
        let is_over = state.is_idle() && !state.has_open_run();
        let is_told = state.cms == row.in_cms;
        match row.status {
            Status::Synced if is_over && is_told && state.cms == row.content() => {
                Some(if row.is_deleted {
                    Self::Deleted
                } else {
                    Self::Synced
                })
            }
            Status::Failed if is_over && state.is_reported() && state.has_leftover() => {
                Some(Self::InDoubt)
            }
            Status::Failed if is_over && state.is_reported() && is_told => Some(Self::Reported),
            _ => None,
        }
    }
}
