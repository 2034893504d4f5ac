//! The Lambda function `steer-sync`: configuration, clients, wiring.

use std::sync::Arc;

use admin_api::ApiError;
use auth::{Authenticate, Revocations, Tokens};
use brand::{CMS_SUBSCRIBER, DynamoDbBrandStore, SqsBrandEvents};
use circuit::{CircuitBreaker, CircuitConfig, DynamoDbCircuitStore};
use config::{ConfigError, Env, Secret};
use dead_letters::Redrive;
use lambda_http::{Error, Request};
use reconcile::DynamoDbReconciliationStore;
use steer_sync::{SteerBrands, SteerCircuit, SteerParked, SteerReconciliation, SteerSync};
use tokio::sync::OnceCell;
use tower::{Layer, ServiceExt, service_fn};
use users::DynamoDbUsers;

/// The handler, on AWS.
type Steer = SteerSync<DynamoDbBrandStore, SqsBrandEvents, Redrive>;

/// Configuration, read from environment variables.
struct Config {
    brands_table: String,
    circuits_table: String,
    brand_events_queue_url: String,
    brand_events_dlq_url: String,
    admin_users_table: String,
    auth_secret_id: String,
    cms_hook_secret_id: String,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
            circuits_table: env.text("CIRCUITS_TABLE"),
            brand_events_queue_url: env.text("BRAND_EVENTS_QUEUE_URL"),
            brand_events_dlq_url: env.text("BRAND_EVENTS_DLQ_URL"),
            admin_users_table: env.text("ADMIN_USERS_TABLE"),
            auth_secret_id: env.text("AUTH_SECRET_ID"),
            cms_hook_secret_id: env.text("CMS_HOOK_SECRET_ID"),
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
    // What opens it by itself, and when it is probed, is sync-brand's.
    let circuit_config = CircuitConfig::default();
    let breaker = CircuitBreaker::new(circuits.clone(), CMS_SUBSCRIBER, circuit_config);
    let sqs = aws_sdk_sqs::Client::new(sdk.config());
    let queue = config.brand_events_queue_url;
    let events = SqsBrandEvents::new(sqs.clone(), queue.clone());
    let redrive = Redrive::new(sqs, config.brand_events_dlq_url, queue);
    let steer_sync = Arc::new(SteerSync::new(
        SteerBrands::new(brands, events),
        SteerCircuit::new(breaker, circuits),
        SteerParked::new(redrive),
        SteerReconciliation::new(Arc::new(reconciliations)),
    ));
    let authenticate = Authenticate::with(tokens).unless_revoked(revocations);
    let admins = Arc::clone(&steer_sync);
    let admins = authenticate.layer(service_fn(move |request: Request| {
        let steer_sync = Arc::clone(&admins);
        async move { steer_sync.handle(request).await }
    }));
    let hook = Arc::new(Hook {
        sdk,
        secret_id: config.cms_hook_secret_id,
        secret: OnceCell::new(),
    });
    let handler = service_fn(move |request: Request| {
        let (steer_sync, admins) = (Arc::clone(&steer_sync), admins.clone());
        let hook = Arc::clone(&hook);
        async move {
            if Steer::is_hook(&request) {
                steer_sync.hear(request, hook.secret().await?).await
            } else {
                admins.oneshot(request).await
            }
        }
    });
    admin_api::serve(telemetry, handler).await
}

/// The secret of the CMS's webhooks. It is read when the first one comes.
struct Hook {
    sdk: aws::Sdk,
    secret_id: String,
    secret: OnceCell<Secret>,
}

impl Hook {
    async fn secret(&self) -> Result<&str, ApiError> {
        let read = || config::fetch_secret(&self.sdk, &self.secret_id);
        match self.secret.get_or_try_init(read).await {
            Ok(secret) => Ok(secret.expose()),
            Err(cause) => {
                let error = telemetry::chain(&cause);
                tracing::error!(error, "the secret of the webhooks could not be read");
                Err(ApiError::Unknown)
            }
        }
    }
}
