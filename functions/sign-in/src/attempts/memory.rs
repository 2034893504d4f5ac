//! Attempts counted in memory, for tests.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Attempts, AttemptsError, Begun, Count, Counter, PER_ADDRESS_AND_ACCOUNT};

/// Counts attempts in memory. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct MemoryAttempts {
    items: Arc<Mutex<HashMap<String, Item>>>,
}

#[derive(Debug, Default)]
struct Item {
    /// By account; the item's own under none.
    counters: HashMap<Option<String>, Counter>,
    last_at: u64,
}

impl MemoryAttempts {
    /// No attempts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with_item<T>(&self, count: &Count, change: impl FnOnce(&mut Item) -> T) -> T {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        change(items.entry(count.key.clone()).or_default())
    }
}

/// The counters that an attempt is counted in, with their limits.
fn limits(count: &Count) -> Vec<(Option<String>, u32)> {
    let account = count.account.clone();
    let of_account = account.map(|account| (Some(account), PER_ADDRESS_AND_ACCOUNT));
    [(None, count.limit)]
        .into_iter()
        .chain(of_account)
        .collect()
}

impl Attempts for MemoryAttempts {
    async fn begin(&self, count: &Count) -> Result<Begun, AttemptsError> {
        let limits = limits(count);
        Ok(self.with_item(count, |item| {
            let begun = limits.iter().map(|(name, limit)| {
                let counter = item.counters.get(name).copied().unwrap_or_default();
                counter.begin(*limit, item.last_at, count.now)
            });
            let begun = begun.max().unwrap_or(Begun::TooMany);
            if begun == Begun::Allowed {
                for (name, _) in limits {
                    item.counters.entry(name).or_default().attempts += 1;
                }
                item.last_at = count.now;
            }
            begun
        }))
    }

    async fn give_back(&self, count: &Count) -> Result<(), AttemptsError> {
        let limits = limits(count);
        self.with_item(count, |item| {
            let counter = |name| item.counters.get(name).copied().unwrap_or_default();
            let is_in_flight = limits.iter().all(|(name, _)| {
                let counter = counter(name);
                counter.attempts > counter.failed
            });
            for (name, _) in limits.into_iter().filter(|_| is_in_flight) {
                item.counters.entry(name).or_default().attempts -= 1;
            }
        });
        Ok(())
    }

    async fn fail(&self, count: &Count) -> Result<(), AttemptsError> {
        self.with_item(count, |item| {
            for (name, _) in limits(count) {
                if let Some(counter) = item.counters.get_mut(&name) {
                    counter.failed += 1;
                }
            }
        });
        Ok(())
    }
}
