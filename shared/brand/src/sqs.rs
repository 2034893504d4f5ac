//! Events, announced through SQS.

use std::{collections::HashSet, error::Error, sync::Arc};

use aws::TraceAttributes;
use aws_sdk_sqs::{
    Client,
    types::{QueueAttributeName, SendMessageBatchRequestEntry, SendMessageBatchResultEntry},
};
use futures::future::join_all;
use telemetry::Trace;
use thiserror::Error;

use crate::{Brand, BrandEvents, CloudEvent, EventError, Reminders, SyncDue, Timestamp};

/// Brand events and reminders on an SQS queue: an event takes a request, ten reminders take one.
#[derive(Clone, Debug)]
pub struct SqsBrandEvents {
    client: Client,
    queue_url: String,
}

impl SqsBrandEvents {
    /// Announces on the queue of that URL.
    #[must_use]
    pub fn new(client: Client, queue_url: impl Into<String>) -> Self {
        Self {
            client,
            queue_url: queue_url.into(),
        }
    }
}

/// The most messages of one request.
const BATCH: usize = 10;

impl BrandEvents for SqsBrandEvents {
    async fn announce(&self, brand: &Brand, trace: &Trace) -> Result<(), EventError> {
        let traced = TraceAttributes::of(trace);
        let request = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(body(brand)?)
            .set_message_attributes(traced.message())
            .set_message_system_attributes(traced.system());
        request.send().await.map(|_| ()).map_err(failed)
    }
}

impl Reminders for SqsBrandEvents {
    async fn remind(
        &self,
        due: &[SyncDue],
        now: Timestamp,
        trace: &Trace,
    ) -> Vec<Result<(), EventError>> {
        let traced = &TraceAttributes::of(trace);
        let batches = due.chunks(BATCH).map(|batch| self.send(batch, now, traced));
        join_all(batches).await.into_iter().flatten().collect()
    }

    async fn waiting(&self) -> Result<u32, EventError> {
        let attribute = QueueAttributeName::ApproximateNumberOfMessages;
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(&self.queue_url)
            .attribute_names(attribute.clone());
        let answer = request.send().await.map_err(failed)?;
        let count = answer.attributes().and_then(|found| found.get(&attribute));
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
    }
}

impl SqsBrandEvents {
    async fn send(
        &self,
        due: &[SyncDue],
        now: Timestamp,
        traced: &TraceAttributes,
    ) -> Vec<Result<(), EventError>> {
        let mut entries = Vec::with_capacity(due.len());
        for (index, due_row) in due.iter().enumerate() {
            let body = serde_json::to_string(&CloudEvent::reminding(due_row, now));
            let entry = body.map_err(failed).and_then(|body| {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(body)
                    .set_message_attributes(traced.message())
                    .set_message_system_attributes(traced.system());
                entry.build().map_err(failed)
            });
            match entry {
                Ok(entry) => entries.push(entry),
                Err(error) => return due.iter().map(|_| Err(error.clone())).collect(),
            }
        }
        let request = self
            .client
            .send_message_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = failed(error);
                return due.iter().map(|_| Err(error.clone())).collect();
            }
        };
        // Only what is named as sent is sent.
        let sent: HashSet<&str> = answer
            .successful
            .iter()
            .map(SendMessageBatchResultEntry::id)
            .collect();
        let reason = |id: &str| {
            let entry = answer.failed.iter().find(|entry| entry.id() == id);
            entry.map_or("the answer does not name it", |entry| {
                entry.message().unwrap_or_else(|| entry.code())
            })
        };
        let answer_of = |index: usize| {
            let id = index.to_string();
            if sent.contains(id.as_str()) {
                Ok(())
            } else {
                Err(failed(NotSent(reason(&id).to_owned())))
            }
        };
        (0..due.len()).map(answer_of).collect()
    }
}

/// An entry of a batch that the queue did not take.
#[derive(Debug, Error)]
#[error("the queue did not take the message: {0}")]
struct NotSent(String);

fn body(brand: &Brand) -> Result<String, EventError> {
    serde_json::to_string(&CloudEvent::about(brand)).map_err(failed)
}

fn failed(error: impl Error + Send + Sync + 'static) -> EventError {
    EventError(Arc::new(error))
}
