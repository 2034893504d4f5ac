//! What becomes of a request whose connection died while the function was frozen.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod server;

use std::time::Duration;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use server::Server;
use tokio::time::timeout;

/// How long the most impatient of those who send requests wait.
const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_request_over_a_connection_that_has_died_gets_through_over_another() {
    let server = Server::start("{}");
    let url = server.url();
    let sdk = aws::Sdk::with_variables(move |name| match name {
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ENDPOINT_URL" => Some(url.clone()),
        _ => None,
    });
    let credentials = Credentials::new("AKID", "key", None, None, "test");
    let config = sdk.unwrap().config().clone().into_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(credentials));
    let dynamodb = aws_sdk_dynamodb::Client::new(&config.build());
    let put = || {
        let item = dynamodb.put_item().table_name("brands");
        let item = item.item("id", AttributeValue::S("1".to_owned()));
        timeout(PATIENCE, item.send())
    };
    put().await.unwrap().unwrap();
    server.lose_connections();
    put().await.unwrap().unwrap();
    assert_eq!((server.answered(), server.unanswered()), (2, 1));
}
