//! Circuits and reports of calls on DynamoDB.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    io,
    sync::Arc,
};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::put_item::PutItemError,
    types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure},
};

use crate::{CallStore, Calls, Circuit, CircuitError, CircuitStore, Committed, TenMinutes, WINDOW};

/// The table's key.
const ID: &str = "id";

type Item = HashMap<String, AttributeValue>;

/// The circuits' table: one item a circuit, with the fields of [`Circuit`] as attributes and times in milliseconds since the epoch; and
/// one item for ten minutes of calls, `calls#cms#2026-11-28T18:20`, with up to four numbers a minute, `calls_0` to `millis_9`. That is
/// less than 1 KB, so a report takes one write unit.
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

#[async_trait]
impl CallStore for DynamoDbCircuitStore {
    /// Processes add to an item at once, in any order: `ADD` creates what is not there, and loses nothing of what is.
    async fn add(
        &self,
        service: &str,
        window: TenMinutes,
        counted: &[Calls; WINDOW],
    ) -> Result<(), CircuitError> {
        let expires_at = window.expires_at().as_millis() / 1000;
        let mut request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(ID, AttributeValue::S(calls_id(service, window)))
            .expression_attribute_values(":expires_at", number(expires_at));
        let mut added = Vec::new();
        for (name, count) in numbers(counted).filter(|(_, count)| *count > 0) {
            added.push(format!("{name} :{name}"));
            request = request.expression_attribute_values(format!(":{name}"), number(count));
        }
        if added.is_empty() {
            return Ok(());
        }
        let update = format!("SET expires_at = :expires_at ADD {}", added.join(", "));
        let added = request.update_expression(update).send().await;
        added.map(|_| ()).map_err(circuit_error)
    }

    async fn read(
        &self,
        service: &str,
        windows: &[TenMinutes],
    ) -> Result<BTreeMap<TenMinutes, [Calls; WINDOW]>, CircuitError> {
        let by_id: BTreeMap<String, TenMinutes> = windows
            .iter()
            .map(|window| (calls_id(service, *window), *window))
            .collect();
        let key = |id: &String| HashMap::from([(ID.to_owned(), AttributeValue::S(id.clone()))]);
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(by_id.keys().map(key).collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| CircuitError::Refused(Arc::new(error)))?;
        let request = self
            .client
            .batch_get_item()
            .request_items(&self.table, keys);
        let answer = request.send().await.map_err(circuit_error)?;
        if answer.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
            let throttled = io::Error::other("some items were not read: too many requests");
            return Err(CircuitError::Unavailable(Arc::new(throttled)));
        }
        let items = answer.responses.unwrap_or_default();
        let items = items.into_values().flatten();
        Ok(items
            .filter_map(|item| {
                let window = by_id.get(item.get(ID)?.as_s().ok()?)?;
                Some((*window, calls_of(&item)))
            })
            .collect())
    }
}

fn calls_id(service: &str, window: TenMinutes) -> String {
    format!("calls#{service}#{window}")
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The attributes of a window, by name.
fn numbers(window: &[Calls; WINDOW]) -> impl Iterator<Item = (String, u64)> {
    window.iter().enumerate().flat_map(|(minute, calls)| {
        [
            (format!("calls_{minute}"), calls.calls),
            (format!("errors_{minute}"), calls.errors),
            (format!("limited_{minute}"), calls.limited),
            (format!("millis_{minute}"), calls.latency_millis),
        ]
    })
}

/// An attribute that is missing or damaged counts as nothing: the others are worth showing.
fn calls_of(item: &Item) -> [Calls; WINDOW] {
    let count = |name: &str, minute: usize| {
        let attribute = item.get(&format!("{name}_{minute}"));
        let number = attribute.and_then(|attribute| attribute.as_n().ok());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    std::array::from_fn(|minute| Calls {
        calls: count("calls", minute),
        errors: count("errors", minute),
        limited: count("limited", minute),
        latency_millis: count("millis", minute),
    })
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::types::AttributeValue;
    use workflow::Timestamp;

    use super::{calls_id, calls_of, number, numbers};
    use crate::{Calls, Minute, WINDOW};

    /// More than a thousand calls a second, all of them slow.
    const MANY: Calls = Calls {
        calls: 99_999,
        errors: 99_999,
        limited: 99_999,
        latency_millis: 999_999_999,
    };

    #[test]
    fn a_window_of_busy_minutes_stays_under_one_kilobyte() {
        // Of a number, DynamoDB stores a byte for two digits, and one or two more.
        let size: usize = numbers(&[MANY; WINDOW])
            .map(|(name, number)| name.len() + number.to_string().len().div_ceil(2) + 2)
            .sum();
        let id = calls_id("cms", Minute::of(Timestamp::from_millis(0)).window());
        assert_eq!(id, "calls#cms#1970-01-01T00:00");
        let rest = "id".len() + id.len() + "expires_at".len() + 7;
        assert!(size + rest < 1024, "{size} + {rest}");
    }

    #[test]
    fn damaged_attributes_count_as_nothing() {
        let mut item: HashMap<String, AttributeValue> = numbers(&[MANY; WINDOW])
            .map(|(name, count)| (name, number(count)))
            .collect();
        for (name, damage) in [
            ("calls_1", AttributeValue::S("7".to_owned())),
            ("errors_1", AttributeValue::N("-1".to_owned())),
            ("limited_1", AttributeValue::N("1.5".to_owned())),
            ("millis_1", AttributeValue::N("1e30".to_owned())),
            ("calls_10", AttributeValue::N("1".to_owned())),
        ] {
            item.insert(name.to_owned(), damage);
        }
        item.remove("calls_2");
        let mut expected = [MANY; WINDOW];
        let [_, damaged, partly, ..] = &mut expected;
        (*damaged, partly.calls) = (Calls::default(), 0);
        assert_eq!(calls_of(&item), expected);
        assert_eq!(calls_of(&HashMap::new()), [Calls::default(); WINDOW]);
    }
}
