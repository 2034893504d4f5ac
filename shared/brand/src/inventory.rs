//! The port to all brands that there are, for a comparison with what a target holds.

use crate::{Brand, BrandId, Created, FoundRows, Place, StoreError, SubscriberState};

/// All brands, page by page, and their rows; and new rows that are already known to a target.
pub trait Inventory: Send + Sync {
    /// At most `limit` brands, at least one, that are not deleted: shard by shard, and within each by the time of creation. The
    /// first ones, or those that follow a place. What it costs does not depend on how many there are. May lag behind the last
    /// write.
    fn page(
        &self,
        after: Option<&Place>,
        limit: u16,
    ) -> impl Future<Output = Result<InventoryPage, StoreError>> + Send;

    /// The rows of those brands as the last writes left them, those of deleted brands too; a brand that has none is left out.
    fn rows(&self, ids: &[BrandId]) -> impl Future<Output = Result<FoundRows, StoreError>> + Send;

    /// Stores a new brand as it is, with what a subscriber's target is known to hold of it, unless one with its id is stored. The
    /// row is due at once. A deleted brand is one that only has to be deleted in the targets.
    fn insert(
        &self,
        brand: &Brand,
        subscriber: (&str, &SubscriberState),
    ) -> impl Future<Output = Result<Created, StoreError>> + Send;
}

/// A page of all brands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryPage {
    /// The brands.
    pub ids: Vec<BrandId>,
    /// After what the next page begins; none where this is the last one.
    pub next: Option<Place>,
}
