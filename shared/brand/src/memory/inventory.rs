//! All brands, in memory.

use crate::{
    Brand, BrandId, BrandRow, Created, FoundRows, Inventory, InventoryPage, MemoryBrandStore,
    Place, SparseIndex, StoreError, SubscriberState, SyncReader,
};

impl Inventory for MemoryBrandStore {
    async fn page(&self, after: Option<&Place>, limit: u16) -> Result<InventoryPage, StoreError> {
        let places = self.places(SparseIndex::Listed).into_iter();
        let mut left = places.filter(|place| after.is_none_or(|after| place > after));
        let page: Vec<Place> = left.by_ref().take(limit.into()).collect();
        let is_last = left.next().is_none();
        Ok(InventoryPage {
            ids: page.iter().map(|place| place.id).collect(),
            next: page.last().filter(|_| !is_last).cloned(),
        })
    }

    async fn rows(&self, ids: &[BrandId]) -> Result<FoundRows, StoreError> {
        self.find_all(ids).await
    }

    async fn insert(
        &self,
        brand: &Brand,
        (subscriber, state): (&str, &SubscriberState),
    ) -> Result<Created, StoreError> {
        let mut row = BrandRow::from(brand.clone());
        row.subscribers.insert(subscriber.to_owned(), state.clone());
        Ok(self.insert_row(row))
    }
}
