//! Circuits in memory, for tests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{Circuit, CircuitError, CircuitStore, Committed};

/// A store that holds circuits in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryCircuitStore {
    circuits: Arc<Mutex<BTreeMap<String, Circuit>>>,
}

impl MemoryCircuitStore {
    /// All circuits closed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn circuits(&self) -> MutexGuard<'_, BTreeMap<String, Circuit>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
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
    }
}
