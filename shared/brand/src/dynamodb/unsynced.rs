//! Brands that are not synced, by the sparse indexes `attention` and `due`; and rows by their ids, many at once.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Select};
use futures::future::{try_join, try_join_all};
use tokio::time::sleep;

use super::{
    page,
    row::{
        ATTENTION, ATTENTION_SHARD, ATTENTION_SINCE, CREATED_AT, DUE, DUE_AT, DUE_SHARD, Item,
        LISTED, LISTED_SHARD, id_of, store_error, text,
    },
    stored::row_of,
};
use crate::{
    BrandId, BrandRow, DynamoDbBrandStore, FoundRows, Indexes, Place, SHARDS, SparseIndex,
    StoreError, SyncReader, UnsyncedCount, UnsyncedPage,
};

/// The most rows of one request.
const BATCH: usize = 100;
/// The most rows that are counted in a shard.
const MOST_COUNTED: i32 = 1_000;
/// How often rows are asked for again that a request has left, since the table was busy; and the first wait before that.
const ROUNDS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(50);

impl SparseIndex {
    /// Its name, and those of its keys: the shard, then the time.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Attention => (ATTENTION, ATTENTION_SHARD, ATTENTION_SINCE),
            Self::Due => (DUE, DUE_SHARD, DUE_AT),
            Self::Listed => (LISTED, LISTED_SHARD, CREATED_AT),
        }
    }
}

impl SyncReader for DynamoDbBrandStore {
    async fn find(&self, id: BrandId) -> Result<Option<BrandRow>, StoreError> {
        self.item(id).await?.as_ref().map(row_of).transpose()
    }

    async fn find_all(&self, ids: &[BrandId]) -> Result<FoundRows, StoreError> {
        self.found(ids, Consistency::Eventual).await
    }

    /// All shards are asked at once, each for a whole page: it may lie in one of them alone.
    async fn unsynced(
        &self,
        indexes: Indexes,
        after: Option<&Place>,
        limit: u16,
    ) -> Result<UnsyncedPage, StoreError> {
        let all = SparseIndex::BOTH
            .into_iter()
            .flat_map(|index| (0..SHARDS).map(move |shard| (index, shard)));
        let left = all.filter(|(index, shard)| {
            let is_passed =
                after.is_some_and(|after| (*index, *shard) < (after.index, after.shard));
            indexes.has(*index) && !is_passed
        });
        let pages = left.map(|shard| self.places(shard, after, limit));
        let pages = try_join_all(pages).await?;
        let has_more = pages.iter().any(|(_, has_more)| *has_more);
        let mut places = pages.into_iter().flat_map(|(places, _)| places);
        let page: Vec<Place> = places.by_ref().take(limit.into()).collect();
        let is_last = !has_more && places.next().is_none();
        Ok(UnsyncedPage {
            ids: page.iter().map(|place| place.id).collect(),
            next: page.last().filter(|_| !is_last).cloned(),
        })
    }

    async fn count_unsynced(&self) -> Result<UnsyncedCount, StoreError> {
        let (attention, due) = try_join(
            self.count_in(SparseIndex::Attention),
            self.count_in(SparseIndex::Due),
        )
        .await?;
        Ok(UnsyncedCount { due, attention })
    }
}

/// Whether a read shows every write that was made before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consistency {
    /// It may lag behind, and costs half.
    Eventual,
    /// It does.
    Strong,
}

impl DynamoDbBrandStore {
    /// The rows of those brands, in that order.
    pub(super) async fn found(
        &self,
        ids: &[BrandId],
        consistency: Consistency,
    ) -> Result<FoundRows, StoreError> {
        let batches = ids.chunks(BATCH).map(|ids| self.items(ids, consistency));
        let mut items: HashMap<String, Item> = try_join_all(batches)
            .await?
            .into_iter()
            .flatten()
            .map(|item| (id_of(&item), item))
            .collect();
        let mut found = FoundRows::default();
        for id in ids {
            match items.remove(&id.to_string()).as_ref().map(row_of) {
                Some(Ok(row)) => found.rows.push(row),
                Some(Err(_)) => found.unreadable.push(id.to_string()),
                None => {}
            }
        }
        Ok(found)
    }

