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
        let (url, use_fips) = (self.endpoint_url("DYNAMODB"), self.config().use_fips());
        if let Ok(endpoint) = self.dynamodb_at(url, use_fips).await {
            self.ping(&endpoint).await;
        }
    }

    async fn dynamodb_at(
        &self,
        url: Option<String>,
        use_fips: Option<bool>,
    ) -> Result<String, BoxError> {
        use dynamodb::ResolveEndpoint as _;
        let place = dynamodb::Params::builder()
            .set_region(self.config().region().map(ToString::to_string))
            .set_use_fips(use_fips)
            .set_use_dual_stack(self.config().use_dual_stack())
            .set_endpoint(url)
            .build()?;
        let endpoint = dynamodb::DefaultResolver::new();
        Ok(endpoint.resolve_endpoint(&place).await?.url().to_owned())
    }

    /// Where Secrets Manager is: `https://dynamodb.eu-central-1.amazonaws.com`, but for the first name. The last ones differ in
    /// China, say, and the SDK knows how. For FIPS the first name has an ending in all regions; DynamoDB's has none in `us-gov-…`.
    ///
    /// Source: <https://docs.aws.amazon.com/general/latest/gr/asm.html>
    pub(crate) async fn secrets_manager(&self) -> Result<String, BoxError> {
        let dynamodb = self.dynamodb_at(None, None).await?;
        let name = match self.config().use_fips() {
            Some(true) => "//secretsmanager-fips.",
            _ => "//secretsmanager.",
        };
        Ok(dynamodb.replacen("//dynamodb.", name, 1))
    }

    async fn ping_sqs(&self) {
        if let Ok(endpoint) = self.sqs_at(self.endpoint_url("SQS")).await {
            self.ping(&endpoint).await;
        }
    }

    async fn sqs_at(&self, url: Option<String>) -> Result<String, BoxError> {
        use sqs::ResolveEndpoint as _;
        let place = sqs::Params::builder()
            .set_region(self.config().region().map(ToString::to_string))
            .set_use_fips(self.config().use_fips())
            .set_use_dual_stack(self.config().use_dual_stack())
            .set_endpoint(url)
            .build()?;
        let endpoint = sqs::DefaultResolver::new();
        Ok(endpoint.resolve_endpoint(&place).await?.url().to_owned())
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use crate::Sdk;

    fn sdk(region: &'static str, switched_on: &'static [&'static str]) -> Sdk {
        let sdk = Sdk::with_variables(move |name| match name {
            "AWS_REGION" => Some(region.to_owned()),
            "AWS_CA_BUNDLE" => {
                Some(concat!(env!("CARGO_MANIFEST_DIR"), "/src/amazon-roots.pem").to_owned())
            }
            name => switched_on.contains(&name).then(|| "true".to_owned()),
        });
        sdk.unwrap()
    }

    #[tokio::test]
    async fn each_service_is_looked_for_in_the_regions_partition_and_as_the_variables_say() {
        const FIPS: &str = "AWS_USE_FIPS_ENDPOINT";
        const DUAL_STACK: &str = "AWS_USE_DUALSTACK_ENDPOINT";
        let cases: [(_, &[&str], _, _, _); 9] = [
            (
                "eu-central-1",
                &[],
                "dynamodb.eu-central-1.amazonaws.com",
                "sqs.eu-central-1.amazonaws.com",
                "secretsmanager.eu-central-1.amazonaws.com",
            ),
            (
                "us-east-1",
                &[FIPS],
                "dynamodb-fips.us-east-1.amazonaws.com",
                "sqs-fips.us-east-1.amazonaws.com",
                "secretsmanager-fips.us-east-1.amazonaws.com",
            ),
            (
                "us-east-1",
                &[DUAL_STACK],
                "dynamodb.us-east-1.api.aws",
                "sqs.us-east-1.api.aws",
                "secretsmanager.us-east-1.api.aws",
            ),
            (
                "us-east-1",
                &[FIPS, DUAL_STACK],
                "dynamodb-fips.us-east-1.api.aws",
                "sqs-fips.us-east-1.api.aws",
                "secretsmanager-fips.us-east-1.api.aws",
            ),
            (
                "us-gov-west-1",
                &[],
                "dynamodb.us-gov-west-1.amazonaws.com",
                "sqs.us-gov-west-1.amazonaws.com",
                "secretsmanager.us-gov-west-1.amazonaws.com",
            ),
            (
                "us-gov-west-1",
                &[FIPS],
                "dynamodb.us-gov-west-1.amazonaws.com",
                "sqs.us-gov-west-1.amazonaws.com",
                "secretsmanager-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                &[],
                "dynamodb.cn-north-1.amazonaws.com.cn",
                "sqs.cn-north-1.amazonaws.com.cn",
                "secretsmanager.cn-north-1.amazonaws.com.cn",
            ),
            (
                "eusc-de-east-1",
                &[],
                "dynamodb.eusc-de-east-1.amazonaws.eu",
                "sqs.eusc-de-east-1.amazonaws.eu",
                "secretsmanager.eusc-de-east-1.amazonaws.eu",
            ),
            (
                "us-iso-east-1",
                &[],
                "dynamodb.us-iso-east-1.c2s.ic.gov",
                "sqs.us-iso-east-1.c2s.ic.gov",
                "secretsmanager.us-iso-east-1.c2s.ic.gov",
            ),
        ];
        for (region, switched_on, dynamodb, sqs, secrets_manager) in cases {
            let sdk = sdk(region, switched_on);
            let fips = sdk.config().use_fips();
            let found = [
                sdk.dynamodb_at(None, fips).await.unwrap(),
                sdk.sqs_at(None).await.unwrap(),
                sdk.secrets_manager().await.unwrap(),
            ];
            let expected = [dynamodb, sqs, secrets_manager].map(|host| format!("https://{host}"));
            assert_eq!(found, expected, "{switched_on:?}");
        }
    }
}
