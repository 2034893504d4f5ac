//! Brands on DynamoDB.

mod changes;
mod outbox;
mod reading;
mod row;

use aws_sdk_dynamodb::{Client, types::TransactWriteItem};

use crate::{
    Brand, BrandId, BrandName, BrandStore, BrandVersion, Changed, Created, StoreError, SyncFailure,
    Timestamp,
};

use self::row::{brand_of, store_error, text};

/// The brands' table.
#[derive(Clone, Debug)]
pub struct DynamoDbBrandStore {
    client: Client,
    table: String,
}

impl DynamoDbBrandStore {
    /// The store on the table of that name.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }
}

impl BrandStore for DynamoDbBrandStore {
    type Write = TransactWriteItem;

    /// Every brand that is created is written to the indexes, and a partition takes 1,000 writes a second: so an index takes
    /// 8,000, and more needs but a larger number here.
    const SHARDS: u8 = 8;

    async fn create(&self, brand: &Brand) -> Result<Created, StoreError> {
        self.put_new(brand).await
    }

    async fn update(
        &self,
        id: BrandId,
        name: &BrandName,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        self.rename(id, name, expected, now).await
    }

    async fn delete(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        self.bury(id, expected, now).await
    }

    async fn get(&self, id: BrandId) -> Result<Option<Brand>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(&id))
            .consistent_read(true);
        let answer = request.send().await.map_err(store_error)?;
        answer.item.map(brand_of).transpose()
    }

    fn mark_synced(&self, brand: &Brand, at: Timestamp) -> TransactWriteItem {
        self.synced(brand, at)
    }

    fn give_up_sync(&self, brand: BrandVersion, failure: &SyncFailure) -> TransactWriteItem {
        self.given_up(brand, failure)
    }

    fn take_up_sync(&self, brand: BrandVersion, now: Timestamp) -> TransactWriteItem {
        self.taken_up(brand, now)
    }

    async fn to_announce(
        &self,
        shard: u8,
        now: Timestamp,
        limit: u16,
    ) -> Result<Vec<Result<Brand, StoreError>>, StoreError> {
        self.waiting(shard, now, limit).await
    }

    async fn announced(&self, brand: BrandVersion, again: Timestamp) -> Result<(), StoreError> {
        self.announced_until(brand, again).await
    }
}
