//! Circuits and reports of calls in memory, for tests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{CallStore, Calls, Circuit, CircuitError, CircuitStore, Committed, TenMinutes, WINDOW};

type Windows = BTreeMap<(String, TenMinutes), [Calls; WINDOW]>;

/// A store that holds circuits and reports of calls in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryCircuitStore {
    circuits: Arc<Mutex<BTreeMap<String, Circuit>>>,
    calls: Arc<Mutex<Windows>>,
}

impl MemoryCircuitStore {
    /// All circuits closed, and no calls.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn circuits(&self) -> MutexGuard<'_, BTreeMap<String, Circuit>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, Windows> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CallStore for MemoryCircuitStore {
    async fn add(
        &self,
        service: &str,
        window: TenMinutes,
        counted: &[Calls; WINDOW],
    ) -> Result<(), CircuitError> {
        let mut calls = self.calls();
        let known = calls.entry((service.to_owned(), window)).or_default();
        for (known, more) in known.iter_mut().zip(counted) {
            known.add(*more);
        }
        Ok(())
    }

    async fn read(
        &self,
        service: &str,
        windows: &[TenMinutes],
    ) -> Result<BTreeMap<TenMinutes, [Calls; WINDOW]>, CircuitError> {
        let calls = self.calls();
        let found = windows.iter().filter_map(|window| {
            let found = calls.get(&(service.to_owned(), *window))?;
            Some((*window, *found))
        });
        Ok(found.collect())
    }
}

#[async_trait]
impl CircuitStore for MemoryCircuitStore {
    async fn load(&self, id: &str) -> Result<Circuit, CircuitError> {
        Ok(self.circuits().get(id).cloned().unwrap_or_default())
    }

    async fn commit(
        &self,
        id: &str,
        next: &Circuit,
        expected: Option<&str>,
    ) -> Result<Committed, CircuitError> {
        let mut circuits = self.circuits();
        let found = circuits.get(id).cloned().unwrap_or_default();
        if found.revision == next.revision {
            return Ok(Committed::Applied);
        }
        if found.revision.as_deref() != expected {
            return Ok(Committed::Conflict(Box::new(found)));
        }
        circuits.insert(id.to_owned(), next.clone());
        Ok(Committed::Applied)
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use super::MemoryCircuitStore;
    use crate::conformance;

    #[tokio::test]
    async fn the_store_in_memory_does_what_a_store_must() {
        let cases = conformance::check(&MemoryCircuitStore::new(), "memory").await;
        assert!(cases > 0);
        let cases = conformance::check_calls(&MemoryCircuitStore::new(), "memory").await;
        assert!(cases > 0);
    }
}
