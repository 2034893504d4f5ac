//! Brands that are not synced, in memory.

use crate::{
    BrandId, BrandRow, FoundRows, Indexes, MemoryBrandStore, Place, SHARDS, SparseIndex,
    StoreError, SyncReader, UnsyncedCount, UnsyncedPage,
};

impl MemoryBrandStore {
    /// The places of all rows in that index, in its order.
    pub(super) fn places(&self, index: SparseIndex) -> Vec<Place> {
        let rows = self.rows();
        let places = rows.values().filter_map(|stored| {
            let at = match index {
                SparseIndex::Attention => stored.attention_since,
                SparseIndex::Due => stored.row.due_at,
                SparseIndex::Listed => {
                    let brand = &stored.row.brand;
                    brand.deleted_at.is_none().then_some(brand.created_at)
                }
            };
            let id = stored.row.brand.id;
            Some(Place {
                index,
                shard: id.shard(SHARDS),
                at: at?.to_string(),
                id,
            })
        });
        let mut places: Vec<Place> = places.collect();
        places.sort();
        places
    }
}

impl SyncReader for MemoryBrandStore {
    async fn find(&self, id: BrandId) -> Result<Option<BrandRow>, StoreError> {
        Ok(self.row(id))
    }

    async fn find_all(&self, ids: &[BrandId]) -> Result<FoundRows, StoreError> {
        Ok(FoundRows {
            rows: ids.iter().filter_map(|id| self.row(*id)).collect(),
            unreadable: Vec::new(),
        })
    }

    async fn unsynced(
        &self,
        indexes: Indexes,
        after: Option<&Place>,
        limit: u16,
    ) -> Result<UnsyncedPage, StoreError> {
        let wanted = SparseIndex::BOTH
            .into_iter()
            .filter(|index| indexes.has(*index));
        let mut left = wanted
            .flat_map(|index| self.places(index))
            .filter(|place| after.is_none_or(|after| place > after));
        let page: Vec<Place> = left.by_ref().take(limit.into()).collect();
        let is_last = left.next().is_none();
        Ok(UnsyncedPage {
            ids: page.iter().map(|place| place.id).collect(),
            next: page.last().filter(|_| !is_last).cloned(),
        })
    }

    async fn count_unsynced(&self) -> Result<UnsyncedCount, StoreError> {
        let count = |index| u64::try_from(self.places(index).len()).unwrap_or(u64::MAX);
        Ok(UnsyncedCount {
            due: count(SparseIndex::Due),
            attention: count(SparseIndex::Attention),
        })
    }
}
