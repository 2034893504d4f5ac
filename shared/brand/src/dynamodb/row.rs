//! A brand as an item of the table: its attributes, each named in this one place.

use std::{collections::HashMap, error::Error, sync::Arc};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::AttributeValue,
};

use crate::{Brand, BrandId, SHARDS, StoreError, Timestamp};

/// The sparse index of rows that are due: [`DUE_SHARD`], then [`DUE_AT`]. It also has [`DUE_SINCE`].
pub(super) const DUE: &str = "due";
pub(super) const DUE_SHARD: &str = "due_shard";
/// When the sweep looks at the row.
pub(super) const DUE_AT: &str = "due_at";
/// What [`DUE_AT`] was before the sweep postponed it.
pub(super) const DUE_SINCE: &str = "due_since";
/// The sparse index of rows that need an operator: [`ATTENTION_SHARD`], then [`ATTENTION_SINCE`].
pub(super) const ATTENTION: &str = "attention";
pub(super) const ATTENTION_SHARD: &str = "attention_shard";
pub(super) const ATTENTION_SINCE: &str = "attention_since";
/// The index of brands that are not deleted, with what a list shows: [`LISTED_SHARD`], then the time of creation.
pub(super) const LISTED: &str = "listed";
pub(super) const LISTED_SHARD: &str = "listed_shard";
pub(super) const CREATED_AT: &str = "created_at";
/// Who wrote the sync state last.
pub(super) const LEASE: &str = "lease";
/// The token of the change that made the current version. A brand that was never changed has none.
pub(super) const CHANGED_BY: &str = "changed_by";
/// What a subscriber keeps: the prefix, then its name.
pub(super) const SYNC: &str = "sync_";
/// The table's time to live, in seconds since the Unix epoch.
pub(super) const EXPIRES_AT: &str = "expires_at";

pub(super) type Item = HashMap<String, AttributeValue>;

/// The row of a new brand: listed, unless it is deleted, and due at `due_at`.
pub(super) fn new_row(brand: &Brand, due_at: Timestamp) -> Result<Item, StoreError> {
    let mut item: Item =
        serde_dynamo::to_item(brand).map_err(|error| unreadable(&brand.id.to_string(), error))?;
    if brand.deleted_at.is_none() {
        item.insert(LISTED_SHARD.to_owned(), shard_of(brand.id));
    }
    item.insert(DUE_SHARD.to_owned(), shard_of(brand.id));
    item.insert(DUE_AT.to_owned(), text(&due_at));
    item.insert(DUE_SINCE.to_owned(), text(&due_at));
    Ok(item)
}

/// The id of a row, as stored.
pub(super) fn id_of(item: &Item) -> String {
    let id = item.get("id").and_then(|id| id.as_s().ok());
    id.cloned().unwrap_or_default()
}

/// The shard of the indexes that a brand falls into.
pub(super) fn shard_of(id: BrandId) -> AttributeValue {
    text(&id.shard(SHARDS))
}

pub(super) fn text(value: &impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

pub(super) fn number(value: impl Into<u64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

pub(super) fn unreadable(id: &str, error: impl Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unreadable {
        id: id.to_owned(),
        source: Arc::new(error),
    }
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
