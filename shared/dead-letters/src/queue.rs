//! The queue where messages are parked.

use std::{error::Error, sync::Arc, time::Duration};

use aws::Limits;
use aws_sdk_sqs::{
    Client, Config,
    types::{ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName},
};
use futures::{
    future,
    stream::{self, StreamExt},
};
use thiserror::Error;
use tokio::time::{Instant, timeout};

use crate::{DeadLetter, Filter, ParkedMessage};

/// For how long, in seconds, messages are kept from others that are looked at. Those that stay are given back at the end;
/// this is for the case that there is none.
const HOLD: i32 = 300;
/// The same where the look has a limit of time: a function may be ended in the midst of it.
const SHORT_HOLD: i32 = 60;
/// How much of a limited time is kept for giving messages back.
const GIVE_BACK: Duration = Duration::from_secs(3);
/// How much of it is kept for that, and before it for a request that began at the last moment.
const RESERVE: Duration = GIVE_BACK.saturating_add(Limits::LONG.operation);
/// The most messages that are held in a limited time: so many can be given back in time.
const MAX_HELD: usize = 5_000;
/// How many requests give messages back at once.
const GIVING: usize = 20;
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

    /// The parked messages that the filter takes, the oldest first. They stay parked; until the end no other receiver gets them, so who
    /// else looks meanwhile sees fewer. Takes no longer than `time`, and then tells of those that were found by then; without it, looks
    /// until the queue is empty.
    pub async fn list(
        &self,
        filter: &Filter,
        time: Option<Duration>,
    ) -> Result<Vec<ParkedMessage>, DeadLetterError> {
        let mut look = Look::begin(self, time);
        let mut found = Vec::new();
        let ended = look.find(filter, &mut found).await;
        look.end().await;
        found.sort_by(|one, other| (one.sent_at, &one.id).cmp(&(other.sent_at, &other.id)));
        // SQS may deliver a message twice.
        found.dedup_by(|one, other| one.id == other.id);
        ended.map(|()| found)
    }

    /// Deletes the message of that id; `false` where it was not found within `time`. It may be parked nevertheless: another one who looks
    /// holds it, or SQS has not given it out yet.
    pub async fn delete(&self, id: &str, time: Option<Duration>) -> Result<bool, DeadLetterError> {
        let mut look = Look::begin(self, time);
        let deleted = look.delete(id).await;
        look.end().await;
        deleted
    }

    pub(crate) async fn delete_received(&self, message: &Message) -> Result<(), DeadLetterError> {
        let request = self
            .client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(message.receipt_handle().unwrap_or_default());
        request
            .send()
            .await
            .map(|_| ())
            .map_err(DeadLetterError::of)
    }

    /// Receives some messages with all their attributes, and hides them from other receivers for so many seconds.
    async fn receive(&self, hold: i32) -> Result<Vec<Message>, DeadLetterError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(BATCH)
            .visibility_timeout(hold)
            .wait_time_seconds(WAIT)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        // A function's client does not wait for as long as the queue does.
        let patient = Config::builder().timeout_config(Limits::LONG.timeouts());
        let received = request.customize().config_override(patient).send().await;
        let received = received.map_err(DeadLetterError::of)?;
        Ok(received.messages.unwrap_or_default())
    }

    /// Those that cannot be given back are when the hold ends.
    async fn give_back(&self, receipts: &[String]) {
        let mut batches = Vec::new();
        for some in receipts.chunks(10) {
            let entries = some.iter().enumerate().filter_map(|(place, receipt)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(place.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(0);
                entry.build().ok()
            });
            let request = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.collect()));
            batches.push(request.send());
        }
        let given = stream::iter(batches).buffer_unordered(GIVING);
        given.for_each(|_| future::ready(())).await;
    }
}

/// One look through the queue. What was received is held until the end, so that it is not received twice.
pub(crate) struct Look<'a> {
    queue: &'a DeadLetterQueue,
    until: Option<Instant>,
    hold: i32,
    held: Vec<String>,
    /// Whether the end of the queue was seen.
    pub(crate) is_complete: bool,
}

impl<'a> Look<'a> {
    pub(crate) fn begin(queue: &'a DeadLetterQueue, time: Option<Duration>) -> Self {
        let hold = time.map_or(HOLD, |_| SHORT_HOLD);
        Self {
            queue,
            until: time.map(|time| Instant::now() + time.saturating_sub(RESERVE)),
            hold,
            held: Vec::new(),
            is_complete: false,
        }
    }

    /// The next messages; none at the end of the queue, or when time is up.
    pub(crate) async fn next(&mut self) -> Result<Vec<Message>, DeadLetterError> {
        let is_over = |until| Instant::now() >= until || self.held.len() >= MAX_HELD;
        if self.until.is_some_and(is_over) {
            return Ok(Vec::new());
        }
        let received = self.queue.receive(self.hold).await?;
        self.is_complete = received.is_empty();
        Ok(received)
    }

    /// Holds messages that stay parked until the end.
    pub(crate) fn hold(&mut self, messages: impl IntoIterator<Item = Message>) {
        let receipts = messages
            .into_iter()
            .filter_map(|message| message.receipt_handle);
        self.held.extend(receipts);
    }

    /// How many messages it holds.
    pub(crate) const fn held(&self) -> usize {
        self.held.len()
    }

    /// Gives back what it holds.
    pub(crate) async fn end(self) {
        let given = self.queue.give_back(&self.held);
        match self.until {
            None => given.await,
            Some(_) => timeout(GIVE_BACK, given).await.unwrap_or(()),
        }
    }

    async fn find(
        &mut self,
        filter: &Filter,
        found: &mut Vec<ParkedMessage>,
    ) -> Result<(), DeadLetterError> {
        let most = filter.limit.unwrap_or(usize::MAX);
        while found.len() < most {
            let received = self.next().await?;
            if received.is_empty() {
                break;
            }
            let meant = received.iter().filter(|message| filter.takes(message));
            let room = most.saturating_sub(found.len());
            found.extend(meant.take(room).map(ParkedMessage::of));
            self.hold(received);
        }
        Ok(())
    }

    async fn delete(&mut self, id: &str) -> Result<bool, DeadLetterError> {
        loop {
            let received = self.next().await?;
            if received.is_empty() {
                return Ok(false);
            }
            let (mut meant, rest): (Vec<_>, Vec<_>) = received
                .into_iter()
                .partition(|message| message.message_id() == Some(id));
            self.hold(rest);
            let Some(message) = meant.pop() else {
                continue;
            };
            let deleted = self.queue.delete_received(&message).await;
            if deleted.is_err() {
                self.hold([message]);
            }
            return deleted.map(|()| true);
        }
    }
}

#[cfg(test)]
mod tests;
