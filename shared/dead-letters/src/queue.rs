//! The queue where messages are parked.

use std::{error::Error, sync::Arc};

use aws_sdk_sqs::{
    Client,
    types::{Message, MessageSystemAttributeName},
};
use futures::future::join_all;
use thiserror::Error;

use crate::{DeadLetter, Filter, ParkedMessage};

/// For how long, in seconds, messages are kept from others that are looked at. Those that stay are given back at the end;
/// this is for the case that there is none.
const HOLD: i32 = 300;
/// How long, in seconds, it is waited for a message before the queue counts as empty.
const WAIT: i32 = 2;
/// The most messages of one request.
const BATCH: i32 = 10;

/// A dead-letter queue on SQS.
#[derive(Clone, Debug)]
pub struct DeadLetterQueue {
    pub(crate) client: Client,
    pub(crate) url: String,
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

    /// The parked messages that the filter takes, the oldest first. They stay parked; until the end no other receiver gets them.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<ParkedMessage>, DeadLetterError> {
        let (mut found, mut held) = (Vec::new(), Vec::new());
        let most = filter.limit.unwrap_or(usize::MAX);
        let ended = self.receive_all(filter, most, &mut found, &mut held).await;
        self.give_back(&held).await;
        found.sort_by_key(|message| message.sent_at);
        ended.map(|()| found)
    }

    async fn receive_all(
        &self,
        filter: &Filter,
        most: usize,
        found: &mut Vec<ParkedMessage>,
        held: &mut Vec<String>,
    ) -> Result<(), DeadLetterError> {
        while found.len() < most {
            let received = self.receive().await?;
            if received.is_empty() {
                break;
            }
            for message in received {
                if filter.takes(&message) && found.len() < most {
                    found.push(ParkedMessage::of(&message));
                }
                held.extend(message.receipt_handle);
            }
        }
        Ok(())
    }

    /// Receives some messages with all their attributes, and hides them from other receivers for a while.
    pub(crate) async fn receive(&self) -> Result<Vec<Message>, DeadLetterError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(BATCH)
            .visibility_timeout(HOLD)
            .wait_time_seconds(WAIT)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let received = request.send().await.map_err(DeadLetterError::of)?;
        Ok(received.messages.unwrap_or_default())
    }

    /// Those that cannot be given back are when the hold ends.
    pub(crate) async fn give_back(&self, receipts: &[String]) {
        for some in receipts.chunks(10) {
            join_all(some.iter().map(|receipt| {
                self.client
                    .change_message_visibility()
                    .queue_url(&self.url)
                    .receipt_handle(receipt)
                    .visibility_timeout(0)
                    .send()
            }))
            .await;
        }
    }
}
