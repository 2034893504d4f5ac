//! Brands in memory, for tests: the same conditions as on DynamoDB, under one lock.

mod inventory;
mod reading;
mod unsynced;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Brand, BrandId, BrandName, BrandRow, BrandWriter, Changed, Created, DueRow, Lease, Outbox,
    SHARDS, Schedule, StoreError, SyncStore, SyncWrite, SyncWritten, Timestamp, WriteScope,
    sync::FarAhead,
};

/// How long a row that the API has written waits before it is due.
const NOTIFY_AFTER: Duration = Duration::from_mins(1);

/// A row, with what only the indexes show.
#[derive(Clone, Debug)]
struct Stored {
    row: BrandRow,
    due_since: Option<Timestamp>,
    attention_since: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl Stored {
    fn schedule(&mut self, schedule: Schedule) {
        self.row.due_at = schedule.due_at;
        self.due_since = schedule.due_at;
        self.attention_since = schedule.attention_since;
        self.expires_at = schedule.expires_at;
    }

    /// The API has written the row.
    fn changed(&mut self, now: Timestamp) {
        self.schedule(Schedule {
            due_at: Some(now.plus(NOTIFY_AFTER)),
            ..Schedule::default()
        });
    }

    fn is_as_expected(&self, write: &SyncWrite) -> bool {
        let is_seen = Lease::is_same_write(self.row.lease.as_ref(), write.seen.as_ref());
        is_seen
            && match write.scope {
                WriteScope::AnyVersion => true,
                WriteScope::Version(version) | WriteScope::Schedule(version, _) => {
                    version == self.row.brand.version
                }
            }
    }
}

impl From<BrandRow> for Stored {
    fn from(row: BrandRow) -> Self {
        Self {
            due_since: row.due_at,
            attention_since: row.attention_since(),
            expires_at: None,
            row,
        }
    }
}

type Rows = BTreeMap<BrandId, Stored>;

/// A store that holds brands in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryBrandStore {
    rows: Arc<Mutex<Rows>>,
}

impl MemoryBrandStore {
    /// No brands.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row of that brand.
    #[must_use]
    pub fn row(&self, id: BrandId) -> Option<BrandRow> {
        self.rows().get(&id).map(|stored| stored.row.clone())
    }

    /// All rows, in the order of their ids.
    #[must_use]
    pub fn all_rows(&self) -> Vec<BrandRow> {
        let rows = self.rows();
        rows.values().map(|stored| stored.row.clone()).collect()
    }

    /// Since when the brand needs attention, as the index has it.
    #[must_use]
    pub fn attention_since(&self, id: BrandId) -> Option<Timestamp> {
        self.rows().get(&id)?.attention_since
    }

    /// When the row may go, as the time to live has it.
    #[must_use]
    pub fn expires_at(&self, id: BrandId) -> Option<Timestamp> {
        self.rows().get(&id)?.expires_at
    }

    /// Stores a new row, unless its brand is stored.
    fn insert_row(&self, row: BrandRow) -> Created {
        let mut rows = self.rows();
        if let Some(stored) = rows.get(&row.brand.id) {
            return Created::Existing(Box::new(stored.row.brand.clone()));
        }
        rows.insert(row.brand.id, Stored::from(row));
        Created::New
    }

    /// Stores a row as it is, as a restore from a backup would.
    pub fn put(&self, row: impl Into<BrandRow>) {
        let row = row.into();
        self.rows().insert(row.brand.id, Stored::from(row));
    }

    /// Removes a row.
    pub fn remove(&self, id: BrandId) {
        self.rows().remove(&id);
    }

