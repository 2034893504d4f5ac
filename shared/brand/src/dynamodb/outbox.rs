//! The outbox: which brands are to be synced, and how they leave it.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{
        AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
        builders::UpdateBuilder,
    },
};

use super::row::{
    ANNOUNCE_AFTER, EXPIRES_AT, Item, UNSYNCED, UNSYNCED_SHARD, brand_of, number, shard_of,
    store_error, text,
};
use crate::{Brand, BrandVersion, DynamoDbBrandStore, StoreError, SyncFailure, Timestamp};

/// For how long the row of a deleted brand is kept once its deletion is synced.
const TOMBSTONE: Duration = Duration::from_hours(30 * 24);

impl DynamoDbBrandStore {
    /// Two writers may be at the brand at once:
    ///
    /// ```text
    /// sync:    read version 1 ──► create in the CMS ───────────────────► mark version 1 synced: refused
    /// update:                          └──► write version 2, unsynced ──┘
    /// ```
    ///
    /// so that the newer version stays in the index of what is unsynced. Marking a version that is marked already
    /// changes nothing but the time.
    pub(super) fn synced(&self, brand: &Brand, at: Timestamp) -> TransactWriteItem {
        let expiry = at.plus(TOMBSTONE).as_millis() / 1000;
        let (set, value, remove) = match brand.wanted_in_cms() {
            Some(name) => ("in_cms", text(name), ""),
            None => (EXPIRES_AT, number(expiry), ", in_cms"),
        };
        let update = Update::builder()
            .table_name(&self.table)
            .key("id", text(&brand.id))
            .condition_expression("version = :version")
            .update_expression(format!(
                "SET synced_at = :now, {set} = :value REMOVE sync_failure, {UNSYNCED_SHARD}, {ANNOUNCE_AFTER}{remove}"
            ))
            .expression_attribute_values(":version", number(brand.version))
            .expression_attribute_values(":now", text(&at))
            .expression_attribute_values(":value", value)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        write(update)
    }

    /// It is made in the transaction that ends the run, so no other worker has begun the run afresh by then; the brand may
    /// have changed nevertheless:
    ///
    /// ```text
    /// sync:    read version 1 ──► CMS ──► reverted, give up version 1: refused
    /// update:       └──► write version 2, unsynced ──┘
    /// ```
    ///
    /// so that a version whose sync has not been tried stays in the outbox.
    pub(super) fn given_up(&self, brand: BrandVersion, failure: &SyncFailure) -> TransactWriteItem {
        // A failure is three texts.
        let failure: Item = serde_dynamo::to_item(failure).unwrap_or_default();
        let update = Update::builder()
            .table_name(&self.table)
            .key("id", text(&brand.id))
            .condition_expression("version = :version AND attribute_not_exists(synced_at)")
            .update_expression(format!(
                "SET sync_failure = :failure REMOVE {UNSYNCED_SHARD}, {ANNOUNCE_AFTER}"
            ))
            .expression_attribute_values(":version", number(brand.version))
            .expression_attribute_values(":failure", AttributeValue::M(failure));
        write(update)
    }

    /// It is made together with the record that takes the run up: from then on the outbox sees to it that somebody carries
    /// on, whatever becomes of the worker and of its message.
    pub(super) fn taken_up(&self, brand: BrandVersion, now: Timestamp) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table)
            .key("id", text(&brand.id))
            .condition_expression("version = :version AND attribute_exists(sync_failure)")
            .update_expression(format!(
                "SET {UNSYNCED_SHARD} = :shard, {ANNOUNCE_AFTER} = :now REMOVE sync_failure"
            ))
            .expression_attribute_values(":version", number(brand.version))
            .expression_attribute_values(":shard", shard_of(brand.id))
            .expression_attribute_values(":now", text(&now));
        write(update)
    }

    pub(super) async fn waiting(
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
    pub(super) async fn announced_until(
        &self,
        brand: BrandVersion,
        again: Timestamp,
    ) -> Result<(), StoreError> {
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

fn write(update: UpdateBuilder) -> TransactWriteItem {
    // It lacks nothing that it must have. If it did, DynamoDB would refuse the empty write.
    TransactWriteItem::builder()
        .set_update(update.build().ok())
        .build()
}
