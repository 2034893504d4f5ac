//! The Lambda function `create-brand`: configuration, clients, wiring.

use std::sync::Arc;

use brand::{DynamoDbBrandStore, SqsBrandEvents};
use config::{ConfigError, Env};
use create_brand::CreateBrand;
use lambda_http::{Error, Request, run, tracing};
use tower::{ServiceBuilder, service_fn};

/// What the function is told by its environment.
struct Config {
    brands_table: String,
    brand_events_queue_url: String,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
            brand_events_queue_url: env.text("BRAND_EVENTS_QUEUE_URL"),
        };
        env.finish(config)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = Config::from_env()?;
    let sdk = aws::sdk_config().await;
    let brands = DynamoDbBrandStore::new(aws_sdk_dynamodb::Client::new(&sdk), config.brands_table);
    let events = SqsBrandEvents::new(
        aws_sdk_sqs::Client::new(&sdk),
        config.brand_events_queue_url,
    );
    let create_brand = Arc::new(CreateBrand::new(brands, events));
    let service = ServiceBuilder::new()
        .layer(admin_api::ErrorResponses)
        // The token check goes here: it comes before anything of the request is read.
        .service(service_fn(move |request: Request| {
            let create_brand = Arc::clone(&create_brand);
            async move { create_brand.handle(request).await }
        }));
    run(service).await
}
