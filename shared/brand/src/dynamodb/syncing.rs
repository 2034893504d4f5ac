//! The sync state of a row: one consistent read, one conditional write.

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};

use super::{
    row::{
        ATTENTION_SHARD, ATTENTION_SINCE, DUE_AT, DUE_SHARD, DUE_SINCE, EXPIRES_AT, LEASE, SYNC,
        number, shard_of, store_error, text, unreadable,
    },
    stored::{MAX_SEQUENCE, row_of},
};
use crate::{
    BrandId, BrandRow, DynamoDbBrandStore, Lease, Schedule, StoreError, SyncStore, SyncWrite,
    SyncWritten, WriteScope,
};

impl SyncStore for DynamoDbBrandStore {
    async fn load(&self, id: BrandId) -> Result<Option<BrandRow>, StoreError> {
        self.item(id).await?.as_ref().map(row_of).transpose()
    }

    /// Two workers, and a client, may be at the row at once:
    ///
    /// ```text
    /// one:    read ──► begin (A, 1) … stands still ─────────────────────────► end, seen (A, 1): refused
    /// other:              lease over ──► begin (B, 2), seen (A, 1) ──► CMS ──┘
    /// client:                                   └──► version 2: an end about version 1 is refused as well
    /// ```
    ///
    /// so each write names the lease as its writer saw it, and where it schedules the row the version, too. That the row
    /// exists is part of the condition: an update after the time to live would make a stub of a row.
    async fn write(&self, write: &SyncWrite) -> Result<SyncWritten, StoreError> {
        let update = Update::of(write)?;
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&write.id))
            .update_expression(update.expression())
            .condition_expression(update.condition)
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values(Some(update.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = request.send().await else {
            return Ok(SyncWritten::Applied);
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(refused)) =
            error.as_service_error()
        else {
            return Err(store_error(error));
        };
        let found = match &refused.item {
            Some(item) => Some(row_of(item)?),
            // Older emulators refuse without the row.
            None => self.load(write.id).await?,
        };
        Ok(SyncWritten::Refused(found.map(Box::new)))
    }
}

type Names = std::collections::HashMap<String, String>;
type Values = std::collections::HashMap<String, AttributeValue>;

/// The expressions of one write.
struct Update {
    condition: String,
    set: Vec<String>,
    remove: Vec<&'static str>,
    names: Names,
    values: Values,
}

impl Update {
    fn of(write: &SyncWrite) -> Result<Self, StoreError> {
        let failed = |error| unreadable(&write.id.to_string(), error);
        let lease = serde_dynamo::to_attribute_value(&write.lease).map_err(failed)?;
        let mut update = Self {
            condition: "attribute_exists(id)".to_owned(),
            set: vec!["#lease = :lease".to_owned()],
            remove: Vec::new(),
            names: Names::from([("#lease".to_owned(), LEASE.to_owned())]),
            values: Values::from([(":lease".to_owned(), lease)]),
        };
        for (index, (name, state)) in write.subscribers.iter().enumerate() {
            let state = serde_dynamo::to_attribute_value(state).map_err(failed)?;
            update.set.push(format!("#sync{index} = :sync{index}"));
            update
                .names
                .insert(format!("#sync{index}"), format!("{SYNC}{name}"));
            update.value(&format!(":sync{index}"), state);
        }
        update.expect_lease(write.seen.as_ref());
        if let WriteScope::Version(version) | WriteScope::Schedule(version, _) = write.scope {
            update.condition.push_str(" AND version = :version");
            update.value(":version", number(version));
        }
        if let WriteScope::Schedule(_, schedule) = write.scope {
            update.schedule(write.id, schedule);
        }
        Ok(update)
    }

    /// The lease stands as it was seen. One that reads as none may be there all the same, and damaged: it is overwritten. Of
    /// a sequence the fraction is not read, so it is not compared either.
    fn expect_lease(&mut self, seen: Option<&Lease>) {
        for name in ["token", "sequence"] {
            self.names.insert(format!("#{name}"), name.to_owned());
        }
        let (condition, from, to) = match seen {
            None => {
                self.value(":string", text(&"S"));
                let condition = " AND NOT (attribute_type(#lease.#token, :string) \
                     AND #lease.#sequence >= :from AND #lease.#sequence < :to)";
                (condition, 0, MAX_SEQUENCE.saturating_add(1))
            }
            Some(seen) => {
                self.value(":token", text(&seen.token));
                let condition = " AND #lease.#token = :token \
                     AND #lease.#sequence >= :from AND #lease.#sequence < :to";
                (condition, seen.sequence, seen.sequence.saturating_add(1))
            }
        };
        self.condition.push_str(condition);
        self.value(":from", number(from));
        self.value(":to", number(to));
    }

    fn schedule(&mut self, id: BrandId, schedule: Schedule) {
        let Schedule {
            due_at,
            attention_since,
            expires_at,
        } = schedule;
        let due = due_at.map(|due_at| {
            [
                (DUE_SHARD, shard_of(id)),
                (DUE_AT, text(&due_at)),
                (DUE_SINCE, text(&due_at)),
            ]
        });
        self.set_or_remove([DUE_SHARD, DUE_AT, DUE_SINCE], due);
        let attention = attention_since.map(|since| {
            [
                (ATTENTION_SHARD, shard_of(id)),
                (ATTENTION_SINCE, text(&since)),
            ]
        });
        self.set_or_remove([ATTENTION_SHARD, ATTENTION_SINCE], attention);
        let expiry = expires_at.map(|at| [(EXPIRES_AT, number(at.as_millis() / 1000))]);
        self.set_or_remove([EXPIRES_AT], expiry);
    }

    fn set_or_remove<const N: usize>(
        &mut self,
        names: [&'static str; N],
        values: Option<[(&'static str, AttributeValue); N]>,
    ) {
        match values {
            None => self.remove.extend(names),
            Some(values) => {
                for (name, value) in values {
                    self.set.push(format!("{name} = :{name}"));
                    self.value(&format!(":{name}"), value);
                }
            }
        }
    }

    fn value(&mut self, name: &str, value: AttributeValue) {
        self.values.insert(name.to_owned(), value);
    }

    fn expression(&self) -> String {
        let mut expression = format!("SET {}", self.set.join(", "));
        if !self.remove.is_empty() {
            expression.push_str(" REMOVE ");
            expression.push_str(&self.remove.join(", "));
        }
        expression
    }
}
