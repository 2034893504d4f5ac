//! One configuration, and one HTTP client, for all clients of a process.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, ConfigLoader, SdkConfig, environment::EnvironmentVariableCredentialsProvider,
    retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);
/// How long one attempt at a request may take. DynamoDB and SQS answer in milliseconds; one that has not answered
/// after this long will not.
const ATTEMPT: Duration = Duration::from_secs(3);
/// How long a request may take with all its attempts.
const OPERATION: Duration = Duration::from_secs(6);

/// The configuration that all SDK clients of a function share.
///
/// Lambda gives region and credentials in environment variables, so nothing else is asked for them. An emulator is
/// chosen with the SDK's own `AWS_ENDPOINT_URL`.
pub async fn sdk_config() -> SdkConfig {
    common()
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .load()
        .await
}

/// The same for a program that a person runs: region and credentials come from where the SDK looks for them, which are
/// environment variables, the profile in `~/.aws`, the web identity of a container, and the machine's role.
///
/// Single sign-on is left out, for the two more SDK clients it takes: `aws configure export-credentials --format env`
/// gives its credentials as environment variables.
pub async fn operator_config() -> SdkConfig {
    common().load().await
}

fn common() -> ConfigLoader {
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .operation_timeout(OPERATION)
                .build(),
        )
}
