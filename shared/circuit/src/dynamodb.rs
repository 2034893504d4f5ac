//! Circuits on DynamoDB.

use std::{collections::HashMap, error::Error, sync::Arc};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};

use crate::{Circuit, CircuitError, CircuitStore, Committed};

/// The table's key.
const ID: &str = "id";

type Item = HashMap<String, AttributeValue>;

/// The circuits' table: one item a circuit, with the fields of [`Circuit`] as attributes and times in milliseconds since the epoch.
#[derive(Clone, Debug)]
pub struct DynamoDbCircuitStore {
    client: Client,
    table: String,
}

impl DynamoDbCircuitStore {
    /// The store on the table of that name.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }
}

#[async_trait]
impl CircuitStore for DynamoDbCircuitStore {
    async fn load(&self, id: &str) -> Result<Circuit, CircuitError> {
        // Consistent: a circuit that has just been closed holds nothing back.
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(ID, AttributeValue::S(id.to_owned()))
            .consistent_read(true);
        let answer = request.send().await.map_err(circuit_error)?;
        circuit_of(answer.item)
    }

    /// Two processes may change the circuit at once, and the SDK repeats a request whose reply was lost:
    ///
    /// ```text
    /// one:    read revision a ──► put b, expects a ──► stored, reply lost ──► put b again: refused, and the item is b: Applied
    /// other:  read revision a ────────────────────────────► put c, expects a: refused, and the item is b: Conflict
    /// ```
    ///
    /// Each write has a random revision, so that an item that was deleted or restored from a backup is not taken for the one that was read.
    async fn commit(
        &self,
        id: &str,
        next: &Circuit,
        expected: Option<&str>,
    ) -> Result<Committed, CircuitError> {
        let mut item: Item = serde_dynamo::to_item(next).map_err(unreadable)?;
        item.insert(ID.to_owned(), AttributeValue::S(id.to_owned()));
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
                .expression_attribute_values(":revision", AttributeValue::S(revision.to_owned())),
        };
        let Err(error) = request.send().await else {
            return Ok(Committed::Applied);
        };
        let Some(PutItemError::ConditionalCheckFailedException(refused)) = error.as_service_error()
        else {
            return Err(circuit_error(error));
        };
        let found = circuit_of(refused.item.clone())?;
        Ok(if found.revision == next.revision {
            Committed::Applied
        } else {
            Committed::Conflict(Box::new(found))
        })
    }
}

fn circuit_of(item: Option<Item>) -> Result<Circuit, CircuitError> {
    let circuit = item.map(serde_dynamo::from_item).transpose();
    Ok(circuit.map_err(unreadable)?.unwrap_or_default())
}

fn unreadable(error: serde_dynamo::Error) -> CircuitError {
    CircuitError::Unreadable(Arc::new(error))
}

fn circuit_error<E>(error: SdkError<E, HttpResponse>) -> CircuitError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if aws::is_transient(&error) {
        CircuitError::Unavailable(Arc::new(error))
    } else {
        CircuitError::Refused(Arc::new(error))
    }
}
