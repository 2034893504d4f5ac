//! Brands in memory, for tests.

mod reading;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Brand, BrandId, BrandName, BrandStore, BrandVersion, Changed, Created, StoreError, SyncFailure,
    Timestamp,
};

/// Each with the time before which it is not announced again.
type Brands = BTreeMap<BrandId, (Brand, Timestamp)>;

/// A store that holds brands in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryBrandStore {
    brands: Arc<Mutex<Brands>>,
}

/// A write to a [`MemoryBrandStore`].
#[derive(Clone, Debug)]
pub struct MemoryBrandWrite {
    brand: BrandVersion,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Synced {
        in_cms: Option<BrandName>,
        at: Timestamp,
    },
    GivenUp(SyncFailure),
    TakenUp(Timestamp),
}

impl MemoryBrandWrite {
    fn is_refused(&self, found: Option<&(Brand, Timestamp)>) -> bool {
        let Some((found, _)) = found else { return true };
        found.version != self.brand.version
            || match self.change {
                Change::Synced { .. } => false,
                Change::GivenUp(_) => found.synced_at.is_some(),
                Change::TakenUp(_) => found.sync_failure.is_none(),
            }
    }

    fn make(&self, (brand, after): &mut (Brand, Timestamp)) {
        match &self.change {
            Change::Synced { in_cms, at } => {
                brand.synced_at = Some(*at);
                brand.in_cms.clone_from(in_cms);
                brand.sync_failure = None;
            }
            Change::GivenUp(failure) => brand.sync_failure = Some(failure.clone()),
            Change::TakenUp(now) => {
                brand.sync_failure = None;
                *after = *now;
            }
        }
    }
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
        let after = brand.updated_at;
        self.brands().insert(brand.id, (brand, after));
    }

    fn change(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
        change: impl FnOnce(&mut Brand),
    ) -> Changed {
        let mut brands = self.brands();
        let Some((brand, after)) = brands.get_mut(&id) else {
            return Changed::Missing;
        };
        if brand.deleted_at.is_some() {
            return Changed::Deleted(Box::new(brand.clone()));
        }
        if expected.is_some_and(|version| version != brand.version) {
            return Changed::Conflict(Box::new(brand.clone()));
        }
        change(brand);
        brand.version += 1;
        brand.updated_at = now;
        brand.synced_at = None;
        brand.sync_failure = None;
        *after = now;
        Changed::Done(Box::new(brand.clone()))
    }

    /// Makes all the writes, or none and answers which one is refused, and why.
    pub fn transact(&self, writes: &[MemoryBrandWrite]) -> Result<(), (usize, String)> {
        let mut brands = self.brands();
        for (index, write) in writes.iter().enumerate() {
            let id = write.brand.id;
            if write.is_refused(brands.get(&id)) {
                return Err((index, format!("brand {id} is gone or has changed")));
            }
        }
        for write in writes {
            if let Some(found) = brands.get_mut(&write.brand.id) {
                write.make(found);
            }
        }
        Ok(())
    }
}

impl BrandStore for MemoryBrandStore {
    type Write = MemoryBrandWrite;

    const SHARDS: u8 = 2;

    async fn create(&self, brand: &Brand) -> Result<Created, StoreError> {
        let mut brands = self.brands();
        if let Some((found, _)) = brands.get(&brand.id) {
            return Ok(Created::Existing(Box::new(found.clone())));
        }
        brands.insert(brand.id, (brand.clone(), brand.updated_at));
        Ok(Created::New)
    }

    async fn update(
        &self,
        id: BrandId,
        name: &BrandName,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        Ok(self.change(id, expected, now, |brand| brand.name = name.clone()))
    }

    async fn delete(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        Ok(self.change(id, expected, now, |brand| brand.deleted_at = Some(now)))
    }

    async fn get(&self, id: BrandId) -> Result<Option<Brand>, StoreError> {
        Ok(self.brands().get(&id).map(|(brand, _)| brand.clone()))
    }

    fn mark_synced(&self, brand: &Brand, at: Timestamp) -> MemoryBrandWrite {
        let in_cms = brand.wanted_in_cms().cloned();
        MemoryBrandWrite {
            brand: BrandVersion::of(brand),
            change: Change::Synced { in_cms, at },
        }
    }

    fn give_up_sync(&self, brand: BrandVersion, failure: &SyncFailure) -> MemoryBrandWrite {
        let change = Change::GivenUp(failure.clone());
        MemoryBrandWrite { brand, change }
    }

    fn take_up_sync(&self, brand: BrandVersion, now: Timestamp) -> MemoryBrandWrite {
        let change = Change::TakenUp(now);
        MemoryBrandWrite { brand, change }
    }

    async fn to_announce(
        &self,
        shard: u8,
        now: Timestamp,
        limit: u16,
    ) -> Result<Vec<Result<Brand, StoreError>>, StoreError> {
        let brands = self.brands();
        let mut due: Vec<&(Brand, Timestamp)> = brands
            .values()
            .filter(|(brand, after)| {
                brand.is_to_be_synced() && brand.id.shard(Self::SHARDS) == shard && *after <= now
            })
            .collect();
        due.sort_by_key(|(_, after)| *after);
        due.truncate(limit.into());
        Ok(due
            .into_iter()
            .map(|(brand, _)| Ok(brand.clone()))
            .collect())
    }

    async fn announced(&self, brand: BrandVersion, again: Timestamp) -> Result<(), StoreError> {
        if let Some((found, after)) = self.brands().get_mut(&brand.id)
            && found.version == brand.version
            && found.is_to_be_synced()
        {
            *after = again;
        }
        Ok(())
    }
}
