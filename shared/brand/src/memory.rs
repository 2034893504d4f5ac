//! Brands in memory, for tests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Brand, BrandId, BrandStore, Created, StoreError, Timestamp};

type Brands = BTreeMap<BrandId, Brand>;

/// A store that holds brands in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryBrandStore {
    brands: Arc<Mutex<Brands>>,
}

/// A write to a [`MemoryBrandStore`].
#[derive(Clone, Debug)]
pub struct MemoryBrandWrite {
    synced: Brand,
    at: Timestamp,
}

impl MemoryBrandStore {
    /// No brands.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn brands(&self) -> MutexGuard<'_, Brands> {
        self.brands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a brand as it is, in place of one of its id.
    pub fn put(&self, brand: Brand) {
        self.brands().insert(brand.id, brand);
    }

    /// Makes all the writes, or none and answers which one is refused, and why.
    pub fn transact(&self, writes: &[MemoryBrandWrite]) -> Result<(), (usize, String)> {
        let mut brands = self.brands();
        for (index, write) in writes.iter().enumerate() {
            let found = brands.get(&write.synced.id);
            if found.is_none_or(|found| found.version != write.synced.version) {
                return Err((
                    index,
                    format!("brand {} is gone or has changed", write.synced.id),
                ));
            }
        }
        for write in writes {
            if let Some(brand) = brands.get_mut(&write.synced.id) {
                brand.synced_at = Some(write.at);
            }
        }
        Ok(())
    }
}

impl BrandStore for MemoryBrandStore {
    type Write = MemoryBrandWrite;

    async fn create(&self, brand: &Brand) -> Result<Created, StoreError> {
        let mut brands = self.brands();
        if let Some(found) = brands.get(&brand.id) {
            return Ok(Created::Existing(Box::new(found.clone())));
        }
        brands.insert(brand.id, brand.clone());
        Ok(Created::New)
    }

    async fn get(&self, id: BrandId) -> Result<Option<Brand>, StoreError> {
        Ok(self.brands().get(&id).cloned())
    }

    fn mark_synced(&self, brand: &Brand, at: Timestamp) -> MemoryBrandWrite {
        MemoryBrandWrite {
            synced: brand.clone(),
            at,
        }
    }
}
