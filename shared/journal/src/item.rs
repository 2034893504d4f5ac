//! A run as an item of the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use workflow::{JournalError, Run, RunId};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The attribute that DynamoDB's time to live reads: seconds since the epoch, where a run has milliseconds.
const EXPIRES_AT: &str = "expires_at";

pub(crate) fn item_of(run: &Run) -> Result<Item, JournalError> {
    let mut item: Item = serde_dynamo::to_item(run).map_err(|error| unreadable(&run.id, &error))?;
    if let Some(expires_at) = run.expires_at {
        let seconds = expires_at.as_millis().div_ceil(1000);
        item.insert(
            EXPIRES_AT.to_owned(),
            AttributeValue::N(seconds.to_string()),
        );
    }
    Ok(item)
}

pub(crate) fn run_of(mut item: Item) -> Result<Run, JournalError> {
    let id = match item.get("id") {
        Some(AttributeValue::S(id)) => RunId::new(id),
        _ => RunId::new("without an id"),
    };
    if let Some(AttributeValue::N(seconds)) = item.get(EXPIRES_AT) {
        let millis = seconds
            .parse::<u64>()
            .unwrap_or_default()
            .saturating_mul(1000);
        item.insert(EXPIRES_AT.to_owned(), AttributeValue::N(millis.to_string()));
    }
    serde_dynamo::from_item(item).map_err(|error| unreadable(&id, &error))
}

fn unreadable(id: &RunId, error: &serde_dynamo::Error) -> JournalError {
    JournalError::Unreadable {
        id: id.clone(),
        message: error.to_string(),
    }
}
