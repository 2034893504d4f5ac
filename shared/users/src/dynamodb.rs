//! Users on DynamoDB.

use std::{collections::HashMap, error::Error, sync::Arc};

use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use crate::{Created, Email, PasswordHash, User, UserId, Users, UsersError};

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
        // Consistent: a password that was taken away is not good a moment later.
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(EMAIL, text(email))
            .consistent_read(true);
        let answer = request.send().await.map_err(users_error)?;
        answer.item.map(user_of).transpose()
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

    /// Of two passwords that are set at once the later one stays:
    ///
    /// ```text
    /// one:    set ──► stored
    /// other:            └──► set ──► stored in its place
    /// ```
    ///
    /// and a user who is deleted meanwhile is not made again from a hash alone.
    async fn set_password(
        &self,
        email: &Email,
        hash: &PasswordHash,
    ) -> Result<Option<UserId>, UsersError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(EMAIL, text(email))
            .condition_expression("attribute_exists(email)")
            .update_expression("SET password_hash = :hash")
            .expression_attribute_values(":hash", AttributeValue::S(hash.clone().into()))
            .return_values(ReturnValue::AllNew);
        match request.send().await {
            Ok(answer) => {
                let user = answer.attributes.map(user_of).transpose()?;
                Ok(user.map(|user| user.user_id))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(users_error(error)),
            },
        }
    }
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
    use crate::{Email, PasswordHash, User};

    #[test]
    fn a_row_has_these_attributes_and_is_read_back_as_it_was() {
        let email = Email::parse("admin@example.com").unwrap();
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
                "user_id"
            ]
        );
        let created_at = AttributeValue::S("2026-11-24T07:24:05.312Z".to_owned());
        assert_eq!(item.get("created_at"), Some(&created_at));
        assert_eq!(user_of(item).unwrap(), user);
    }
}
