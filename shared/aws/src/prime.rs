//! Opening connections before they are needed.
//!
//! Lambda gives a function a whole processor while it starts, and 7 % of one, at 128 MB, for its first invocation: so the
//! TLS handshakes belong to the start. A connection is opened by `GET /ping`, without a signature. AWS answers that with a
//! word, or with an error: either does. It is no call of the API, and costs nothing.

use std::time::Duration;

use aws_sdk_dynamodb::config::endpoint as dynamodb;
use aws_sdk_sqs::config::endpoint as sqs;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{http::HttpConnector as _, orchestrator::HttpRequest},
};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::Sdk;

/// How long the start waits for a connection, at most.
const PATIENCE: Duration = Duration::from_secs(1);

impl Sdk {
    /// Opens a connection to DynamoDB. If it cannot be had, the first request tries again.
    pub async fn connect_to_dynamodb(&self) {
        use dynamodb::ResolveEndpoint as _;
        let place = dynamodb::Params::builder()
            .set_region(self.config().region().map(ToString::to_string))
            .set_endpoint(self.endpoint_url("DYNAMODB"));
        let Ok(place) = place.build() else { return };
        let endpoint = dynamodb::DefaultResolver::new();
        if let Ok(endpoint) = endpoint.resolve_endpoint(&place).await {
            self.ping(endpoint.url()).await;
        }
    }

    /// Opens a connection to SQS. If it cannot be had, the first request tries again.
    pub async fn connect_to_sqs(&self) {
        use sqs::ResolveEndpoint as _;
        let place = sqs::Params::builder()
            .set_region(self.config().region().map(ToString::to_string))
            .set_endpoint(self.endpoint_url("SQS"));
        let Ok(place) = place.build() else { return };
        let endpoint = sqs::DefaultResolver::new();
        if let Ok(endpoint) = endpoint.resolve_endpoint(&place).await {
            self.ping(endpoint.url()).await;
        }
    }

    async fn ping(&self, endpoint: &str) {
        let answered = async {
            let mut request = HttpRequest::empty();
            request.set_uri(format!("{}/ping", endpoint.trim_end_matches('/')))?;
            let answer = self.connector.call(request).await?;
            // A connection is used again only when its answer was read.
            answer.into_body().collect().await?;
            Ok::<_, BoxError>(())
        };
        // There is nothing to tell: whoever needs the connection meets the same, and says so.
        let _ = timeout(PATIENCE, answered).await;
    }
}
