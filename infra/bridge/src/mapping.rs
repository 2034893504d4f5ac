//! From a queue to a function, as Lambda's event source mapping with `ReportBatchItemFailures` does it.

use std::{collections::BTreeSet, error::Error, sync::Arc, time::Duration};

use aws_sdk_sqs::{
    Client,
    config::{Builder, timeout::TimeoutConfig},
    types::{
        DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
    },
};
use thiserror::Error;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::{Functions, Source, SourceError, Stop, failures};

/// How long, in seconds, the queue waits for a message before it answers that there is none: the longest there is.
const WAIT: u16 = 20;
/// How long a request may take: one that waits for messages, and then some.
const ATTEMPT: Duration = Duration::from_secs(WAIT as u64 + 5);
/// How long it is waited after a failure of the queue.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is tried to delete a message that is done with.
const DELETES: u32 = 3;

/// A queue, and the function that consumes it.
#[derive(Clone, Debug)]
pub struct Mapping {
    client: Client,
    queue_url: String,
    source: Source,
    functions: Functions,
    function: String,
    batch_size: i32,
}

/// The queue cannot be consumed, for now or at all.
#[derive(Clone, Debug, Error)]
pub enum MappingError {
    /// The queue did not do what it was asked to, as far as is known.
    #[error("the queue did not take the request")]
    Queue(#[source] Arc<dyn Error + Send + Sync>),
    /// The queue does not say what it is called.
    #[error("the queue does not say its ARN")]
    NoArn,
    /// The queue says that it is called something odd.
    #[error(transparent)]
    Arn(#[from] SourceError),
}

/// What became of the messages of one turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// How many were received.
    pub received: usize,
    /// How many were done with, and so deleted.
    pub deleted: usize,
}

impl Mapping {
    /// From that queue to that function, in batches of at most so many. Asks the queue for its ARN.
    pub async fn new(
        sdk: &aws::SdkConfig,
        queue_url: impl Into<String>,
        functions: Functions,
        function: impl Into<String>,
        batch_size: i32,
    ) -> Result<Self, MappingError> {
        let queue_url = queue_url.into();
        let client = client(sdk);
        let request = client
            .get_queue_attributes()
            .queue_url(&queue_url)
            .attribute_names(QueueAttributeName::QueueArn);
        let answer = request.send().await.map_err(queue_error)?;
        let arn = answer
            .attributes()
            .and_then(|known| known.get(&QueueAttributeName::QueueArn));
        let source = Source::of(arn.ok_or(MappingError::NoArn)?)?;
        Ok(Self {
            client,
            queue_url,
            source,
            functions,
            function: function.into(),
            batch_size,
        })
    }

    /// Takes turns until told to stop; a batch that is under way then is finished.
    pub async fn run(&self, mut stop: Stop) {
        loop {
            let received = tokio::select! {
                biased;
                // Messages that were being received meanwhile are delivered again when their visibility time-out ends.
                () = stop.told() => return,
                received = self.receive() => received,
            };
            match received {
                Ok(messages) if messages.is_empty() => {}
                Ok(messages) => {
                    self.work_on(&messages).await;
                }
                Err(cause) => {
                    error!(
                        error = telemetry::chain(&cause),
                        "no messages can be received"
                    );
                    tokio::select! {
                        () = stop.told() => return,
                        () = sleep(PAUSE) => {}
                    }
                }
            }
        }
    }

    /// Receives once, waiting for messages, and has the function work on what there is.
    pub async fn turn(&self) -> Result<Turn, MappingError> {
        let messages = self.receive().await?;
        if messages.is_empty() {
            return Ok(Turn::default());
        }
        Ok(self.work_on(&messages).await)
    }

    async fn receive(&self) -> Result<Vec<Message>, MappingError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(self.batch_size)
            .wait_time_seconds(WAIT.into())
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let received = request.send().await.map_err(queue_error)?;
        Ok(received.messages.unwrap_or_default())
    }

    /// What is not deleted is delivered again when its visibility time-out ends, or the one that the function gave it.
    async fn work_on(&self, messages: &[Message]) -> Turn {
        let ids: BTreeSet<String> = messages
            .iter()
            .filter_map(|message| message.message_id.clone())
            .collect();
        let failed = match self.invoke(messages, &ids).await {
            Ok(failed) => failed,
            Err(cause) => {
                let error = telemetry::chain(cause.as_ref());
                warn!(
                    function = self.function,
                    messages = messages.len(),
                    error,
                    "the batch failed"
                );
                ids
            }
        };
        let done: Vec<&Message> = messages
            .iter()
            .filter(|message| message.message_id().is_some_and(|id| !failed.contains(id)))
            .collect();
        let deleted = self.delete(&done).await;
        info!(
            function = self.function,
            messages = messages.len(),
            deleted,
            "batch worked on"
        );
        Turn {
            received: messages.len(),
            deleted,
        }
    }

    async fn invoke(
        &self,
        messages: &[Message],
        ids: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Box<dyn Error + Send + Sync>> {
        let event = self.source.event(messages);
        let response = self.functions.invoke(&self.function, &event).await?;
        Ok(failures(&response, ids)?)
    }

    /// How many could be deleted. The others are delivered again, which a function has to expect anyway.
    async fn delete(&self, messages: &[&Message]) -> usize {
        let mut left: Vec<&Message> = messages.to_vec();
        for _ in 0..DELETES {
            if left.is_empty() {
                break;
            }
            match self.delete_once(&left).await {
                Ok(failed) => left = failed,
                Err(cause) => warn!(
                    error = telemetry::chain(&cause),
                    "messages could not be deleted"
                ),
            }
        }
        if !left.is_empty() {
            error!(
                messages = left.len(),
                "messages that are done with are delivered again"
            );
        }
        messages.len() - left.len()
    }

    /// The request as a whole succeeds even if it could delete none: those that it could not are answered.
    async fn delete_once<'a>(
        &self,
        messages: &[&'a Message],
    ) -> Result<Vec<&'a Message>, MappingError> {
        let entries = messages.iter().enumerate().map(|(place, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .receipt_handle(message.receipt_handle().unwrap_or_default())
                .build()
                .map_err(queue_error)
        });
        let request = self
            .client
            .delete_message_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries.collect::<Result<_, _>>()?));
        let answer = request.send().await.map_err(queue_error)?;
        let failed = answer.failed().iter().filter_map(|failed| {
            warn!(
                code = failed.code(),
                error = failed.message(),
                "a message could not be deleted"
            );
            let place: usize = failed.id().parse().ok()?;
            messages.get(place).copied()
        });
        Ok(failed.collect())
    }
}

/// A client that has the patience to wait for messages, which a function's has not.
fn client(sdk: &aws::SdkConfig) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(ATTEMPT * 2)
        .build();
    Client::from_conf(Builder::from(sdk).timeout_config(timeouts).build())
}

fn queue_error(error: impl Error + Send + Sync + 'static) -> MappingError {
    MappingError::Queue(Arc::new(error))
}
