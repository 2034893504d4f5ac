//! Creating, changing and deleting brands: each is one conditional write, which makes the row due.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{
        put_item::PutItemError,
        update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    },
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use super::row::{
    ATTENTION_SHARD, ATTENTION_SINCE, DUE_AT, DUE_SHARD, DUE_SINCE, LISTED_SHARD, brand_of,
    new_row, number, row_of, shard_of, store_error, text,
};
use crate::{
    Brand, BrandId, BrandName, BrandWriter, Changed, Created, DynamoDbBrandStore, StoreError,
    SyncStore, Timestamp,
};

impl BrandWriter for DynamoDbBrandStore {
    /// The SDK repeats a request whose reply was lost:
    ///
    /// ```text
    /// put ──► stored, reply lost ──► put again ──► refused, since it is stored
    /// ```
    ///
    /// and the row that comes back with the refusal tells the caller that it is its own.
    async fn create(&self, brand: &Brand) -> Result<Created, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(new_row(
                brand,
                brand.updated_at.plus(self.notify_after),
            )?))
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
            None => self.load(brand.id).await?.map(|row| row.brand),
        };
        match existing {
            Some(existing) => Ok(Created::Existing(Box::new(existing))),
            None => Err(store_error(error)),
        }
    }

    async fn update(
        &self,
        id: BrandId,
        name: &BrandName,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        let request = self
            .change(id, expected, now, "#name = :name", "")
            .expression_attribute_names("#name", "name")
            .expression_attribute_values(":name", text(name));
        let is_ours = |found: &Brand| {
            found.updated_at == now && found.name == *name && found.deleted_at.is_none()
        };
        changed(request, is_ours).await
    }

    /// The row stays for a while, so that its deletion is synced, and a late repetition of the request that created it
    /// does not create it again.
    async fn delete(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        let request = self.change(id, expected, now, "deleted_at = :now", LISTED_SHARD);
        changed(request, |found| found.deleted_at == Some(now)).await
    }
}

impl DynamoDbBrandStore {
    /// A change of a brand that is there. Clients may be at it at once, and so may its sync:
    ///
    /// ```text
    /// one:    read version 1 ──────────────────────► change, expecting 1: refused
    /// other:       └──► change, expecting 1 or nothing ──► version 2
    /// sync:   read version 1 ──► CMS ──────────────────► done, of version 1: refused
    /// ```
    ///
    /// Where no version is expected, a repetition by the SDK may change the brand twice, to the same.
    fn change(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
        set: &str,
        remove: &str,
    ) -> UpdateItemFluentBuilder {
        let mut condition = "attribute_exists(id) AND attribute_not_exists(deleted_at)".to_owned();
        if expected.is_some() {
            condition.push_str(" AND version = :expected");
        }
        let remove = if remove.is_empty() {
            String::new()
        } else {
            format!(", {remove}")
        };
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&id))
            .condition_expression(condition)
            .update_expression(format!(
                "SET {set}, updated_at = :now, {DUE_SHARD} = :shard, {DUE_AT} = :due_at, {DUE_SINCE} = :due_at \
                 REMOVE {ATTENTION_SHARD}, {ATTENTION_SINCE}{remove} ADD version :one"
            ))
            .expression_attribute_values(":due_at", text(&now.plus(self.notify_after)))
            .expression_attribute_values(":now", text(&now))
            .expression_attribute_values(":shard", shard_of(id))
            .expression_attribute_values(":one", number(1_u32))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match expected {
            Some(version) => request.expression_attribute_values(":expected", number(version)),
            None => request,
        }
    }
}

/// Sends a change. A refusal may be that of a repetition by the SDK, whose first try was made: `is_ours` tells by the row.
async fn changed(
    request: UpdateItemFluentBuilder,
    is_ours: impl Fn(&Brand) -> bool,
) -> Result<Changed, StoreError> {
    let error = match request.send().await {
        Ok(answer) => {
            let brand = brand_of(answer.attributes.unwrap_or_default())?;
            return Ok(Changed::Done(Box::new(brand)));
        }
        Err(error) => error,
    };
    let refused = match error {
        SdkError::ServiceError(error) if error.err().is_conditional_check_failed_exception() => {
            match error.into_err() {
                UpdateItemError::ConditionalCheckFailedException(refused) => refused,
                other => return Err(StoreError::Refused(std::sync::Arc::new(other))),
            }
        }
        error => return Err(store_error(error)),
    };
    let Some(row) = refused.item.map(row_of).transpose()? else {
        return Ok(Changed::Missing);
    };
    let needs_attention = row.attention_since().is_some();
    let brand = Box::new(row.brand);
    Ok(if is_ours(&brand) {
        Changed::Done(brand)
    } else if brand.deleted_at.is_some() {
        Changed::Deleted {
            brand,
            needs_attention,
        }
    } else {
        Changed::Conflict(brand)
    })
}
