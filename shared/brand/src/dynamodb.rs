//! Brands on DynamoDB.

use std::{collections::HashMap, error::Error, sync::Arc};

use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};

use crate::{Brand, BrandId, BrandStore, Created, StoreError, Timestamp};

/// The attribute that puts a brand into the index `unsynced` while it is not synced, and the index's partition key:
/// the shard that the brand falls into.
const UNSYNCED_SHARD: &str = "unsynced_shard";
/// The index's sort key: since when the brand is not synced.
const UNSYNCED_SINCE: &str = "unsynced_since";
/// How many partitions the index `unsynced` has. Every created brand is written to it, and one partition takes 1,000
/// writes a second: so the index takes 8,000, and more needs but a larger number here.
pub const UNSYNCED_SHARDS: u8 = 8;

type Item = HashMap<String, AttributeValue>;

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

    async fn create(&self, brand: &Brand) -> Result<Created, StoreError> {
        // The SDK repeats a request whose reply was lost:
        //
        //   put ──► stored, reply lost ──► put again ──► refused, since it is stored
        //
        // and the row that comes back with the refusal tells the caller that it is its own.
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(unsynced_item(brand)?))
            .condition_expression("attribute_not_exists(id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = request.send().await else {
            return Ok(Created::New);
        };
        let Some(PutItemError::ConditionalCheckFailedException(refused)) = error.as_service_error()
        else {
            return Err(store_error(error));
        };
        let existing = match &refused.item {
            Some(item) => Some(brand_of(item.clone())?),
            // Older emulators refuse without the row.
            None => self.get(brand.id).await?,
        };
        match existing {
            Some(existing) => Ok(Created::Existing(Box::new(existing))),
            None => Err(store_error(error)),
        }
    }

    async fn get(&self, id: BrandId) -> Result<Option<Brand>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(id.to_string()))
            .consistent_read(true);
        let answer = request.send().await.map_err(store_error)?;
        answer.item.map(brand_of).transpose()
    }

    /// Two writers may be at the brand at once:
    ///
    /// ```text
    /// sync:    read version 1 ──► create in the CMS ───────────────────► mark version 1 synced: refused
    /// update:                          └──► write version 2, unsynced ──┘
    /// ```
    ///
    /// so that the newer version stays in the index of what is unsynced. Marking a version that is marked already
    /// changes nothing but the time.
    fn mark_synced(&self, brand: &Brand, at: Timestamp) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .key("id", AttributeValue::S(brand.id.to_string()))
            .condition_expression("version = :version")
            .update_expression(format!(
                "SET synced_at = :now REMOVE {UNSYNCED_SHARD}, {UNSYNCED_SINCE}"
            ))
            .expression_attribute_values(":version", AttributeValue::N(brand.version.to_string()))
            .expression_attribute_values(":now", AttributeValue::S(at.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // It lacks nothing that it must have. If it did, DynamoDB would refuse the empty write.
        TransactWriteItem::builder()
            .set_update(update.build().ok())
            .build()
    }
}

fn unsynced_item(brand: &Brand) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(brand).map_err(unreadable)?;
    let shard = brand.id.shard(UNSYNCED_SHARDS);
    item.insert(
        UNSYNCED_SHARD.to_owned(),
        AttributeValue::S(shard.to_string()),
    );
    item.insert(
        UNSYNCED_SINCE.to_owned(),
        AttributeValue::S(brand.updated_at.to_string()),
    );
    Ok(item)
}

fn brand_of(item: Item) -> Result<Brand, StoreError> {
    serde_dynamo::from_item(item).map_err(unreadable)
}

fn unreadable(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unreadable(Arc::new(error))
}

fn store_error<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if aws::is_transient(&error) {
        StoreError::Unavailable(Arc::new(error))
    } else {
        StoreError::Refused(Arc::new(error))
    }
}
