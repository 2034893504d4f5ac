//! Sending parked messages on their way again.
//!
//! SQS has `StartMessageMoveTask` for it, which takes no filter and tells no counts by kind; so it is done here, and in
//! the same way on AWS and on an emulator.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_sdk_sqs::{
    Client,
    types::{Message, MessageSystemAttributeName},
};
use futures::future::join_all;

use crate::{
    DeadLetterError, FailureKind,
    letter::{kind_of, original_attributes},
};

/// For how long, in seconds, messages are kept from others that are looked at. Those that stay are given back at the end;
/// this is for the case that there is none.
const HOLD: i32 = 300;
/// How long, in seconds, it is waited for a message before the queue counts as empty.
const WAIT: i32 = 2;
/// The most messages of one request.
const BATCH: i32 = 10;

/// Which messages are meant. The default is: all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those that were parked for one of these; for any where there is none.
    pub kinds: Vec<FailureKind>,
    /// Those whose body contains this, such as a brand's id.
    pub containing: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl Filter {
    fn takes(&self, message: &Message) -> bool {
        let kind = kind_of(message);
        let text = self.containing.as_deref().unwrap_or_default();
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && message.body().unwrap_or_default().contains(text)
    }
}

/// What became of the parked messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many were moved, by what they were parked for.
    pub moved: BTreeMap<FailureKind, usize>,
    /// How many were looked at and left.
    pub left: usize,
    /// Why messages that were meant could not be moved, one each. They are still parked; one that was sent and could not
    /// be deleted is in both queues, and it is harmless if it comes twice.
    pub failed: Vec<String>,
}

impl Report {
    /// How many were moved.
    #[must_use]
    pub fn total(&self) -> usize {
        self.moved.values().sum()
    }
}

/// Moves parked messages back to the queue that they come from.
#[derive(Clone, Debug)]
pub struct Redrive {
    client: Client,
    dead_letter_queue_url: String,
    queue_url: String,
}

impl Redrive {
    /// From that dead-letter queue to that queue.
    pub fn new(
        client: Client,
        dead_letter_queue_url: impl Into<String>,
        queue_url: impl Into<String>,
    ) -> Self {
        Self {
            client,
            dead_letter_queue_url: dead_letter_queue_url.into(),
            queue_url: queue_url.into(),
        }
    }

    /// Moves the messages that are meant, and tells `progress` after every ten. Messages that are parked meanwhile, which
    /// may be the same ones once more, are left.
    pub async fn run(
        &self,
        filter: &Filter,
        mut progress: impl FnMut(&Report),
    ) -> Result<Report, DeadLetterError> {
        let mut report = Report::default();
        let mut held = Vec::new();
        let ended = self.move_all(filter, &mut report, &mut held, &mut progress);
        let ended = ended.await;
        report.left = held.len();
        self.give_back(&held).await;
        ended.map(|()| report)
    }

    async fn move_all(
        &self,
        filter: &Filter,
        report: &mut Report,
        held: &mut Vec<String>,
        progress: &mut impl FnMut(&Report),
    ) -> Result<(), DeadLetterError> {
        let begun = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let is_older = |message: &Message| {
            let attributes = message.attributes.as_ref();
            let sent = attributes
                .and_then(|known| known.get(&MessageSystemAttributeName::SentTimestamp))
                .and_then(|millis| millis.parse().ok());
            sent.is_none_or(|millis: u128| millis <= begun)
        };
        let most = filter.limit.unwrap_or(usize::MAX);
        loop {
            let received = self.receive().await?;
            if received.is_empty() {
                return Ok(());
            }
            let (mut meant, mut rest): (Vec<_>, Vec<_>) = received
                .into_iter()
                .partition(|message| is_older(message) && filter.takes(message));
            let room = most.saturating_sub(report.total());
            rest.extend(meant.split_off(room.min(meant.len())));
            let moved = join_all(meant.iter().map(|message| self.move_one(message))).await;
            for (message, moved) in meant.into_iter().zip(moved) {
                match moved {
                    Ok(()) => *report.moved.entry(kind_of(&message)).or_default() += 1,
                    Err(reason) => {
                        report.failed.push(reason);
                        rest.push(message);
                    }
                }
            }
            // Held until the end, so that they are not received a second time.
            held.extend(
                rest.into_iter()
                    .filter_map(|message| message.receipt_handle),
            );
            progress(report);
            if report.total() >= most {
                return Ok(());
            }
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, DeadLetterError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.dead_letter_queue_url)
            .max_number_of_messages(BATCH)
            .visibility_timeout(HOLD)
            .wait_time_seconds(WAIT)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let received = request.send().await.map_err(DeadLetterError::of)?;
        Ok(received.messages.unwrap_or_default())
    }

    /// Sent first and deleted then: if this process dies in between, the message comes twice, not never.
    async fn move_one(&self, message: &Message) -> Result<(), String> {
        let id = message.message_id().unwrap_or("a message without an id");
        let sent = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(message.body().unwrap_or(" "))
            .set_message_attributes(original_attributes(message))
            .send()
            .await;
        sent.map_err(|error| format!("{id} could not be sent: {}", telemetry::chain(&error)))?;
        let deleted = self
            .client
            .delete_message()
            .queue_url(&self.dead_letter_queue_url)
            .receipt_handle(message.receipt_handle().unwrap_or_default())
            .send()
            .await;
        deleted.map(|_| ()).map_err(|error| {
            format!(
                "{id} was sent, and could not be deleted: {}",
                telemetry::chain(&error)
            )
        })
    }

    /// Those that cannot be given back are when the hold ends.
    async fn give_back(&self, receipts: &[String]) {
        for some in receipts.chunks(10) {
            join_all(some.iter().map(|receipt| {
                self.client
                    .change_message_visibility()
                    .queue_url(&self.dead_letter_queue_url)
                    .receipt_handle(receipt)
                    .visibility_timeout(0)
                    .send()
            }))
            .await;
        }
    }
}