    fn change(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
        change: impl FnOnce(&mut Brand, Timestamp),
    ) -> Changed {
        let mut rows = self.rows();
        let Some(stored) = rows.get_mut(&id) else {
            return Changed::Missing;
        };
        let brand = &mut stored.row.brand;
        if brand.deleted_at.is_some() {
            return Changed::Deleted {
                brand: Box::new(brand.clone()),
                needs_attention: stored.row.attention_since().is_some(),
            };
        }
        if expected.is_some_and(|version| version != brand.version) {
            return Changed::Conflict(Box::new(brand.clone()));
        }
        // A later version has a later time, even if the clocks disagree.
        let next = brand.updated_at.plus(Duration::from_millis(1));
        let at = if next > brand.updated_at {
            now.max(next)
        } else {
            now
        };
        change(brand, at);
        brand.version = brand.version.saturating_add(1);
        brand.updated_at = at;
        let changed = Changed::Done(Box::new(brand.clone()));
        stored.changed(now);
        changed
    }
}

impl BrandWriter for MemoryBrandStore {
    async fn create(&self, brand: &Brand) -> Result<Created, StoreError> {
        Ok(self.insert_row(BrandRow {
            due_at: Some(brand.updated_at.plus(NOTIFY_AFTER)),
            ..brand.clone().into()
        }))
    }

    async fn update(
        &self,
        id: BrandId,
        name: &BrandName,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        Ok(self.change(id, expected, now, |brand, _| brand.name = name.clone()))
    }

    async fn delete(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        Ok(self.change(id, expected, now, |brand, at| {
            brand.deleted_at = Some(at);
        }))
    }
}

impl SyncStore for MemoryBrandStore {
    async fn load(&self, id: BrandId) -> Result<Option<BrandRow>, StoreError> {
        Ok(self.row(id))
    }

    async fn write(&self, write: &SyncWrite) -> Result<SyncWritten, StoreError> {
        let mut rows = self.rows();
        let Some(stored) = rows.get_mut(&write.id) else {
            return Ok(SyncWritten::Refused(None));
        };
        if !stored.is_as_expected(write) {
            return Ok(SyncWritten::Refused(Some(Box::new(stored.row.clone()))));
        }
        stored.row.lease = Some(write.lease.clone());
        stored.row.subscribers.extend(write.subscribers.clone());
        if let WriteScope::Schedule(_, schedule) = write.scope {
            stored.schedule(schedule);
        }
        Ok(SyncWritten::Applied)
    }
}

impl Outbox for MemoryBrandStore {
    async fn due(&self, shard: u8, now: Timestamp, limit: u16) -> Result<Vec<DueRow>, StoreError> {
        let rows = self.rows();
        let due = rows.values().filter_map(|stored| {
            let due_at = stored.row.due_at.filter(|due_at| {
                let is_far_ahead = *due_at > now.plus(Schedule::LONGEST_WAIT);
                *due_at <= now || is_far_ahead && FarAhead::is_looked_for(shard, now)
            })?;
            let is_of_shard = stored.row.brand.id.shard(SHARDS) == shard;
            is_of_shard.then(|| DueRow {
                id: stored.row.brand.id.to_string(),
                due_at: due_at.to_string(),
                since: stored.due_since.filter(|since| *since <= now),
            })
        });
        let mut due: Vec<DueRow> = due.collect();
        due.sort_by(|one, other| one.due_at.cmp(&other.due_at));
        due.truncate(limit.into());
        Ok(due)
    }

    async fn postpone(&self, row: &DueRow, due_at: Timestamp) -> Result<(), StoreError> {
        if let Ok(id) = row.id.parse()
            && let Some(stored) = self.rows().get_mut(&id)
            && stored.row.due_at.map(|due| due.to_string()).as_ref() == Some(&row.due_at)
        {
            stored.row.due_at = Some(due_at);
            if row.since.is_none() {
                stored.due_since = Some(due_at);
            }
        }
        Ok(())
    }

    async fn count_attention(&self, shard: u8) -> Result<u64, StoreError> {
        let rows = self.rows();
        let marked = rows.values().filter(|stored| {
            stored.attention_since.is_some() && stored.row.brand.id.shard(SHARDS) == shard
        });
        Ok(u64::try_from(marked.count()).unwrap_or(u64::MAX))
    }
}
