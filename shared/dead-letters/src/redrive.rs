//! Sending parked messages on their way again.
//!
//! SQS has `StartMessageMoveTask` for it, which takes no filter and tells no counts by kind; so it is done here, and in
//! the same way on AWS and on an emulator.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use aws_sdk_sqs::{Client, types::Message};
use futures::future::join_all;

use crate::{
    DeadLetterError, DeadLetterQueue, FailureKind,
    letter::{kind_of, original_attributes, source_id},
    queue::Look,
};

/// Which messages are meant. The default is: all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those that were parked for one of these; for any where there is none.
    pub kinds: Vec<FailureKind>,
    /// Those of one of these ids; of any where there is none.
    pub ids: Vec<String>,
    /// Those whose body contains this, such as a brand's id.
    pub containing: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl Filter {
    pub(crate) fn takes(&self, message: &Message) -> bool {
        let kind = kind_of(message);
        let text = self.containing.as_deref().unwrap_or_default();
        let id = message.message_id().unwrap_or_default();
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && (self.ids.is_empty() || self.ids.iter().any(|meant| meant == id))
            && message.body().unwrap_or_default().contains(text)
    }
}

/// What became of the parked messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many were moved, by what they were parked for.
    pub moved: BTreeMap<FailureKind, usize>,
    /// How many of them came back while this ran: the cause is still there.
    pub parked_again: usize,
    /// How many others were looked at and left.
    pub left: usize,
    /// Why messages that were meant could not be moved, one each. They are still parked; one that was sent and could not
    /// be deleted is in both queues, and it is harmless if it comes twice.
    pub failed: Vec<String>,
    /// Whether all that were meant have been looked for: the end of the queue was seen, or as many were moved as were to be. If not, time
    /// was up.
    pub complete: bool,
}

impl Report {
    /// How many were moved.
    #[must_use]
    pub fn total(&self) -> usize {
        self.moved.values().sum()
    }
}

/// What became of one message that was to be moved.
struct Attempt {
    /// The id that it has in the queue now, if it was sent.
    sent_as: Option<String>,
    problem: Option<String>,
}

/// Moves parked messages back to the queue that they come from.
#[derive(Clone, Debug)]
pub struct Redrive {
    client: Client,
    dead_letters: DeadLetterQueue,
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
            dead_letters: DeadLetterQueue::new(client.clone(), dead_letter_queue_url),
            client,
            queue_url: queue_url.into(),
        }
    }

    /// The queue that messages are moved from.
    #[must_use]
    pub const fn dead_letters(&self) -> &DeadLetterQueue {
        &self.dead_letters
    }

    /// Moves the messages that are meant, and tells `progress` after every ten. Those that are parked again meanwhile are
    /// left, and those that another one holds who looks at the same time. Takes no longer than `time`, if it is given.
    pub async fn run(
        &self,
        filter: &Filter,
        time: Option<Duration>,
        mut progress: impl FnMut(&Report),
    ) -> Result<Report, DeadLetterError> {
        let mut report = Report::default();
        let mut look = Look::begin(&self.dead_letters, time);
        let ended = self.move_all(filter, &mut report, &mut look, &mut progress);
        let ended = ended.await;
        report.left = look.held().saturating_sub(report.parked_again);
        look.end().await;
        ended.map(|()| report)
    }

    async fn move_all(
        &self,
        filter: &Filter,
        report: &mut Report,
        look: &mut Look<'_>,
        progress: &mut impl FnMut(&Report),
    ) -> Result<(), DeadLetterError> {
        let mut sent = HashSet::new();
        let most = filter.limit.unwrap_or(usize::MAX);
        loop {
            let received = look.next().await?;
            if received.is_empty() {
                report.complete = look.is_complete;
                return Ok(());
            }
            let (again, received): (Vec<_>, Vec<_>) = received
                .into_iter()
                .partition(|message| source_id(message).is_some_and(|id| sent.contains(id)));
            report.parked_again += again.len();
            let (mut meant, mut rest): (Vec<_>, Vec<_>) = received
                .into_iter()
                .partition(|message| filter.takes(message));
            let room = most.saturating_sub(report.total());
            rest.extend(meant.split_off(room.min(meant.len())));
            let attempts = join_all(meant.iter().map(|message| self.move_one(message))).await;
            for (message, attempt) in meant.into_iter().zip(attempts) {
                sent.extend(attempt.sent_as);
                match attempt.problem {
                    None => *report.moved.entry(kind_of(&message)).or_default() += 1,
                    Some(reason) => {
                        report.failed.push(reason);
                        rest.push(message);
                    }
                }
            }
            // Held until the end, so that they are not received a second time.
            let stay = again.into_iter().chain(rest);
            look.hold(stay);
            progress(report);
            if report.total() >= most {
                report.complete = true;
                return Ok(());
            }
        }
    }

    /// Sent first and deleted then: if this process dies in between, the message comes twice, not never.
    async fn move_one(&self, message: &Message) -> Attempt {
        let id = message.message_id().unwrap_or("a message without an id");
        let request = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(message.body().unwrap_or(" "))
            .set_message_attributes(original_attributes(message));
        let sent = match request.send().await {
            Ok(sent) => sent,
            Err(error) => {
                let error = telemetry::chain(&error);
                return Attempt {
                    sent_as: None,
                    problem: Some(format!("{id} could not be sent: {error}")),
                };
            }
        };
        let deleted = self.dead_letters.delete_received(message).await;
        Attempt {
            sent_as: sent.message_id,
            problem: deleted.err().map(|error| {
                let error = telemetry::chain(&error);
                format!("{id} was sent, and could not be deleted: {error}")
            }),
        }
    }
}
