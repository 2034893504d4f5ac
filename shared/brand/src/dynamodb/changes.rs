//! Creating, changing and deleting brands: each is one conditional write, which makes the row due.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use super::{
    row::{
        ATTENTION_SHARD, ATTENTION_SINCE, CHANGED_BY, DUE_AT, DUE_SHARD, DUE_SINCE, Item,
        LISTED_SHARD, new_row, number, shard_of, store_error, text,
    },
    stored::{MAX_VERSION, brand_of, moment, name, readable, row_of, updated_at, version},
};
use crate::{
    Brand, BrandId, BrandName, BrandWriter, Changed, Created, DynamoDbBrandStore, StoreError,
    SyncStore, Timestamp,
};

/// How often a change is tried whose time was not later than that of the one before. Of writers that meet, one gets through
/// each time.
const ATTEMPTS: u32 = 100;
/// How far ahead of the change before a change is put at most, so that writers which meet do not all ask for the same time.
const MAX_LEAD: u64 = 64;

impl BrandWriter for DynamoDbBrandStore {
    async fn create(&self, brand: &Brand) -> Result<Created, StoreError> {
        let row = new_row(brand, brand.updated_at.plus(self.notify_after))?;
        self.put_new(brand, row).await
    }

    async fn update(
        &self,
        id: BrandId,
        name: &BrandName,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        self.change(id, &Change::Rename(name), expected, now).await
    }

    /// The row stays for a while, so that its deletion is synced, and a late repetition of the request that created it
    /// does not create it again.
    async fn delete(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        self.change(id, &Change::Delete, expected, now).await
    }
}

/// What is changed.
enum Change<'a> {
    Rename(&'a BrandName),
    Delete,
}

/// The time that a change is given, and what the row has to have as the time of the change before.
struct Turn {
    at: Timestamp,
    before: Before,
}

enum Before {
    /// Any that is earlier. Times of one form sort as texts.
    Earlier,
    /// That one, which is damaged: it is replaced, whatever it is.
    Damaged(AttributeValue),
    /// None.
    Missing,
}

impl Turn {
    /// The turn after the change that left the row as it was found.
    fn after(found: &Item, now: Timestamp, lead: Duration) -> Self {
        let last = updated_at(found);
        let next = last
            .map(|last| last.plus(lead))
            .filter(|next| Some(*next) > last);
        let at = next.map_or(now, |next| next.max(now));
        let before = match found.get("updated_at") {
            None => Before::Missing,
            Some(seen) => {
                let is_time = moment(seen).is_some();
                let is_earlier = seen.as_s().is_ok_and(|seen| *seen < at.to_string());
                if is_time && is_earlier {
                    Before::Earlier
                } else {
                    Before::Damaged(seen.clone())
                }
            }
        };
        Self { at, before }
    }
}

