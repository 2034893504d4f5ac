//! Reconciliations on DynamoDB, beside the circuits.

use std::{collections::HashMap, error::Error, sync::Arc};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        put_item::PutItemError,
        update_item::{UpdateItemError, UpdateItemOutput},
    },
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};

use crate::{
    Asked, Hint, Inbox, MOST_HINTS, Reconciliation, ReconciliationError, ReconciliationStore,
    Request,
};

type Item = HashMap<String, AttributeValue>;

/// Two items of the circuits' table: `reconciliation#cms`, which the worker alone writes, and `asked#cms`, with what was asked for:
/// the map `request`, and the set `hints`.
#[derive(Clone, Debug)]
pub struct DynamoDbReconciliationStore {
    client: Client,
    table: String,
}

impl DynamoDbReconciliationStore {
    /// The store on the table of that name.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let table = table.into();
        Self { client, table }
    }

    async fn item(&self, id: String) -> Result<Item, ReconciliationError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(id))
            .consistent_read(true);
        let answer = request.send().await.map_err(failed)?;
        Ok(answer.item.unwrap_or_default())
    }
}

#[async_trait]
impl ReconciliationStore for DynamoDbReconciliationStore {
    async fn load(&self, target: &str) -> Result<Reconciliation, ReconciliationError> {
        let item = self.item(kept_id(target)).await?;
        if item.is_empty() {
            return Ok(Reconciliation::default());
        }
        serde_dynamo::from_item(item).map_err(unreadable)
    }

    /// Two workers may be at it, and the SDK repeats a request whose reply was lost:
    ///
    /// ```text
    /// one:    read a ──► put b, expects a ──► stored, reply lost ──► put b again: refused, and the item is b: applied
    /// other:  read a ───────────────────────────► put c, expects a: refused, and the item is b: not applied
    /// ```
    async fn commit(
        &self,
        target: &str,
        next: &Reconciliation,
        expected: Option<&str>,
    ) -> Result<bool, ReconciliationError> {
        let mut item: Item = serde_dynamo::to_item(next).map_err(unreadable)?;
        item.insert("id".to_owned(), text(kept_id(target)));
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = match expected {
            None => request.condition_expression("attribute_not_exists(revision)"),
            Some(revision) => request
                .condition_expression("revision = :revision")
                .expression_attribute_values(":revision", text(revision)),
        };
        let Err(error) = request.send().await else {
            return Ok(true);
        };
        let Some(PutItemError::ConditionalCheckFailedException(refused)) = error.as_service_error()
        else {
            return Err(failed(error));
        };
        let found = refused.item.as_ref().and_then(|item| item.get("revision"));
        Ok(found.is_some() && found.cloned() == next.revision.clone().map(text))
    }
}

#[async_trait]
impl Inbox for DynamoDbReconciliationStore {
    async fn ask(&self, target: &str, request: &Request) -> Result<(), ReconciliationError> {
        let request = serde_dynamo::to_attribute_value(request).map_err(unreadable)?;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(asked_id(target)))
            .update_expression("SET #request = :request")
            .expression_attribute_names("#request", "request")
            .expression_attribute_values(":request", request);
        update.send().await.map_err(failed).map(drop)
    }

    async fn hint(&self, target: &str, hint: &Hint) -> Result<bool, ReconciliationError> {
        let most = AttributeValue::N(MOST_HINTS.to_string());
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(asked_id(target)))
            .update_expression("ADD hints :hint")
            .condition_expression("attribute_not_exists(hints) OR size(hints) < :most")
            .expression_attribute_values(":hint", AttributeValue::Ss(vec![hint.as_str().into()]))
            .expression_attribute_values(":most", most);
        applied(update.send().await)
    }

    async fn look(&self, target: &str) -> Result<Asked, ReconciliationError> {
        let mut item = self.item(asked_id(target)).await?;
        let request = item
            .remove("request")
            .map(serde_dynamo::from_attribute_value);
        let hints = item.get("hints").and_then(|hints| hints.as_ss().ok());
        let hints = hints.into_iter().flatten().cloned().map(Hint::kept);
        Ok(Asked {
            request: request.transpose().map_err(unreadable)?,
            hints: hints.collect(),
        })
    }

    async fn take(&self, target: &str, asked: &Asked) -> Result<(), ReconciliationError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(asked_id(target)));
        if !asked.hints.is_empty() {
            let hints = asked.hints.iter().map(|hint| hint.as_str().to_owned());
            let update = update
                .clone()
                .update_expression("DELETE hints :hints")
                .expression_attribute_values(":hints", AttributeValue::Ss(hints.collect()));
            update.send().await.map_err(failed)?;
        }
        if let Some(request) = &asked.request {
            let request = serde_dynamo::to_attribute_value(request).map_err(unreadable)?;
            let update = update
                .update_expression("REMOVE #request")
                .condition_expression("#request = :request")
                .expression_attribute_names("#request", "request")
                .expression_attribute_values(":request", request);
            applied(update.send().await)?;
        }
        Ok(())
    }
}

fn kept_id(target: &str) -> String {
    format!("reconciliation#{target}")
}

fn asked_id(target: &str) -> String {
    format!("asked#{target}")
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// Whether a conditional update is made.
fn applied(
    answer: Result<UpdateItemOutput, SdkError<UpdateItemError, HttpResponse>>,
) -> Result<bool, ReconciliationError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
        {
            Ok(false)
        }
        Err(error) => Err(failed(error)),
    }
}

fn unreadable(error: serde_dynamo::Error) -> ReconciliationError {
    ReconciliationError::Unreadable(Arc::new(error))
}

fn failed<E>(error: SdkError<E, HttpResponse>) -> ReconciliationError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if aws::is_transient(&error) {
        ReconciliationError::Unavailable(Arc::new(error))
    } else {
        ReconciliationError::Refused(Arc::new(error))
    }
}
