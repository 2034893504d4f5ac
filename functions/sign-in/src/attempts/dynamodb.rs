//! Attempts counted in DynamoDB.
//!
//! The table's key `id` names what is counted and the window. An item has `attempts`, `failed`, and `last_at`, when the last of them
//! began. An item of an address has two more numbers for each account that it tried (fifty at most), so that one write counts
//! both. The attribute `expires_at` has DynamoDB remove what is over.

use std::{collections::HashMap, error::Error, sync::Arc};

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};

use super::{Attempts, AttemptsError, Begun, Count, Counter, PER_ADDRESS_AND_ACCOUNT};

type Item = HashMap<String, AttributeValue>;

/// The table of attempts.
#[derive(Clone, Debug)]
pub struct DynamoDbAttempts {
    client: Client,
    table: String,
}

impl DynamoDbAttempts {
    /// The counts in the table of that name.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }

    /// A write of the item, with the names of its attributes.
    fn update(&self, count: &Count) -> UpdateItemFluentBuilder {
        let request = self.client.update_item().table_name(&self.table);
        let request = request.key("id", AttributeValue::S(count.key.clone()));
        attributes(count)
            .into_iter()
            .fold(request, |request, names| {
                request
                    .expression_attribute_names(names.attempts_placeholder, names.attempts)
                    .expression_attribute_names(names.failed_placeholder, names.failed)
            })
    }
}

/// The two attributes of one limit, and how an expression calls them.
struct Attributes {
    attempts: String,
    failed: String,
    attempts_placeholder: &'static str,
    failed_placeholder: &'static str,
    limit: u32,
    limit_placeholder: &'static str,
}

/// The limits that an item is under.
fn attributes(count: &Count) -> Vec<Attributes> {
    let own = Attributes {
        attempts: "attempts".to_owned(),
        failed: "failed".to_owned(),
        attempts_placeholder: "#attempts",
        failed_placeholder: "#failed",
        limit: count.limit,
        limit_placeholder: ":limit",
    };
    let of_account = count.account.as_ref().map(|account| Attributes {
        attempts: format!("account_{account}"),
        failed: format!("failed_{account}"),
        attempts_placeholder: "#account_attempts",
        failed_placeholder: "#account_failed",
        limit: PER_ADDRESS_AND_ACCOUNT,
        limit_placeholder: ":account_limit",
    });
    [Some(own), of_account].into_iter().flatten().collect()
}

/// One text of each limit of an item.
fn joined(count: &Count, separator: &str, text: impl Fn(&Attributes) -> String) -> String {
    let texts: Vec<_> = attributes(count).iter().map(text).collect();
    texts.join(separator)
}

impl Attempts for DynamoDbAttempts {
    /// DynamoDB makes the writes of one item one after the other, each with its condition, so of two attempts at the last place
    /// one gets it, and the other learns from the item as it then was why not:
    ///
    /// ```text
    /// one:    add if below 10 ──► 10
    /// other:       └──► add if below 10 ──► refused: 10 attempts, 9 failed, the last one began just now
    /// ```
    ///
    /// An add that the SDK repeats, since a reply was lost, counts twice: too strict, never too lax.
    async fn begin(&self, count: &Count) -> Result<Begun, AttemptsError> {
        let condition = joined(count, " AND ", |names| {
            let (attempts, failed) = (names.attempts_placeholder, names.failed_placeholder);
            let limit = names.limit_placeholder;
            format!(
                "(attribute_not_exists({attempts}) OR {attempts} < {limit}) \
                 AND (attribute_not_exists({failed}) OR {failed} < {limit})"
            )
        });
        let added = joined(count, ", ", |names| {
            format!("{} :one", names.attempts_placeholder)
        });
        let request = self
            .update(count)
            .condition_expression(condition)
            .update_expression(format!(
                "ADD {added} SET expires_at = :expires_at, last_at = :now"
            ))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":expires_at", number(count.expires_at))
            .expression_attribute_values(":now", number(count.now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let request = attributes(count)
            .into_iter()
            .fold(request, |request, names| {
                request.expression_attribute_values(names.limit_placeholder, number(names.limit))
            });
        let Err(error) = request.send().await else {
            return Ok(Begun::Allowed);
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Ok(refused
                .item()
                .map_or(Begun::TooMany, |item| why(item, count))),
            _ => Err(failed(error)),
        }
    }

    /// Only what is in flight can be given back, so a request that the SDK repeats takes off no failure. The condition also
    /// keeps an expired count from being created again, below zero and without an expiry.
    async fn give_back(&self, count: &Count) -> Result<(), AttemptsError> {
        let condition = joined(count, " AND ", |names| {
            let (attempts, failed) = (names.attempts_placeholder, names.failed_placeholder);
            format!(
                "{attempts} > :zero AND (attribute_not_exists({failed}) OR {attempts} > {failed})"
            )
        });
        let taken = joined(count, ", ", |names| {
            format!("{} :minus_one", names.attempts_placeholder)
        });
        let request = self
            .update(count)
            .condition_expression(condition)
            .update_expression(format!("ADD {taken}"))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":minus_one", number(-1));
        unless_refused(request).await
    }

    /// The condition is for a count that has expired. A failure that the SDK counts twice is too strict, never too lax.
    async fn fail(&self, count: &Count) -> Result<(), AttemptsError> {
        let condition = joined(count, " AND ", |names| {
            format!("attribute_exists({})", names.attempts_placeholder)
        });
        let added = joined(count, ", ", |names| {
            format!("{} :one", names.failed_placeholder)
        });
        let request = self
            .update(count)
            .condition_expression(condition)
            .update_expression(format!("ADD {added}"))
            .expression_attribute_values(":one", number(1));
        unless_refused(request).await
    }
}

/// Why the item was refused another attempt. A number that cannot be read leaves no room.
fn why(item: &Item, count: &Count) -> Begun {
    let number = |name: &str| match item.get(name) {
        Some(AttributeValue::N(number)) => number.parse().unwrap_or(u64::MAX),
        Some(_) => u64::MAX,
        None => 0,
    };
    let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
    let begun = attributes(count).into_iter().map(|names| {
        let counter = Counter {
            attempts: narrow(number(&names.attempts)),
            failed: narrow(number(&names.failed)),
        };
        counter.begin(names.limit, number("last_at"), count.now)
    });
    match begun.max() {
        // It was refused all the same.
        Some(Begun::Allowed) | None => Begun::TooMany,
        Some(begun) => begun,
    }
}

async fn unless_refused(request: UpdateItemFluentBuilder) -> Result<(), AttemptsError> {
    match request.send().await {
        Err(error) if !is_refused(error.as_service_error()) => Err(failed(error)),
        _ => Ok(()),
    }
}

fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

fn is_refused(error: Option<&UpdateItemError>) -> bool {
    matches!(
        error,
        Some(UpdateItemError::ConditionalCheckFailedException(_))
    )
}

fn failed(error: impl Error + Send + Sync + 'static) -> AttemptsError {
    AttemptsError(Arc::new(error))
}
