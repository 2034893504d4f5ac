//! Reading brands in memory. Pages are made as from an index: shard by shard, sorted by the time of creation alone.

use std::cmp::Reverse;

use crate::{
    BrandReader, CountedPage, Direction, ListedBrand, MemoryBrandStore, NextPage, Order, Position,
    SHARDS, Search, StoreError,
    reader::{Gathering, Later},
};

impl MemoryBrandStore {
    /// The rows of a shard. Those of one time come by id, from the greatest, whichever way the list goes.
    fn listed(&self, shard: u8, direction: Direction) -> Vec<ListedBrand> {
        let brands = self.rows();
        let shown = brands
            .values()
            .map(|stored| &stored.row.brand)
            .filter(|brand| brand.deleted_at.is_none() && brand.id.shard(SHARDS) == shard);
        let mut listed: Vec<ListedBrand> = shown.map(ListedBrand::from).collect();
        listed.sort_by_key(|brand| Reverse(brand.id));
        listed.sort_by(|one, other| direction.apply(one.created_at.cmp(&other.created_at)));
        listed
    }
}

impl BrandReader for MemoryBrandStore {
    async fn list_and_count(
        &self,
        search: &Search,
        order: Order,
        offset: u32,
        limit: u16,
    ) -> Result<CountedPage, StoreError> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let room = offset.saturating_add(limit.into());
        let mut gathering = Gathering::new(search, order, None, room);
        for shard in 0..SHARDS {
            let mut rows = self.listed(shard, order.direction).into_iter();
            while let Some(brand) = rows.next() {
                if gathering.take(brand) == Later::DoNotBelong && gathering.counts_unseen() {
                    gathering.count_more(rows.by_ref().map(|_| 1).sum());
                }
            }
        }
        Ok(gathering.into_counted_page(offset))
    }

    async fn list_after(
        &self,
        search: &Search,
        direction: Direction,
        after: Option<Position>,
        limit: u16,
    ) -> Result<NextPage, StoreError> {
        let order = Order::of_creation(direction);
        let mut gathering =
            Gathering::new(search, order, after, usize::from(limit).saturating_add(1));
        for shard in 0..SHARDS {
            for brand in self.listed(shard, direction) {
                if gathering.take(brand) == Later::DoNotBelong {
                    break;
                }
            }
        }
        Ok(gathering.into_next_page(limit))
    }
}
