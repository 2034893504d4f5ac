//! What can be done with a message beside acknowledging it: parking and postponing it.

use std::{error::Error, sync::Arc, time::Duration};

use aws_sdk_sqs::{
    Client, operation::send_message::builders::SendMessageFluentBuilder,
    types::MessageAttributeValue,
};
use thiserror::Error;

/// A message that is parked: taken out of the queue and kept for somebody to look at, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked<'a> {
    /// The message's id in the queue that it comes from.
    pub message_id: &'a str,
    /// Its body, as it came.
    pub body: &'a str,
    /// What kind of failure it was, in one word that does not change.
    pub kind: &'static str,
    /// Why it is parked, for a reader.
    pub reason: &'a str,
}

/// The queue that messages come from, and the one where they are parked.
pub trait Messages: Send + Sync {
    /// Parks a message. Only once that is done may the message be acknowledged; an error means that it is unknown.
    fn park(&self, parked: &Parked<'_>) -> impl Future<Output = Result<(), MessagesError>> + Send;

    /// Keeps a message that is not acknowledged from being delivered again before that time has passed.
    fn postpone(
        &self,
        receipt: &str,
        wait: Duration,
    ) -> impl Future<Output = Result<(), MessagesError>> + Send;
}

/// A message could not be parked or postponed, as far as is known.
#[derive(Clone, Debug, Error)]
#[error("the queue did not take the request")]
pub struct MessagesError(#[source] pub Arc<dyn Error + Send + Sync>);

/// The most bytes of a reason that are sent along.
const MAX_REASON: usize = 1024;
/// The longest time for which SQS keeps a message from being delivered.
const MAX_WAIT: Duration = Duration::from_hours(12);

/// Both queues on SQS.
#[derive(Clone, Debug)]
pub struct SqsMessages {
    client: Client,
    queue_url: String,
    dead_letter_queue_url: String,
}

impl SqsMessages {
    /// The queue that messages come from, and the one where they are parked.
    pub fn new(
        client: Client,
        queue_url: impl Into<String>,
        dead_letter_queue_url: impl Into<String>,
    ) -> Self {
        Self {
            client,
            queue_url: queue_url.into(),
            dead_letter_queue_url: dead_letter_queue_url.into(),
        }
    }
}

impl Messages for SqsMessages {
    async fn park(&self, parked: &Parked<'_>) -> Result<(), MessagesError> {
        // SQS takes no message without a body.
        let body = if parked.body.is_empty() {
            " "
        } else {
            parked.body
        };
        let request = self
            .client
            .send_message()
            .queue_url(&self.dead_letter_queue_url)
            .message_body(body);
        let request = with_text(request, "failure_kind", parked.kind)?;
        let request = with_text(request, "failure_reason", parked.reason)?;
        let request = with_text(request, "source_message_id", parked.message_id)?;
        request.send().await.map(|_| ()).map_err(failed)
    }

    async fn postpone(&self, receipt: &str, wait: Duration) -> Result<(), MessagesError> {
        let seconds = i32::try_from(wait.min(MAX_WAIT).as_secs()).unwrap_or(i32::MAX);
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.queue_url)
            .receipt_handle(receipt)
            .visibility_timeout(seconds);
        request.send().await.map(|_| ()).map_err(failed)
    }
}

fn with_text(
    request: SendMessageFluentBuilder,
    name: &str,
    text: &str,
) -> Result<SendMessageFluentBuilder, MessagesError> {
    let value = MessageAttributeValue::builder()
        .data_type("String")
        .string_value(attribute_text(text));
    Ok(request.message_attributes(name, value.build().map_err(failed)?))
}

/// A text that SQS takes as an attribute: not empty, and of the characters that XML 1.0 knows.
fn attribute_text(text: &str) -> String {
    let is_allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let mut text: String = text
        .chars()
        .map(|character| {
            if is_allowed(character) {
                character
            } else {
                '\u{fffd}'
            }
        })
        .collect();
    text.truncate(text.floor_char_boundary(MAX_REASON));
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

fn failed(error: impl Error + Send + Sync + 'static) -> MessagesError {
    MessagesError(Arc::new(error))
}

#[cfg(test)]
mod tests {
    use super::{MAX_REASON, attribute_text};

    #[test]
    fn a_reason_is_always_one_that_sqs_takes() {
        assert_eq!(attribute_text(""), "-");
        assert_eq!(attribute_text("a\0b\u{ffff}c\n"), "a\u{fffd}b\u{fffd}c\n");
        assert!(attribute_text(&"🦀".repeat(MAX_REASON)).len() <= MAX_REASON);
    }
}