    /// The first places of a shard, and whether there are more. A row whose id is none is passed over; the sweep counts it.
    pub(super) async fn places(
        &self,
        (index, shard): (SparseIndex, u8),
        after: Option<&Place>,
        limit: u16,
    ) -> Result<(Vec<Place>, bool), StoreError> {
        let (name, shard_key, time_key) = index.names();
        let start = after.filter(|after| (after.index, after.shard) == (index, shard));
        let mut start = start.map(|after| {
            Item::from([
                ("id".to_owned(), text(&after.id)),
                (shard_key.to_owned(), text(&after.shard)),
                (time_key.to_owned(), text(&after.at)),
            ])
        });
        let limit = usize::from(limit.max(1));
        let mut places = Vec::new();
        loop {
            let room = limit.saturating_sub(places.len());
            let request = self
                .shard_of_index(name, shard)
                .key_condition_expression(format!("{shard_key} = :shard"))
                .limit(room.try_into().unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            let answer = page(request).await?;
            places.extend(answer.items().iter().filter_map(|item| {
                Some(Place {
                    index,
                    shard,
                    at: item.get(time_key)?.as_s().ok()?.clone(),
                    id: id_of(item).parse().ok()?,
                })
            }));
            start = answer.last_evaluated_key;
            if start.is_none() || places.len() >= limit {
                return Ok((places, start.is_some()));
            }
        }
    }

    async fn count_in(&self, index: SparseIndex) -> Result<u64, StoreError> {
        let counts = (0..SHARDS).map(|shard| self.count_in_shard(index, shard));
        Ok(try_join_all(counts).await?.into_iter().sum())
    }

    /// How many rows a shard of the index has; counts up to [`MOST_COUNTED`].
    pub(super) async fn count_in_shard(
        &self,
        index: SparseIndex,
        shard: u8,
    ) -> Result<u64, StoreError> {
        let (name, shard_key, _) = index.names();
        let request = self
            .shard_of_index(name, shard)
            .key_condition_expression(format!("{shard_key} = :shard"))
            .select(Select::Count)
            .limit(MOST_COUNTED);
        let answer = page(request).await?;
        Ok(u64::try_from(answer.count).unwrap_or_default())
    }

    /// The items of at most [`BATCH`] ids. A busy table answers some of them only, and says which it has left.
    async fn items(
        &self,
        ids: &[BrandId],
        consistency: Consistency,
    ) -> Result<Vec<Item>, StoreError> {
        let keys = ids
            .iter()
            .map(|id| HashMap::from([("id".to_owned(), text(id))]));
        let mut left = Some(keys.collect::<Vec<HashMap<String, AttributeValue>>>());
        let (mut items, mut wait) = (Vec::new(), FIRST_WAIT);
        for round in 0..ROUNDS {
            let Some(keys) = left.take().filter(|keys| !keys.is_empty()) else {
                return Ok(items);
            };
            if round > 0 {
                sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .set_consistent_read((consistency == Consistency::Strong).then_some(true))
                .build();
            let keys = keys.map_err(|error| StoreError::Refused(std::sync::Arc::new(error)))?;
            let request = self
                .client
                .batch_get_item()
                .request_items(&self.table, keys);
            let answer = request.send().await.map_err(store_error)?;
            let tables = answer.responses.unwrap_or_default();
            items.extend(tables.into_values().flatten());
            let unprocessed = answer.unprocessed_keys.unwrap_or_default();
            left = unprocessed.into_values().next().map(|rest| rest.keys);
        }
        match left {
            Some(keys) if !keys.is_empty() => Err(StoreError::Unavailable(std::sync::Arc::new(
                std::io::Error::other("the table left some of the rows each time"),
            ))),
            _ => Ok(items),
        }
    }
}
