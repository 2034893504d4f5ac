//! Clients whose connections are open before they are needed.
//!
//! Lambda gives a function a whole processor while it starts, and 7 % of one, at 128 MB, for its first invocation: so the
//! TLS handshakes belong to the start. A connection is opened by `GET /ping`, without a signature. AWS answers that with a
//! word, or with an error: either does. It is no call of the API, and costs nothing.
//!
//! The network comes first: while a name is looked up and a server answers, the client is made. A start that asks for all
//! that it needs at once, in one `join!`, waits for the slowest of it only.

use std::time::Duration;

use aws_sdk_dynamodb::config::endpoint as dynamodb;
use aws_sdk_sqs::config::endpoint as sqs;
use aws_smithy_runtime_api::{box_error::BoxError, client::orchestrator::HttpRequest};
use tokio::time::timeout;

use crate::Sdk;

/// How long the start waits for a connection, at most.
const PATIENCE: Duration = Duration::from_secs(1);

impl Sdk {
    /// A client of DynamoDB, once it has a connection. If none can be had, its first request tries again.
    pub async fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let client = async { aws_sdk_dynamodb::Client::new(self.config()) };
        tokio::join!(self.ping_dynamodb(), client).1
    }

    /// A client of SQS, once it has a connection. If none can be had, its first request tries again.
    pub async fn sqs(&self) -> aws_sdk_sqs::Client {
        let client = async { aws_sdk_sqs::Client::new(self.config()) };
        tokio::join!(self.ping_sqs(), client).1
    }

    async fn ping_dynamodb(&self) {
        if let Ok(endpoint) = self.dynamodb_at(self.endpoint_url("DYNAMODB")).await {
            self.ping(&endpoint).await;
        }
    }

    async fn dynamodb_at(&self, url: Option<String>) -> Result<String, BoxError> {
        use dynamodb::ResolveEndpoint as _;
        let place = dynamodb::Params::builder()
            .set_region(self.config().region().map(ToString::to_string))
            .set_endpoint(url)
            .build()?;
        let endpoint = dynamodb::DefaultResolver::new();
        Ok(endpoint.resolve_endpoint(&place).await?.url().to_owned())
    }

    /// Where another service of the region is: `https://dynamodb.eu-central-1.amazonaws.com`, but for the first name. The last
    /// ones differ in China, say, and the SDK knows how.
    pub(crate) async fn endpoint_beside_dynamodb(&self, service: &str) -> Result<String, BoxError> {
        let dynamodb = self.dynamodb_at(None).await?;
        Ok(dynamodb.replacen("//dynamodb.", &format!("//{service}."), 1))
    }

    async fn ping_sqs(&self) {
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
            self.send(request).await
        };
        // There is nothing to tell: whoever needs the connection meets the same, and says so.
        let _ = timeout(PATIENCE, answered).await;
    }
}
