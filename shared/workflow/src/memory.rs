//! A journal in memory, for tests and for trying things out.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{
    Committed, Expected, Fence, Journal, JournalError, Run, RunId, RunPage, RunQuery, Timestamp,
};

/// Makes the writes that steps handed over, all or none; or says which one is refused, and why.
type Transact<W> = Box<dyn Fn(&[W]) -> Result<(), (usize, String)> + Send + Sync>;

/// A journal that holds its runs in memory, and forgets them with the process.
pub struct MemoryJournal<W> {
    runs: Mutex<BTreeMap<RunId, Run>>,
    transact: Transact<W>,
}

impl<W> MemoryJournal<W> {
    /// An empty journal that makes the writes which steps hand over with `transact`: all of them, or none and it
    /// answers which one is refused, and why.
    pub fn new(
        transact: impl Fn(&[W]) -> Result<(), (usize, String)> + Send + Sync + 'static,
    ) -> Self {
        Self {
            runs: Mutex::default(),
            transact: Box::new(transact),
        }
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<RunId, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryJournal<std::convert::Infallible> {
    /// An empty journal for workflows whose steps hand over nothing.
    fn default() -> Self {
        Self::new(|_| Ok(()))
    }
}

impl<W> fmt::Debug for MemoryJournal<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemoryJournal")
            .field("runs", &*self.runs())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<W: Send + Sync> Journal<W> for MemoryJournal<W> {
    async fn commit(
        &self,
        run: &Run,
        expected: Expected,
        writes: &[W],
    ) -> Result<Committed, JournalError> {
        let mut runs = self.runs();
        let found = runs.get(&run.id);
        let as_expected = match (found, expected) {
            (None, Expected::Absent) => true,
            (Some(found), Expected::At(fence)) => Fence::of(found) == fence,
            (None, Expected::At(_)) | (Some(_), Expected::Absent) => false,
        };
        if !as_expected {
            return Ok(Committed::Conflict(found.cloned().map(Box::new)));
        }
        if let Err((index, reason)) = (self.transact)(writes) {
            return Ok(Committed::Rejected { index, reason });
        }
        runs.insert(run.id.clone(), run.clone());
        Ok(Committed::Applied)
    }

    async fn load(&self, id: &RunId) -> Result<Option<Run>, JournalError> {
        Ok(self.runs().get(id).cloned())
    }

    async fn request_cancel(&self, id: &RunId, at: Timestamp) -> Result<Option<Run>, JournalError> {
        let mut runs = self.runs();
        let Some(run) = runs.get_mut(id) else {
            return Ok(None);
        };
        if !run.state.is_over() {
            run.cancel_requested_at.get_or_insert(at);
        }
        Ok(Some(run.clone()))
    }

    async fn list(&self, query: &RunQuery) -> Result<RunPage, JournalError> {
        let limit = if query.limit == 0 { 100 } else { query.limit };
        let after = query.after.as_deref().map(RunId::new);
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let runs = self.runs();
        let mut rest = runs.range((start, Bound::Unbounded)).map(|(_, run)| run);
        let looked_at: Vec<&Run> = rest.by_ref().take(limit).collect();
        let next = rest
            .next()
            .and(looked_at.last())
            .map(|run| run.id.to_string());
        let runs = looked_at
            .into_iter()
            .filter(|run| query.matches(run))
            .cloned()
            .collect();
        Ok(RunPage { runs, next })
    }
}
