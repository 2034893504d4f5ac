//! The journal's table.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    operation::{
        put_item::PutItemError, transact_write_items::TransactWriteItemsError,
        update_item::UpdateItemError,
    },
    types::{
        AttributeValue, CancellationReason, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem,
    },
};
use workflow::{
    Committed, Expected, Journal, JournalError, Run, RunId, RunPage, RunQuery, RunState, Timestamp,
};

use crate::{
    error::{Verdict, journal_error},
    item::{Item, item_of, run_of},
};

/// A journal on a DynamoDB table. The writes that steps hand over are items of a `TransactWriteItems` request.
#[derive(Clone, Debug)]
pub struct DynamoDbJournal {
    client: Client,
    table: String,
}

/// The condition under which the record of a run may be replaced, with the names and values in it.
///
/// Two workers may be at a run at once:
///
/// ```text
/// one:    begin (epoch 1) ──► step … lease over ─────────────────► write, epoch 1: refused
/// other:                                  └──► take over (epoch 2) ──► step ──► write
/// ```
///
/// and whoever asks for a run to be cancelled holds no lease at all, so that his mark is part of the condition.
struct Condition {
    expression: &'static str,
    names: Option<HashMap<String, String>>,
    values: Option<Item>,
}

impl Condition {
    fn of(expected: Expected) -> Self {
        let Expected::At(fence) = expected else {
            return Self {
                expression: "attribute_not_exists(id)",
                names: None,
                values: None,
            };
        };
        let number = |number: u64| AttributeValue::N(number.to_string());
        Self {
            expression: if fence.cancel_requested {
                "epoch = :epoch AND #sequence = :sequence AND attribute_exists(cancel_requested_at)"
            } else {
                "epoch = :epoch AND #sequence = :sequence AND attribute_not_exists(cancel_requested_at)"
            },
            names: Some(HashMap::from([(
                "#sequence".to_owned(),
                "sequence".to_owned(),
            )])),
            values: Some(Item::from([
                (":epoch".to_owned(), number(fence.epoch)),
                (":sequence".to_owned(), number(fence.sequence)),
            ])),
        }
    }
}

impl DynamoDbJournal {
    /// The journal on the table of that name.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }

    async fn put(&self, run: &Run, expected: Expected) -> Result<Committed, JournalError> {
        let condition = Condition::of(expected);
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item_of(run)?))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(condition.names)
            .set_expression_attribute_values(condition.values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = request.send().await else {
            return Ok(Committed::Applied);
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                self.conflict(&run.id, refused.item.clone()).await
            }
            _ => Err(journal_error(error)),
        }
    }

    async fn transact(
        &self,
        run: &Run,
        expected: Expected,
        writes: &[TransactWriteItem],
    ) -> Result<Committed, JournalError> {
        let condition = Condition::of(expected);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item_of(run)?))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(condition.names)
            .set_expression_attribute_values(condition.values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = put.build().map_err(JournalError::refused)?;
        let mut items = vec![TransactWriteItem::builder().put(put).build()];
        items.extend_from_slice(writes);
        // The SDK gives the request a token of its own, the same for all its attempts: a repeated one is made once.
        let request = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items));
        let Err(error) = request.send().await else {
            return Ok(Committed::Applied);
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        else {
            return Err(journal_error(error));
        };
        let reasons = cancelled.cancellation_reasons();
        let verdicts: Vec<Verdict> = reasons.iter().map(Verdict::of).collect();
        // The record first: if that is not as expected, nothing that the other writes say is of this worker's concern.
        if let (Some(Verdict::ConditionFailed), Some(reason)) = (verdicts.first(), reasons.first())
        {
            return self.conflict(&run.id, reason.item.clone()).await;
        }
        if verdicts.contains(&Verdict::Passing) {
            return Err(JournalError::unavailable(error));
        }
        let refused =
            |(_, reason): &(usize, &CancellationReason)| Verdict::of(reason) != Verdict::Fine;
        match reasons.iter().enumerate().skip(1).find(refused) {
            Some((place, reason)) if verdicts.first() == Some(&Verdict::Fine) => {
                Ok(Committed::Rejected {
                    index: place.saturating_sub(1),
                    reason: reason_text(reason),
                })
            }
            _ => Err(journal_error(error)),
        }
    }

    /// The record does not stand as expected; older emulators do not say how it does stand.
    async fn conflict(&self, id: &RunId, item: Option<Item>) -> Result<Committed, JournalError> {
        let found = match item.filter(|item| !item.is_empty()) {
            Some(item) => Some(run_of(item)?),
            None => self.read(id).await?,
        };
        Ok(Committed::Conflict(found.map(Box::new)))
    }

    async fn read(&self, id: &RunId) -> Result<Option<Run>, JournalError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", key(id))
            .consistent_read(true);
        let answer = request.send().await.map_err(journal_error)?;
        answer.item.map(run_of).transpose()
    }
}

