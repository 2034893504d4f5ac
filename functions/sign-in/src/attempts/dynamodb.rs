//! Attempts counted in DynamoDB.
//!
//! The table's key `id` names what is counted and the window. An item of an address has the sum of its attempts, and beside it one
//! attribute for each account that it tried (fifty at most), so that one write counts both. The attribute `expires_at` has DynamoDB
//! remove what is over.

use std::{error::Error, sync::Arc};

use aws_sdk_dynamodb::{
    Client, operation::update_item::UpdateItemError,
    operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue,
};

use super::{
    Attempt, Attempts, AttemptsError, Counted, PER_ACCOUNT, PER_ADDRESS, PER_ADDRESS_AND_ACCOUNT,
};

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

    fn update(&self, key: String) -> UpdateItemFluentBuilder {
        let request = self.client.update_item().table_name(&self.table);
        request.key("id", AttributeValue::S(key))
    }

    /// Adds one to an address's count, and to that of the account within it.
    async fn count_address(&self, attempt: &Attempt) -> Result<Counted, AttemptsError> {
        let mut condition = "(attribute_not_exists(attempts) OR attempts < :limit)".to_owned();
        let mut added = "attempts :one".to_owned();
        let mut request = self.update(attempt.address_key());
        if let Some(account) = &attempt.account {
            condition
                .push_str(" AND (attribute_not_exists(#account) OR #account < :account_limit)");
            added.push_str(", #account :one");
            request = request
                .expression_attribute_names("#account", account_attribute(account))
                .expression_attribute_values(":account_limit", number(PER_ADDRESS_AND_ACCOUNT));
        }
        let request = request
            .condition_expression(condition)
            .update_expression(format!("ADD {added} SET expires_at = :expires_at"))
            .expression_attribute_values(":limit", number(PER_ADDRESS));
        count(request, attempt).await
    }

    /// Adds one to an account's count.
    async fn count_account(
        &self,
        key: String,
        attempt: &Attempt,
    ) -> Result<Counted, AttemptsError> {
        let request = self
            .update(key)
            .condition_expression("attribute_not_exists(attempts) OR attempts < :limit")
            .update_expression("ADD attempts :one SET expires_at = :expires_at")
            .expression_attribute_values(":limit", number(PER_ACCOUNT));
        count(request, attempt).await
    }
}

impl Attempts for DynamoDbAttempts {
    /// DynamoDB makes the writes of one item one after the other, each with its condition, so of two attempts at the last place
    /// one gets it:
    ///
    /// ```text
    /// one:    add if below 10 ──► 10
    /// other:       └──► add if below 10 ──► refused
    /// ```
    ///
    /// The address comes first: if it is over its limit, the account is not counted. If the account then is over its own, the
    /// address stays counted. An add that the SDK repeats, since a reply was lost, counts twice: too strict, never too lax.
    async fn begin(&self, attempt: &Attempt) -> Result<Counted, AttemptsError> {
        if self.count_address(attempt).await? == Counted::TooMany {
            return Ok(Counted::TooMany);
        }
        match attempt.account_key() {
            Some(key) => self.count_account(key, attempt).await,
            None => Ok(Counted::Allowed),
        }
    }

    /// The condition is for a count that has expired: taking one off it would make it anew, below zero and for ever.
    async fn give_back(&self, attempt: &Attempt) -> Result<(), AttemptsError> {
        let mut from_address = self.update(attempt.address_key());
        let mut taken = "attempts :minus_one".to_owned();
        if let Some(account) = &attempt.account {
            taken.push_str(", #account :minus_one");
            from_address =
                from_address.expression_attribute_names("#account", account_attribute(account));
        }
        let from_account = async {
            match attempt.account_key() {
                Some(key) => give_back(self.update(key), "attempts :minus_one").await,
                None => Ok(()),
            }
        };
        tokio::try_join!(give_back(from_address, &taken), from_account)?;
        Ok(())
    }
}

async fn count(
    request: UpdateItemFluentBuilder,
    attempt: &Attempt,
) -> Result<Counted, AttemptsError> {
    let request = request
        .expression_attribute_values(":one", number(1))
        .expression_attribute_values(":expires_at", number(attempt.expires_at()));
    match request.send().await {
        Ok(_) => Ok(Counted::Allowed),
        Err(error) if is_refused(error.as_service_error()) => Ok(Counted::TooMany),
        Err(error) => Err(failed(error)),
    }
}

async fn give_back(request: UpdateItemFluentBuilder, taken: &str) -> Result<(), AttemptsError> {
    let request = request
        .condition_expression("attempts > :zero")
        .update_expression(format!("ADD {taken}"))
        .expression_attribute_values(":zero", number(0))
        .expression_attribute_values(":minus_one", number(-1));
    match request.send().await {
        Err(error) if !is_refused(error.as_service_error()) => Err(failed(error)),
        _ => Ok(()),
    }
}

/// The attribute of an address's item that counts its attempts at an account.
fn account_attribute(account: &str) -> String {
    format!("account_{account}")
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
