//! The queue where messages are parked.

use std::{error::Error, sync::Arc};

use aws_sdk_sqs::Client;
use thiserror::Error;

use crate::DeadLetter;

/// A dead-letter queue on SQS.
#[derive(Clone, Debug)]
pub struct DeadLetterQueue {
    client: Client,
    url: String,
}

/// SQS did not do what it was asked to, as far as is known.
#[derive(Clone, Debug, Error)]
#[error("the queue did not take the request")]
pub struct DeadLetterError(#[source] pub Arc<dyn Error + Send + Sync>);

impl DeadLetterError {
    pub(crate) fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl DeadLetterQueue {
    /// The queue of that URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        let url = url.into();
        Self { client, url }
    }

    /// Parks a message. Only once that is done may the message be acknowledged; an error means that it is unknown.
    pub async fn park(&self, letter: &DeadLetter<'_>) -> Result<(), DeadLetterError> {
        // SQS takes no message without a body.
        let body = if letter.body.is_empty() {
            " "
        } else {
            letter.body
        };
        let request = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .set_message_attributes(Some(letter.attributes()))
            .set_message_system_attributes(letter.traced().and_then(|traced| traced.system()));
        let sent = request.send().await;
        sent.map(|_| ()).map_err(DeadLetterError::of)
    }
}
