//! Attempts counted in memory, for tests.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Attempt, Attempts, AttemptsError, Counted, PER_ACCOUNT, PER_ADDRESS, PER_ADDRESS_AND_ACCOUNT,
};

/// Counts attempts in memory. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct MemoryAttempts {
    counts: Arc<Mutex<HashMap<String, u32>>>,
}

impl MemoryAttempts {
    /// No attempts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one to each count, if each is below its limit.
    fn add(&self, limits: &[(String, u32)]) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |key: &String| counts.get(key).copied().unwrap_or_default();
        if limits.iter().any(|(key, limit)| count(key) >= *limit) {
            return false;
        }
        for (key, _) in limits {
            *counts.entry(key.clone()).or_default() += 1;
        }
        true
    }
}

/// What the writes of an attempt count, one after the other.
fn writes(attempt: &Attempt) -> Vec<Vec<(String, u32)>> {
    let address = attempt.address_key();
    let Some((account, key)) = attempt.account.as_ref().zip(attempt.account_key()) else {
        return vec![vec![(address, PER_ADDRESS)]];
    };
    let pair = (format!("{address} {account}"), PER_ADDRESS_AND_ACCOUNT);
    vec![vec![(address, PER_ADDRESS), pair], vec![(key, PER_ACCOUNT)]]
}

impl Attempts for MemoryAttempts {
    async fn begin(&self, attempt: &Attempt) -> Result<Counted, AttemptsError> {
        let counted = writes(attempt).iter().all(|limits| self.add(limits));
        Ok(if counted {
            Counted::Allowed
        } else {
            Counted::TooMany
        })
    }

    async fn give_back(&self, attempt: &Attempt) -> Result<(), AttemptsError> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in writes(attempt).iter().flatten() {
            if let Some(count) = counts.get_mut(key) {
                *count = count.saturating_sub(1);
            }
        }
        Ok(())
    }
}
