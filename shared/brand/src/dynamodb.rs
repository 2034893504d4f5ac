//! Brands on DynamoDB.

use std::{collections::HashMap, error::Error, sync::Arc};

use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};

use crate::{
    Brand, BrandId, BrandStore, BrandVersion, Created, GivenUp, StoreError, SyncFailure, Timestamp,
};

/// The sparse index that holds the brands which are to be synced: the outbox.
const UNSYNCED: &str = "unsynced";
/// The attribute that puts a brand into the index, and the index's partition key: the shard that the brand falls into.
const UNSYNCED_SHARD: &str = "unsynced_shard";
/// The index's sort key: before when the brand is not announced again. Of a brand that has just been changed that is
/// the time of the change, since it is announced by then.
const ANNOUNCE_AFTER: &str = "announce_after";

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

    /// Every brand that is created is written to the index, and a partition takes 1,000 writes a second: so the index takes
    /// 8,000, and more needs but a larger number here.
    const SHARDS: u8 = 8;

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
            .key("id", text(&id))
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
            .key("id", text(&brand.id))
            .condition_expression("version = :version")
            .update_expression(format!(
                "SET synced_at = :now REMOVE sync_failure, {UNSYNCED_SHARD}, {ANNOUNCE_AFTER}"
            ))
            .expression_attribute_values(":version", number(brand.version))
            .expression_attribute_values(":now", text(&at))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // It lacks nothing that it must have. If it did, DynamoDB would refuse the empty write.
        TransactWriteItem::builder()
            .set_update(update.build().ok())
            .build()
    }

    /// Two workers may be at the brand at once, each with an event about it:
    ///
    /// ```text
    /// one:     run reverted ─────────────────────────────────► give up: refused
    /// other:        └──► run begun afresh ──► mark synced ──┘
    /// update:       └──► write version 2, unsynced ─────────┘
    /// ```
    ///
    /// so that what is synced stays so, and a version whose sync has not been tried stays in the outbox.
    async fn give_up_sync(
        &self,
        brand: BrandVersion,
        failure: &SyncFailure,
    ) -> Result<GivenUp, StoreError> {
        let failure: Item = serde_dynamo::to_item(failure).map_err(unreadable)?;
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&brand.id))
            .condition_expression("version = :version AND attribute_not_exists(synced_at)")
            .update_expression(format!(
                "SET sync_failure = :failure REMOVE {UNSYNCED_SHARD}, {ANNOUNCE_AFTER}"
            ))
            .expression_attribute_values(":version", number(brand.version))
            .expression_attribute_values(":failure", AttributeValue::M(failure))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = request.send().await else {
            return Ok(GivenUp::Marked);
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                Ok(match refused.item {
                    Some(_) => GivenUp::Overtaken,
                    None => GivenUp::Missing,
                })
            }
            _ => Err(store_error(error)),
        }
    }

    async fn to_announce(
        &self,
        shard: u8,
        now: Timestamp,
        limit: u16,
    ) -> Result<Vec<Result<Brand, StoreError>>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(UNSYNCED)
            .key_condition_expression(format!(
                "{UNSYNCED_SHARD} = :shard AND {ANNOUNCE_AFTER} <= :now"
            ))
            .expression_attribute_values(":shard", text(&shard))
            .expression_attribute_values(":now", text(&now))
            .limit(limit.into());
        let mut items = request.into_paginator().items().send();
        let mut brands = Vec::new();
        while let Some(item) = items.next().await {
            brands.push(brand_of(item.map_err(store_error)?));
            if brands.len() >= usize::from(limit) {
                break;
            }
        }
        Ok(brands)
    }

    /// The brand may be synced, given up or changed since it was read:
    ///
    /// ```text
    /// announce: read the index ──► send ──────────────────────────► keep from being announced: refused
    /// sync:                          └──► mark synced, unmarked ──┘
    /// ```
    ///
    /// and then there is nothing to keep.
    async fn announced(&self, brand: BrandVersion, again: Timestamp) -> Result<(), StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&brand.id))
            .condition_expression(format!(
                "version = :version AND attribute_exists({UNSYNCED_SHARD})"
            ))
            .update_expression(format!("SET {ANNOUNCE_AFTER} = :again"))
            .expression_attribute_values(":version", number(brand.version))
            .expression_attribute_values(":again", text(&again));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(store_error(error)),
            },
        }
    }
}

fn text(value: &impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

fn number(value: u32) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn unsynced_item(brand: &Brand) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(brand).map_err(unreadable)?;
    let shard = brand.id.shard(DynamoDbBrandStore::SHARDS);
    item.insert(UNSYNCED_SHARD.to_owned(), text(&shard));
    item.insert(ANNOUNCE_AFTER.to_owned(), text(&brand.updated_at));
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
