//! What DynamoDB's errors mean to the engine.

use std::error::Error;

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::CancellationReason,
};
use workflow::JournalError;

pub(crate) fn journal_error<E>(error: SdkError<E, HttpResponse>) -> JournalError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if aws::is_transient(&error) {
        JournalError::unavailable(error)
    } else {
        JournalError::refused(error)
    }
}

/// What a transaction says of one of its writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is not to blame.
    Fine,
    /// Its condition does not hold.
    ConditionFailed,
    /// It met another transaction, or was throttled: it may pass later.
    Passing,
    /// It is refused for good.
    Refused,
}

impl Verdict {
    /// Source: the table of cancellation reasons in the API reference of `TransactWriteItems`.
    pub(crate) fn of(reason: &CancellationReason) -> Self {
        match reason.code() {
            None | Some("None") => Self::Fine,
            Some("ConditionalCheckFailed") => Self::ConditionFailed,
            Some("TransactionConflict" | "ProvisionedThroughputExceeded" | "ThrottlingError") => {
                Self::Passing
            }
            Some(_) => Self::Refused,
        }
    }
}
