//! A brand that is created after the function was frozen, and its connections have died.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../../shared/aws/tests/server/mod.rs"]
mod server;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use brand::{DynamoDbBrandStore, SqsBrandEvents};
use create_brand::CreateBrand;
use lambda_http::request::from_str;
use server::Server;

const EVENT: &str = include_str!("../../../events/api-gateway-create-brand.json");

#[tokio::test]
async fn a_brand_is_stored_and_announced_although_both_connections_have_died() {
    let (dynamodb, sqs) = (Server::start("{}"), Server::start("{}"));
    let (of_dynamodb, of_sqs) = (dynamodb.url(), sqs.url());
    let sdk = aws::Sdk::with_variables(move |name| match name {
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ENDPOINT_URL_DYNAMODB" => Some(of_dynamodb.clone()),
        "AWS_ENDPOINT_URL_SQS" => Some(of_sqs.clone()),
        _ => None,
    });
    let credentials = Credentials::new("AKID", "key", None, None, "test");
    let config = sdk.unwrap().config().clone().into_builder();
    let config = config
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let create_brand = CreateBrand::new(
        DynamoDbBrandStore::new(aws_sdk_dynamodb::Client::new(&config), "brands"),
        SqsBrandEvents::new(aws_sdk_sqs::Client::new(&config), sqs.url()),
    );
    let create = async || {
        let request = from_str(EVENT).unwrap();
        create_brand.handle(request).await.unwrap().status()
    };
    assert_eq!(create().await, 200);
    for server in [&dynamodb, &sqs] {
        server.lose_connections();
    }
    assert_eq!(create().await, 200);
    for server in [&dynamodb, &sqs] {
        assert_eq!((server.answered(), server.unanswered()), (2, 1));
    }
}
