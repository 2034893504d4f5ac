//! The rows that are due, by the index `due`, and those that need an operator, by the index `attention`.

use aws_sdk_dynamodb::operation::{
    query::builders::QueryFluentBuilder, update_item::UpdateItemError,
};

use super::{
    page,
    row::{DUE, DUE_AT, DUE_SHARD, DUE_SINCE, Item, id_of, store_error, text},
};
use crate::{
    BrandId, DueRow, DynamoDbBrandStore, Outbox, Schedule, SparseIndex, StoreError, Timestamp,
    sync::FarAhead,
};

impl Outbox for DynamoDbBrandStore {
    async fn due(&self, shard: u8, now: Timestamp, limit: u16) -> Result<Vec<DueRow>, StoreError> {
        let mut due = self.due_where("<= :time", shard, now, limit).await?;
        let room = limit.saturating_sub(due.len().try_into().unwrap_or(u16::MAX));
        if room > 0 && FarAhead::is_looked_for(shard, now) {
            let from = now.plus(Schedule::LONGEST_WAIT);
            due.extend(self.due_where("> :time", shard, from, room).await?);
        }
        for row in &mut due {
            row.since = row.since.filter(|since| *since <= now);
        }
        Ok(due)
    }

    /// The row may be synced, or changed, since it was read:
    ///
    /// ```text
    /// sweep:  read the index ──► notify ─────────────────────────► postpone, due as seen: refused
    /// worker:                      └──► done, no longer due ───────┘
    /// ```
    ///
    /// and then there is nothing to postpone.
    async fn postpone(&self, row: &DueRow, due_at: Timestamp) -> Result<(), StoreError> {
        // From then on its waits grow, too.
        let since = if row.since.is_none() {
            format!(", {DUE_SINCE} = :due_at")
        } else {
            String::new()
        };
        let update = format!("SET {DUE_AT} = :due_at{since}");
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&row.id))
            .condition_expression(format!("{DUE_AT} = :seen"))
            .update_expression(update)
            .expression_attribute_values(":seen", text(&row.due_at))
            .expression_attribute_values(":due_at", text(&due_at));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(store_error(error)),
            },
        }
    }

    async fn count_attention(&self, shard: u8) -> Result<u64, StoreError> {
        self.count_in_shard(SparseIndex::Attention, shard).await
    }
}

fn due_row(item: &Item) -> DueRow {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    DueRow {
        id: id_of(item),
        due_at: text(DUE_AT).unwrap_or_default(),
        since: text(DUE_SINCE).and_then(|since| since.parse().ok()),
    }
}

impl DynamoDbBrandStore {
    async fn due_where(
        &self,
        condition: &str,
        shard: u8,
        time: Timestamp,
        limit: u16,
    ) -> Result<Vec<DueRow>, StoreError> {
        let request = self
            .shard_of_index(DUE, shard)
            .key_condition_expression(format!("{DUE_SHARD} = :shard AND {DUE_AT} {condition}"))
            .expression_attribute_values(":time", text(&time))
            .limit(limit.max(1).into());
        let answer = page(request).await?;
        Ok(answer.items().iter().map(due_row).collect())
    }

    /// A query of one shard of an index; the key condition, over `:shard`, is left to the caller.
    pub(super) fn shard_of_index(&self, index: &str, shard: u8) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(index)
            .expression_attribute_values(":shard", text(&shard))
    }
}

/// For an operator's commands: which brands there are.
impl DynamoDbBrandStore {
    /// A page of the ids of all rows, after that of `after`; and where the next page begins, if there is one. It reads
    /// the table, so it costs what the table holds.
    pub async fn ids(
        &self,
        after: Option<BrandId>,
    ) -> Result<(Vec<BrandId>, Option<BrandId>), StoreError> {
        let start = after.map(|id| Item::from([("id".to_owned(), text(&id))]));
        let request = self
            .client
            .scan()
            .table_name(&self.table)
            .projection_expression("id")
            .set_exclusive_start_key(start);
        let answer = request.send().await.map_err(store_error)?;
        let items = answer.items.unwrap_or_default();
        let ids = items
            .iter()
            .filter_map(|item| id_of(item).parse().ok())
            .collect();
        let next = answer.last_evaluated_key.as_ref();
        Ok((ids, next.and_then(|key| id_of(key).parse().ok())))
    }
}
