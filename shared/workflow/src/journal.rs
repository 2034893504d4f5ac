//! The port to the journal, where runs are kept.

use async_trait::async_trait;

use crate::{JournalError, Run, RunId, RunState, Timestamp};

/// Where runs are kept: one record a run.
///
/// An implementation is right if it passes the cases of the module `conformance` (with the feature of that name).
#[async_trait]
pub trait Journal<W>: Send + Sync {
    /// Writes `run` if the record stands as `expected`, and makes `writes` in the same transaction: all or nothing.
    ///
    /// It makes the write at most once; an error means that it is unknown whether it did.
    async fn commit(
        &self,
        run: &Run,
        expected: Expected,
        writes: &[W],
    ) -> Result<Committed, JournalError>;

    /// The run of that id, as the last write left it.
    async fn load(&self, id: &RunId) -> Result<Option<Run>, JournalError>;

    /// Notes that somebody wants the run cancelled, without touching anything else, if it is not over yet; and
    /// answers the run as it then stands. The first request's time stays.
    async fn request_cancel(&self, id: &RunId, at: Timestamp) -> Result<Option<Run>, JournalError>;

    /// A page of the runs that are kept, in no particular order.
    async fn list(&self, query: &RunQuery) -> Result<RunPage, JournalError>;

    /// How many bytes a record may have, as [`size`](Self::size) counts them.
    fn max_size(&self) -> usize {
        usize::MAX
    }

    /// About how many bytes the record of `run` takes; never less than it does.
    fn size(&self, run: &Run) -> usize {
        serde_json::to_vec(run).map_or(usize::MAX, |bytes| bytes.len())
    }
}

/// How the record of a run must stand for a write to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// There is none.
    Absent,
    /// It is as the writer left it, or found it.
    At(Fence),
}

/// What tells whether a record still is as a worker knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The record's [`Run::epoch`].
    pub epoch: u64,
    /// The record's [`Run::sequence`].
    pub sequence: u64,
    /// Whether the record has a [`Run::cancel_requested_at`]. It is part of the fence because the request is
    /// made by somebody who does not hold the lease: a worker that writes without having seen it must learn of it.
    pub cancel_requested: bool,
}

impl Fence {
    /// The fence of that record.
    #[must_use]
    pub const fn of(run: &Run) -> Self {
        Self {
            epoch: run.epoch,
            sequence: run.sequence,
            cancel_requested: run.cancel_requested_at.is_some(),
        }
    }
}

/// What became of a write.
#[derive(Clone, Debug)]
pub enum Committed {
    /// It is made.
    Applied,
    /// The record does not stand as expected: as it does stand, or none where there is no record.
    Conflict(Option<Box<Run>>),
    /// The record stands as expected, but one of the other writes was refused.
    Rejected {
        /// Which one.
        index: usize,
        /// Why.
        reason: String,
    },
}

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct RunQuery {
    /// Only runs of this workflow.
    pub workflow: Option<String>,
    /// Only runs in this state.
    pub state: Option<RunState>,
    /// How many runs to look at; the page has at most that many. The journal chooses where it is zero.
    pub limit: usize,
    /// Where the page before ended: its [`RunPage::next`].
    pub after: Option<String>,
}

impl RunQuery {
    /// Whether the query asks for `run`.
    #[must_use]
    pub fn matches(&self, run: &Run) -> bool {
        self.workflow
            .as_ref()
            .is_none_or(|workflow| *workflow == run.workflow)
            && self.state.is_none_or(|state| state == run.state)
    }
}

/// A page of runs.
#[derive(Clone, Debug, Default)]
pub struct RunPage {
    /// The runs; possibly none although there is a next page.
    pub runs: Vec<Run>,
    /// Where the next page begins; none where this is the last.
    pub next: Option<String>,
}