impl DynamoDbBrandStore {
    /// Stores the row of a new brand, unless one with its id is stored.
    ///
    /// The SDK repeats a request whose reply was lost:
    ///
    /// ```text
    /// put ──► stored, reply lost ──► put again ──► refused, since it is stored
    /// ```
    ///
    /// and the row that comes back with the refusal tells the caller that it is its own.
    pub(super) async fn put_new(&self, brand: &Brand, row: Item) -> Result<Created, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
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
            Some(item) => Some(brand_of(item)?),
            // Older emulators refuse without the row.
            None => self.load(brand.id).await?.map(|row| row.brand),
        };
        match existing {
            Some(existing) => Ok(Created::Existing(Box::new(existing))),
            None => Err(store_error(error)),
        }
    }

    /// A change of a brand that is there. Clients may be at it at once, and so may its sync:
    ///
    /// ```text
    /// one:    read version 1 ──────────────────────► change, expecting 1: refused
    /// other:       └──► change, expecting 1 or nothing ──► version 2
    /// sync:   read version 1 ──► CMS ──────────────────► done, of version 1: refused
    /// ```
    ///
    /// Clocks differ, and a version that is later has to have the later time:
    ///
    /// ```text
    /// one:    version 2, at 10 ms ─┐
    /// other:                       └─► change at 9 ms: refused ──► change at 11 ms: version 3
    /// ```
    ///
    /// The refusal comes with the row, so there is nothing to read. And the SDK repeats a request whose reply was lost:
    ///
    /// ```text
    /// change (token A) ──► made, reply lost ──► change (token A): refused, the row is A's
    /// ```
    ///
    /// so the row names who changed it: not by time and name, in which another may be the same. Only where a third one
    /// changes the brand in between, and the client expects no version, the repetition changes it once more.
    ///
    /// Whatever else is in the row must not spoil the answer to a change that is made: what the answer needs, and
    /// nothing can stand in for, is a part of the condition.
    async fn change(
        &self,
        id: BrandId,
        change: &Change<'_>,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        let token = format!("{:016x}", fastrand::u64(..));
        let mut turn = Turn {
            at: now,
            before: Before::Earlier,
        };
        for attempt in 0..ATTEMPTS {
            let tried = self.try_change(id, change, expected, (&token, now), &turn);
            let found = match tried.await? {
                Tried::Made(row) => return Ok(Changed::Done(Box::new(brand_of(&row)?))),
                Tried::Refused(None) => return Ok(Changed::Missing),
                Tried::Refused(Some(found)) => found,
            };
            if found.get(CHANGED_BY) == Some(&text(&token)) {
                return Ok(Changed::Done(Box::new(brand_of(&found)?)));
            }
            if found.contains_key("deleted_at") {
                let row = row_of(&found)?;
                return Ok(Changed::Deleted {
                    needs_attention: row.attention_since().is_some(),
                    brand: Box::new(row.brand),
                });
            }
            readable(&found, version(&found))?;
            if expected.is_some_and(|version| found.get("version") != Some(&number(version))) {
                return Ok(Changed::Conflict(Box::new(brand_of(&found)?)));
            }
            if let Change::Delete = change {
                readable(&found, name(&found))?;
            }
            let most = 1_u64.checked_shl(attempt).unwrap_or(MAX_LEAD).min(MAX_LEAD);
            let lead = Duration::from_millis(fastrand::u64(1..=most));
            turn = Turn::after(&found, now, lead);
        }
        Err(StoreError::Unavailable(Arc::new(Contended)))
    }

    async fn try_change(
        &self,
        id: BrandId,
        change: &Change<'_>,
        expected: Option<u32>,
        (token, now): (&str, Timestamp),
        turn: &Turn,
    ) -> Result<Tried, StoreError> {
        let (set, remove, condition) = match change {
            Change::Rename(_) => ("#name = :name", String::new(), ""),
            Change::Delete => (
                "deleted_at = :now",
                format!(", {LISTED_SHARD}"),
                " AND attribute_type(#name, :string)",
            ),
        };
        let (before, seen) = match &turn.before {
            Before::Earlier => ("updated_at < :now", None),
            Before::Damaged(seen) => ("updated_at = :seen", Some(seen.clone())),
            Before::Missing => ("attribute_not_exists(updated_at)", None),
        };
        let is_expected = if expected.is_some() {
            " AND version = :expected"
        } else {
            ""
        };
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&id))
            .condition_expression(format!(
                "attribute_exists(id) AND attribute_not_exists(deleted_at) \
                 AND (attribute_not_exists({CHANGED_BY}) OR {CHANGED_BY} <> :token) \
                 AND version >= :zero AND version < :most AND {before}{is_expected}{condition}"
            ))
            .update_expression(format!(
                "SET {set}, updated_at = :now, {CHANGED_BY} = :token, \
                 {DUE_SHARD} = :shard, {DUE_AT} = :due_at, {DUE_SINCE} = :due_at \
                 REMOVE {ATTENTION_SHARD}, {ATTENTION_SINCE}{remove} ADD version :one"
            ))
            .expression_attribute_names("#name", "name")
            .expression_attribute_values(":token", text(&token))
            .expression_attribute_values(":now", text(&turn.at))
            // By the caller's clock: the time of the version may be that of a clock which was ahead.
            .expression_attribute_values(":due_at", text(&now.plus(self.notify_after)))
            .expression_attribute_values(":shard", shard_of(id))
            .expression_attribute_values(":zero", number(0_u32))
            .expression_attribute_values(":one", number(1_u32))
            .expression_attribute_values(":most", number(MAX_VERSION))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match change {
            Change::Rename(name) => request.expression_attribute_values(":name", text(name)),
            Change::Delete => request.expression_attribute_values(":string", text(&"S")),
        };
        let request = match expected {
            Some(version) => request.expression_attribute_values(":expected", number(version)),
            None => request,
        };
        let request = match seen {
            Some(seen) => request.expression_attribute_values(":seen", seen),
            None => request,
        };
        match request.send().await {
            Ok(answer) => Ok(Tried::Made(answer.attributes.unwrap_or_default())),
            Err(SdkError::ServiceError(error))
                if error.err().is_conditional_check_failed_exception() =>
            {
                match error.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(refused) => {
                        Ok(Tried::Refused(refused.item))
                    }
                    other => Err(StoreError::Refused(Arc::new(other))),
                }
            }
            Err(error) => Err(store_error(error)),
        }
    }
}

