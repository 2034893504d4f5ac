//! The Lambda function `query-brands`: configuration, clients, wiring.

use std::sync::Arc;

use auth::{Authenticate, Revocations, Tokens};
use brand::DynamoDbBrandStore;
use circuit::DynamoDbCircuitStore;
use config::{ConfigError, Env};
use lambda_http::{Error, Request};
use query_brands::{CmsStatus, QueryBrands};
use reconcile::DynamoDbReconciliationStore;
use tower::{Layer, service_fn};
use users::DynamoDbUsers;

/// Configuration, read from environment variables.
struct Config {
    brands_table: String,
    circuits_table: String,
    /// The CMS's rate limit, in requests a second; none if there is no limit.
    cms_requests_per_second: Option<f64>,
    admin_users_table: String,
    auth_secret_id: String,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
            circuits_table: env.text("CIRCUITS_TABLE"),
            cms_requests_per_second: env
                .parse("CMS_REQUESTS_PER_SECOND")
                .filter(|rate| *rate > 0.0),
            admin_users_table: env.text("ADMIN_USERS_TABLE"),
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
    let ((), secret) = tokio::join!(
        revocations.prime(),
        config::fetch_secret(&sdk, &config.auth_secret_id),
    );
    let tokens = Tokens::signed_with(&secret?)?;
    let brands = DynamoDbBrandStore::new(dynamodb.clone(), config.brands_table);
    let circuits = config.circuits_table;
    let reconciliations = DynamoDbReconciliationStore::new(dynamodb.clone(), &circuits);
    let circuits = Arc::new(DynamoDbCircuitStore::new(dynamodb, circuits));
    let cms = CmsStatus::new(
        circuits,
        Arc::new(reconciliations),
        config.cms_requests_per_second,
    );
    let query_brands = Arc::new(QueryBrands::new(brands, cms));
    let authenticate = Authenticate::with(tokens).unless_revoked(revocations);
    let handler = authenticate.layer(service_fn(move |request: Request| {
        let query_brands = Arc::clone(&query_brands);
        async move { query_brands.handle(request).await }
    }));
    admin_api::serve(telemetry, handler).await
}
