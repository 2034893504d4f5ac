//! The Lambda function `change-brand`: configuration, clients, wiring.

use std::{sync::Arc, time::Duration};

use auth::{Authenticate, Revocations, Tokens};
use brand::{DynamoDbBrandStore, SqsBrandEvents};
use change_brand::ChangeBrand;
use config::{ConfigError, Env};
use lambda_http::{Error, Request};
use tower::{Layer, service_fn};
use users::DynamoDbUsers;

/// Configuration, read from environment variables.
struct Config {
    brands_table: String,
    admin_users_table: String,
    brand_events_queue_url: String,
    notify_after: Duration,
    auth_secret_id: String,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
            admin_users_table: env.text("ADMIN_USERS_TABLE"),
            brand_events_queue_url: env.text("BRAND_EVENTS_QUEUE_URL"),
            notify_after: Duration::from_secs(
                env.parse("NOTIFY_AFTER_SECONDS").unwrap_or_default(),
            ),
            auth_secret_id: env.text("AUTH_SECRET_ID"),
        };
        env.finish(config)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = telemetry::init();
    let config = Config::from_env()?;
    let sdk = aws::Sdk::from_env()?;
    let dynamodb = aws_sdk_dynamodb::Client::new(sdk.config());
    let users = DynamoDbUsers::new(dynamodb.clone(), config.admin_users_table);
    let revocations = Revocations::read_from(users);
    // Reading the list opens the connection to DynamoDB.
    let ((), sqs, secret) = tokio::join!(
        revocations.prime(),
        sdk.sqs(),
        config::fetch_secret(&sdk, &config.auth_secret_id),
    );
    let tokens = Tokens::signed_with(&secret?)?;
    let brands = DynamoDbBrandStore::new(dynamodb, config.brands_table)
        .with_notify_after(config.notify_after);
    let events = SqsBrandEvents::new(sqs, config.brand_events_queue_url);
    let change_brand = Arc::new(ChangeBrand::new(brands, events));
    let authenticate = Authenticate::with(tokens).unless_revoked(revocations);
    let handler = authenticate.layer(service_fn(move |request: Request| {
        let change_brand = Arc::clone(&change_brand);
        async move { change_brand.handle(request).await }
    }));
    admin_api::serve(telemetry, handler).await
}
