//! The port to the journal, where runs are kept, and a journal in memory.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use crate::{JournalError, Run, RunId};

/// Where runs are kept: one record a run.
///
/// An implementation is right if it passes the cases of the module `conformance` (with the feature of that name). It
/// may drop the record of a run that is [over](crate::RunState::is_over) at once; then a duplicate starts the run again.
#[async_trait]
pub trait Journal: Send + Sync {
    /// The run of that id, as the last write left it.
    async fn load(&self, id: &RunId) -> Result<Option<Run>, JournalError>;

    /// Writes `run` if the record stands as `expected`.
    ///
    /// It makes the write at most once. An error means that the outcome is unknown: the write may have been made, or may
    /// still be made later.
    async fn commit(&self, run: &Run, expected: Expected) -> Result<Committed, JournalError>;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// There is none.
    Absent,
    /// It is as the writer left it, or loaded it.
    At(Fence),
}

/// Identifies one state of a record. No two writes that a journal applies to a record have the same fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The record's [`Run::owner`].
    pub owner: String,
    /// The record's [`Run::sequence`].
    pub sequence: u64,
}

impl Fence {
    /// The fence of that record.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        Self {
            owner: run.owner.clone(),
            sequence: run.sequence,
        }
    }
}

/// The journal's answer to a write.
#[derive(Clone, Debug)]
pub enum Committed {
    /// The write is made.
    Applied,
    /// The record does not stand as expected: as it does stand, or none where there is no record.
    Conflict(Option<Box<Run>>),
}

/// A journal that holds its runs in memory and forgets them with the process; for tests and for trying things out.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    runs: Mutex<BTreeMap<RunId, Run>>,
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn load(&self, id: &RunId) -> Result<Option<Run>, JournalError> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(runs.get(id).cloned())
    }

    async fn commit(&self, run: &Run, expected: Expected) -> Result<Committed, JournalError> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let found = runs.get(&run.id);
        let as_expected = match (found, expected) {
            (None, Expected::Absent) => true,
            (Some(found), Expected::At(fence)) => Fence::of(found) == fence,
            (None, Expected::At(_)) | (Some(_), Expected::Absent) => false,
        };
        if !as_expected {
            return Ok(Committed::Conflict(found.cloned().map(Box::new)));
        }
        runs.insert(run.id.clone(), run.clone());
        Ok(Committed::Applied)
    }
}
