//! The Lambda function `query-brands`: configuration, clients, wiring.

use std::sync::Arc;

use admin_api::{ErrorResponses, Traced};
use auth::{Authenticate, Tokens};
use brand::DynamoDbBrandStore;
use config::{ConfigError, Env};
use lambda_http::{Error, Request, run};
use query_brands::QueryBrands;
use tower::{ServiceBuilder, service_fn};

/// What the function is told by its environment.
struct Config {
    brands_table: String,
    auth_secret_id: String,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
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
    let (dynamodb, secret) = tokio::join!(
        sdk.dynamodb(),
        config::fetch_secret(&sdk, &config.auth_secret_id),
    );
    let tokens = Tokens::signed_with(&secret?)?;
    let brands = DynamoDbBrandStore::new(dynamodb, config.brands_table);
    let query_brands = Arc::new(QueryBrands::new(brands));
    let service = ServiceBuilder::new()
        .layer(Traced::with(telemetry))
        .layer(ErrorResponses)
        .layer(Authenticate::with(tokens))
        .service(service_fn(move |request: Request| {
            let query_brands = Arc::clone(&query_brands);
            async move { query_brands.handle(request).await }
        }));
    run(service).await
}
