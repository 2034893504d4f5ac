//! All brands, by the index `listed`, shard by shard.

use super::{
    row::{SYNC, new_row, unreadable},
    unsynced::Consistency,
};
use crate::{
    Brand, BrandId, Created, DynamoDbBrandStore, FoundRows, Inventory, InventoryPage, Place,
    SHARDS, SparseIndex, StoreError, SubscriberState,
};

impl Inventory for DynamoDbBrandStore {
    async fn page(&self, after: Option<&Place>, limit: u16) -> Result<InventoryPage, StoreError> {
        let first = after.map_or(0, |after| after.shard);
        let mut places: Vec<Place> = Vec::new();
        for shard in first..SHARDS {
            let room = limit.saturating_sub(places.len().try_into().unwrap_or(u16::MAX));
            let found = self.places((SparseIndex::Listed, shard), after, room);
            let (found, has_more) = found.await?;
            places.extend(found);
            let is_full = places.len() >= limit.into();
            if has_more || is_full && shard + 1 < SHARDS {
                return Ok(InventoryPage {
                    ids: places.iter().map(|place| place.id).collect(),
                    next: places.pop(),
                });
            }
        }
        Ok(InventoryPage {
            ids: places.into_iter().map(|place| place.id).collect(),
            next: None,
        })
    }

    async fn rows(&self, ids: &[BrandId]) -> Result<FoundRows, StoreError> {
        self.found(ids, Consistency::Strong).await
    }

    async fn insert(
        &self,
        brand: &Brand,
        (subscriber, state): (&str, &SubscriberState),
    ) -> Result<Created, StoreError> {
        let mut row = new_row(brand, brand.updated_at)?;
        let state = serde_dynamo::to_attribute_value(state)
            .map_err(|error| unreadable(&brand.id.to_string(), error))?;
        row.insert(format!("{SYNC}{subscriber}"), state);
        self.put_new(brand, row).await
    }
}