/// The outcome of one request for a change.
enum Tried {
    /// It is made: the row as it is now.
    Made(Item),
    /// It is not: the row as it stands, or none where there is none.
    Refused(Option<Item>),
}

/// Others kept changing the brand.
#[derive(Debug)]
struct Contended;

impl fmt::Display for Contended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the brand kept changing")
    }
}

impl Error for Contended {}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::time::Duration;

    use aws_sdk_dynamodb::types::AttributeValue;

    use super::{Before, Turn};
    use crate::{
        Brand, BrandName, Timestamp,
        dynamodb::row::{Item, new_row, text},
    };

    const NOW: u64 = 1_700_000_000_000;
    const STEP: Duration = Duration::from_millis(1);

    fn found(updated_at: Option<AttributeValue>) -> Item {
        let created_at = Timestamp::from_millis(NOW - 1000);
        let brand = Brand::new(BrandName::parse("Acme").unwrap(), created_at);
        let mut row = new_row(&brand, created_at).unwrap();
        row.remove("updated_at");
        row.extend(updated_at.map(|value| ("updated_at".to_owned(), value)));
        row
    }

    fn turn(updated_at: Option<AttributeValue>) -> (u64, &'static str) {
        let turn = Turn::after(&found(updated_at), Timestamp::from_millis(NOW), STEP);
        let before = match turn.before {
            Before::Earlier => "earlier",
            Before::Damaged(_) => "damaged",
            Before::Missing => "missing",
        };
        (turn.at.as_millis(), before)
    }

    fn at(millis: u64) -> AttributeValue {
        text(&Timestamp::from_millis(millis))
    }

    #[test]
    fn a_change_gets_the_time_after_the_change_before_or_its_own_if_that_is_later() {
        assert_eq!(turn(Some(at(NOW - 1))), (NOW, "earlier"));
        assert_eq!(turn(Some(at(NOW))), (NOW + 1, "earlier"));
        assert_eq!(turn(Some(at(NOW + 500))), (NOW + 501, "earlier"));
        let year = 365 * 24 * 3_600_000;
        assert_eq!(turn(Some(at(NOW + year))), (NOW + year + 1, "earlier"));
    }

    #[test]
    fn a_time_that_is_missing_or_damaged_is_replaced() {
        assert_eq!(turn(None), (NOW, "missing"));
        for junk in [
            text(&"zzz"),
            text(&""),
            text(&"2023-11"),
            AttributeValue::Null(true),
        ] {
            assert_eq!(turn(Some(junk)), (NOW, "damaged"));
        }
        // The last moment that can be written: none is later.
        assert_eq!(turn(Some(at(u64::MAX))), (NOW, "damaged"));
        // A time of another form, which does not sort with the others: this is 14 November 2023, 22:13:20.
        let other_form = Some(text(&"20231114T221320Z"));
        assert_eq!(turn(other_form), (NOW + 1, "damaged"));
    }
}
