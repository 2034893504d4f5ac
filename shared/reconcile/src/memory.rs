//! Reconciliations in memory, for tests.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{
    Asked, Hint, Inbox, MOST_HINTS, Reconciliation, ReconciliationError, ReconciliationStore,
    Request,
};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryReconciliationStore {
    kept: Mutex<BTreeMap<String, Reconciliation>>,
    asked: Mutex<BTreeMap<String, Asked>>,
}

impl MemoryReconciliationStore {
    fn asked(&self) -> MutexGuard<'_, BTreeMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Reconciliation>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ReconciliationStore for MemoryReconciliationStore {
    async fn load(&self, target: &str) -> Result<Reconciliation, ReconciliationError> {
        Ok(self.kept().get(target).cloned().unwrap_or_default())
    }

    async fn commit(
        &self,
        target: &str,
        next: &Reconciliation,
        expected: Option<&str>,
    ) -> Result<bool, ReconciliationError> {
        let mut kept = self.kept();
        let found = kept.get(target).and_then(|kept| kept.revision.as_deref());
        if found != expected {
            return Ok(found.is_some() && found == next.revision.as_deref());
        }
        kept.insert(target.to_owned(), next.clone());
        Ok(true)
    }
}

#[async_trait]
impl Inbox for MemoryReconciliationStore {
    async fn ask(&self, target: &str, request: &Request) -> Result<(), ReconciliationError> {
        let mut asked = self.asked();
        asked.entry(target.to_owned()).or_default().request = Some(request.clone());
        Ok(())
    }

    async fn hint(&self, target: &str, hint: &Hint) -> Result<bool, ReconciliationError> {
        let mut asked = self.asked();
        let hints = &mut asked.entry(target.to_owned()).or_default().hints;
        if hints.len() >= MOST_HINTS {
            return Ok(false);
        }
        hints.insert(hint.clone());
        Ok(true)
    }

    async fn look(&self, target: &str) -> Result<Asked, ReconciliationError> {
        Ok(self.asked().get(target).cloned().unwrap_or_default())
    }

    async fn take(&self, target: &str, taken: &Asked) -> Result<(), ReconciliationError> {
        if let Some(asked) = self.asked().get_mut(target) {
            asked.hints.retain(|hint| !taken.hints.contains(hint));
            if asked.request == taken.request {
                asked.request = None;
            }
        }
        Ok(())
    }
}
