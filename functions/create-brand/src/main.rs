//! The Lambda function `create-brand`: configuration, clients, wiring.

use std::{sync::Arc, time::Duration};

use admin_api::{ErrorResponses, Traced};
use auth::{Authenticate, Tokens};
use brand::{DynamoDbBrandStore, SqsBrandEvents};
use config::{ConfigError, Env};
use create_brand::CreateBrand;
use lambda_http::{Error, Request, run};
use tower::{ServiceBuilder, service_fn};

/// Configuration, read from environment variables.
struct Config {
    brands_table: String,
    brand_events_queue_url: String,
    notify_after: Duration,
    auth_secret_id: String,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
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
    let (dynamodb, sqs, secret) = tokio::join!(
        sdk.dynamodb(),
        sdk.sqs(),
        config::fetch_secret(&sdk, &config.auth_secret_id),
    );
    let tokens = Tokens::signed_with(&secret?)?;
    let brands = DynamoDbBrandStore::new(dynamodb, config.brands_table)
        .with_notify_after(config.notify_after);
    let events = SqsBrandEvents::new(sqs, config.brand_events_queue_url);
    let create_brand = Arc::new(CreateBrand::new(brands, events));
    let service = ServiceBuilder::new()
        .layer(Traced::with(telemetry))
        .layer(ErrorResponses)
        .layer(Authenticate::with(tokens))
        .service(service_fn(move |request: Request| {
            let create_brand = Arc::clone(&create_brand);
            async move { create_brand.handle(request).await }
        }));
    run(service).await
}
