//! What can be done with a message beside acknowledging it: parking it, postponing it, sending it anew.

use std::{error::Error, sync::Arc, time::Duration};

use aws::TraceAttributes;
use aws_sdk_sqs::Client;
use dead_letters::{DeadLetter, DeadLetterQueue};
use telemetry::Trace;
use thiserror::Error;

/// The queue that messages come from, and the one where they are parked.
pub trait Messages: Send + Sync {
    /// Parks a message. Only once that is done may the message be acknowledged; an error means that it is unknown.
    fn park(
        &self,
        letter: &DeadLetter<'_>,
    ) -> impl Future<Output = Result<(), MessagesError>> + Send;

    /// Keeps a message that is not acknowledged from being delivered again before that time has passed.
    fn postpone(
        &self,
        receipt: &str,
        wait: Duration,
    ) -> impl Future<Output = Result<(), MessagesError>> + Send;

    /// Sends a message of that body in the trace of the one before it, which is not delivered before that time has passed: a message whose deliveries are
    /// used up, with all of them before it again. As with parking, it may be acknowledged only then.
    fn send_anew(
        &self,
        body: &str,
        trace: Option<&Trace>,
        wait: Duration,
    ) -> impl Future<Output = Result<(), MessagesError>> + Send;
}

/// The queues did not do what they were asked to, as far as is known.
#[derive(Clone, Debug, Error)]
#[error("the queue did not take the request")]
pub struct MessagesError(#[source] pub Arc<dyn Error + Send + Sync>);

/// The longest time for which SQS keeps a message that was received from being delivered.
const MAX_VISIBILITY: Duration = Duration::from_hours(12);
/// The longest time for which SQS keeps a message that was sent from being delivered.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// Both queues on SQS.
#[derive(Clone, Debug)]
pub struct SqsMessages {
    client: Client,
    queue_url: String,
    dead_letters: DeadLetterQueue,
}

impl SqsMessages {
    /// The queue that messages come from, and the one where they are parked.
    pub fn new(
        client: Client,
        queue_url: impl Into<String>,
        dead_letter_queue_url: impl Into<String>,
    ) -> Self {
        let dead_letters = DeadLetterQueue::new(client.clone(), dead_letter_queue_url);
        Self {
            client,
            queue_url: queue_url.into(),
            dead_letters,
        }
    }
}

impl Messages for SqsMessages {
    async fn park(&self, letter: &DeadLetter<'_>) -> Result<(), MessagesError> {
        self.dead_letters.park(letter).await.map_err(failed)
    }

    async fn postpone(&self, receipt: &str, wait: Duration) -> Result<(), MessagesError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.queue_url)
            .receipt_handle(receipt)
            .visibility_timeout(seconds(wait.min(MAX_VISIBILITY)));
        request.send().await.map(|_| ()).map_err(failed)
    }

    async fn send_anew(
        &self,
        body: &str,
        trace: Option<&Trace>,
        wait: Duration,
    ) -> Result<(), MessagesError> {
        let traced = trace.map(TraceAttributes::of);
        let traced = traced.as_ref();
        let request = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(body)
            .set_message_attributes(traced.and_then(TraceAttributes::message))
            .set_message_system_attributes(traced.and_then(TraceAttributes::system))
            .delay_seconds(seconds(wait.min(MAX_DELAY)));
        request.send().await.map(|_| ()).map_err(failed)
    }
}

fn seconds(wait: Duration) -> i32 {
    i32::try_from(wait.as_secs()).unwrap_or(i32::MAX)
}

fn failed(error: impl Error + Send + Sync + 'static) -> MessagesError {
    MessagesError(Arc::new(error))
}
