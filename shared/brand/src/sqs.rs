//! Events, announced through SQS.

use std::sync::Arc;

use aws_sdk_sqs::Client;

use crate::{Brand, BrandEvents, CloudEvent, EventError};

/// Announces events on an SQS queue, each with one request.
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

impl BrandEvents for SqsBrandEvents {
    async fn brand_created(&self, brand: &Brand) -> Result<(), EventError> {
        let event = CloudEvent::brand_created(brand.id, brand.created_at);
        let body = serde_json::to_string(&event).map_err(|error| EventError(Arc::new(error)))?;
        let request = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(body);
        let sent = request.send().await;
        sent.map(|_| ())
            .map_err(|error| EventError(Arc::new(error)))
    }
}