/// Why a write that was handed over is refused, in words for whoever reads the run's record.
fn reason_text(reason: &CancellationReason) -> String {
    match (Verdict::of(reason), &reason.item) {
        (Verdict::ConditionFailed, None) => "what it writes to is gone".to_owned(),
        (Verdict::ConditionFailed, Some(_)) => {
            "what it writes to has changed in the meantime".to_owned()
        }
        _ => {
            let (code, message) = (
                reason.code().unwrap_or_default(),
                reason.message().unwrap_or_default(),
            );
            format!("its write was refused: {code}: {message}")
        }
    }
}

fn key(id: &RunId) -> AttributeValue {
    AttributeValue::S(id.to_string())
}

/// DynamoDB's limit for an item.
const MAX_ITEM: usize = 400 * 1024;

/// How many runs a page of [`Journal::list`] looks at, where the query does not say.
const PAGE: usize = 100;

#[async_trait]
impl Journal<TransactWriteItem> for DynamoDbJournal {
    async fn commit(
        &self,
        run: &Run,
        expected: Expected,
        writes: &[TransactWriteItem],
    ) -> Result<Committed, JournalError> {
        if writes.is_empty() {
            self.put(run, expected).await
        } else {
            self.transact(run, expected, writes).await
        }
    }

    async fn load(&self, id: &RunId) -> Result<Option<Run>, JournalError> {
        self.read(id).await
    }

    async fn request_cancel(&self, id: &RunId, at: Timestamp) -> Result<Option<Run>, JournalError> {
        let state = |state: RunState| AttributeValue::S(state.as_str().to_owned());
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", key(id))
            .update_expression("SET cancel_requested_at = if_not_exists(cancel_requested_at, :at)")
            .condition_expression("attribute_exists(id) AND NOT #state IN (:done, :reverted)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":at", AttributeValue::N(at.as_millis().to_string()))
            .expression_attribute_values(":done", state(RunState::Done))
            .expression_attribute_values(":reverted", state(RunState::Reverted))
            .return_values(ReturnValue::AllNew);
        let error = match request.send().await {
            Ok(answer) => return answer.attributes.map(run_of).transpose(),
            Err(error) => error,
        };
        match error.as_service_error() {
            // It is over, or there is none.
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => self.read(id).await,
            _ => Err(journal_error(error)),
        }
    }

    /// Reads the table from one end to the other, a page at a time: it costs what the table holds, not what is found.
    async fn list(&self, query: &RunQuery) -> Result<RunPage, JournalError> {
        let limit = if query.limit == 0 { PAGE } else { query.limit };
        let start = query.after.as_ref().map(|after| key(&RunId::new(after)));
        let request = self
            .client
            .scan()
            .table_name(&self.table)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start.map(|start| Item::from([("id".to_owned(), start)])));
        let answer = request.send().await.map_err(journal_error)?;
        let next = match answer
            .last_evaluated_key
            .as_ref()
            .and_then(|key| key.get("id"))
        {
            Some(AttributeValue::S(id)) => Some(id.clone()),
            _ => None,
        };
        let runs: Vec<Run> = answer
            .items
            .unwrap_or_default()
            .into_iter()
            .map(run_of)
            .collect::<Result<_, _>>()?;
        let runs = runs.into_iter().filter(|run| query.matches(run)).collect();
        Ok(RunPage { runs, next })
    }

    fn max_size(&self) -> usize {
        MAX_ITEM
    }
}
