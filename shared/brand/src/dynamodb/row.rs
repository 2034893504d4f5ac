//! A brand as a row of the table: the attributes that are not the brand's own, each named in this one place.

use std::{collections::HashMap, error::Error, sync::Arc};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::AttributeValue,
};

use crate::{Brand, BrandId, BrandStore, DynamoDbBrandStore, StoreError};

/// The sparse index that holds the brands which are to be synced: the outbox.
pub(super) const UNSYNCED: &str = "unsynced";
/// The attribute that puts a brand into the outbox, and the index's partition key: the shard that the brand falls into.
pub(super) const UNSYNCED_SHARD: &str = "unsynced_shard";
/// The outbox's sort key: before when the brand is not announced again. Of a brand that has just been changed that is
/// the time of the change, since it is announced by then.
pub(super) const ANNOUNCE_AFTER: &str = "announce_after";
/// The index that holds the brands which are not deleted: the list. It has of them what a list shows.
pub(super) const LISTED: &str = "listed";
/// The attribute that puts a brand into the list, and the index's partition key: the shard that the brand falls into. A
/// deleted brand has none. The sort key is the time of creation.
pub(super) const LISTED_SHARD: &str = "listed_shard";
/// When the row goes, in seconds since the Unix epoch: the table's time to live. Deleted brands have one.
pub(super) const EXPIRES_AT: &str = "expires_at";

pub(super) type Item = HashMap<String, AttributeValue>;

/// The row of a new brand: to be synced, and listed.
pub(super) fn new_row(brand: &Brand) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(brand).map_err(unreadable)?;
    item.insert(UNSYNCED_SHARD.to_owned(), shard_of(brand.id));
    item.insert(ANNOUNCE_AFTER.to_owned(), text(&brand.updated_at));
    item.insert(LISTED_SHARD.to_owned(), shard_of(brand.id));
    Ok(item)
}

pub(super) fn brand_of(item: Item) -> Result<Brand, StoreError> {
    serde_dynamo::from_item(item).map_err(unreadable)
}

/// The shard that a brand falls into, of the outbox as of the list.
pub(super) fn shard_of(id: BrandId) -> AttributeValue {
    text(&id.shard(DynamoDbBrandStore::SHARDS))
}

pub(super) fn text(value: &impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(super) fn number(value: impl Into<u64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

pub(super) fn unreadable(error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unreadable(Arc::new(error))
}

pub(super) fn store_error<E>(error: SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if aws::is_transient(&error) {
        StoreError::Unavailable(Arc::new(error))
    } else {
        StoreError::Refused(Arc::new(error))
    }
}
