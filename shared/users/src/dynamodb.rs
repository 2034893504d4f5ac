//! Users on DynamoDB.

use std::{collections::HashMap, error::Error, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};

use crate::{
    Created, Email, PasswordChanges, PasswordHash, User, UserId, Users, UsersError,
    password_changes::ChangeList,
};

/// The table's key.
const EMAIL: &str = "email";

type Item = HashMap<String, AttributeValue>;

/// The users' table.
#[derive(Clone, Debug)]
pub struct DynamoDbUsers {
    client: Client,
    table: String,
}

impl DynamoDbUsers {
    /// The store on the table of that name.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }
}

impl Users for DynamoDbUsers {
    async fn find(&self, email: &Email) -> Result<Option<User>, UsersError> {
        self.item(text(email)).await?.map(user_of).transpose()
    }

    /// Two operators may create a user of one email at once, and the SDK repeats a request whose reply was lost:
    ///
    /// ```text
    /// one:    put user 1 ──► stored, reply lost ──────────────► put user 1 again: refused, and the row is user 1: New
    /// other:                                  └──► put user 2: refused, and the row is user 1: Taken
    /// ```
    async fn create(&self, user: &User) -> Result<Created, UsersError> {
        let item: Item = serde_dynamo::to_item(user).map_err(unreadable)?;
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(email)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = request.send().await else {
            return Ok(Created::New);
        };
        let Some(PutItemError::ConditionalCheckFailedException(refused)) = error.as_service_error()
        else {
            return Err(users_error(error));
        };
        let existing = refused.item.clone().map(user_of).transpose()?;
        let is_it = existing.is_some_and(|existing| existing.user_id == user.user_id);
        Ok(if is_it { Created::New } else { Created::Taken })
    }

    /// The password and its entry in the list of changes are one write, so that there is never a new password beside tokens of
    /// the old one. Of two passwords that are set at once the later one stays:
    ///
    /// ```text
    /// one:    read version 1 ──► set, expecting 1 ──► version 2
    /// other:      └──► set, expecting 1: refused ──► read version 2 ──► set, expecting 2 ──► version 3
    /// ```
    ///
    /// and a user who is deleted meanwhile is not made again from a hash alone.
    async fn set_password(
        &self,
        email: &Email,
        hash: &PasswordHash,
    ) -> Result<Option<UserId>, UsersError> {
        for _ in 0..TRIES {
            let Some(user) = self.find(email).await? else {
                return Ok(None);
            };
            if self.set_if_unchanged(&user, hash).await? {
                return Ok(Some(user.user_id));
            }
        }
        Err(UsersError::Busy)
    }
}

#[async_trait]
impl PasswordChanges for DynamoDbUsers {
    async fn recent(&self) -> Result<HashMap<String, u32>, UsersError> {
        Ok(self.change_list().await?.into_versions())
    }
}

/// The key of the list of changed passwords: no email, so no user's.
const CHANGES: &str = "#password-changes";

/// How often a password is set where others are set at once.
const TRIES: u32 = 10;

impl DynamoDbUsers {
    async fn change_list(&self) -> Result<ChangeList, UsersError> {
        let list = AttributeValue::S(CHANGES.to_owned());
        let found = self.item(list).await?;
        let list = found.map(serde_dynamo::from_item).transpose();
        Ok(list.map_err(unreadable)?.unwrap_or_default())
    }

    /// Sets a user's password, unless another was set since the user was read, or the list was changed meanwhile.
    async fn set_if_unchanged(&self, user: &User, hash: &PasswordHash) -> Result<bool, UsersError> {
        let seen = self.change_list().await?;
        let next = user.password_version.saturating_add(1);
        let password = Update::builder()
            .table_name(&self.table)
            .key(EMAIL, text(&user.email))
            .condition_expression(
                "attribute_exists(email) AND (attribute_not_exists(password_version) OR password_version = :seen)",
            )
            .update_expression("SET password_hash = :hash, password_version = :next")
            .expression_attribute_values(":seen", number(user.password_version))
            .expression_attribute_values(":next", number(next))
            .expression_attribute_values(":hash", AttributeValue::S(hash.clone().into()))
            .build();
        let expected = number(seen.sequence);
        let list = seen.with(&user.user_id, next, SystemTime::now());
        let mut list: Item = serde_dynamo::to_item(list).map_err(unreadable)?;
        list.insert(EMAIL.to_owned(), AttributeValue::S(CHANGES.to_owned()));
        let changes = Put::builder()
            .table_name(&self.table)
            .set_item(Some(list))
            .condition_expression("attribute_not_exists(#sequence) OR #sequence = :seen")
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":seen", expected)
            .build();
        let (password, changes) = (password.map_err(unreadable)?, changes.map_err(unreadable)?);
        let request = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(password).build())
            .transact_items(TransactWriteItem::builder().put(changes).build());
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(_)) => Ok(false),
                _ => Err(users_error(error)),
            },
        }
    }

    async fn item(&self, key: AttributeValue) -> Result<Option<Item>, UsersError> {
        // Consistent: a password that was taken away is not good a moment later.
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(EMAIL, key)
            .consistent_read(true);
        Ok(request.send().await.map_err(users_error)?.item)
    }
}

fn number(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn text(email: &Email) -> AttributeValue {
    AttributeValue::S(email.as_str().to_owned())
}

fn user_of(item: Item) -> Result<User, UsersError> {
    serde_dynamo::from_item(item).map_err(unreadable)
}

fn unreadable(error: impl Error + Send + Sync + 'static) -> UsersError {
    UsersError::Unreadable(Arc::new(error))
}

fn users_error<E>(error: SdkError<E, HttpResponse>) -> UsersError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if aws::is_transient(&error) {
        UsersError::Unavailable(Arc::new(error))
    } else {
        UsersError::Refused(Arc::new(error))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::{Item, user_of};
    use crate::{NewEmail, PasswordHash, User};

    #[test]
    fn a_row_has_these_attributes_and_is_read_back_as_it_was() {
        let email = NewEmail::parse("admin@example.com").unwrap();
        let at = "2026-11-24T07:24:05.312Z".parse().unwrap();
        let user = User::new(email, PasswordHash::of_nobody(), at);
        let item: Item = serde_dynamo::to_item(&user).unwrap();
        let mut names: Vec<_> = item.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "auth_identity_id",
                "created_at",
                "email",
                "password_hash",
                "password_version",
                "user_id"
            ]
        );
        let created_at = AttributeValue::S("2026-11-24T07:24:05.312Z".to_owned());
        assert_eq!(item.get("created_at"), Some(&created_at));
        assert_eq!(user_of(item).unwrap(), user);
    }

    /// A row from before emails of new users were checked.
    #[test]
    fn a_row_with_an_email_that_no_new_user_may_have_is_read() {
        let email = "\u{430}dm\u{200b}in@example.com";
        NewEmail::parse(email).unwrap_err();
        let at = "2026-11-24T07:24:05.312Z".parse().unwrap();
        let other = NewEmail::parse("admin@example.com").unwrap();
        let user = User::new(other, PasswordHash::of_nobody(), at);
        let mut item: Item = serde_dynamo::to_item(&user).unwrap();
        item.insert("email".to_owned(), AttributeValue::S(email.to_owned()));
        assert_eq!(user_of(item).unwrap().email.as_str(), email);
    }
}
