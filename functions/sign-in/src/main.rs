//! The Lambda function `sign-in`: configuration, clients, wiring.

use std::sync::Arc;

use auth::Tokens;
use config::{ConfigError, Env};
use lambda_http::{Error, Request};
use sign_in::{SignIn, attempts::DynamoDbAttempts};
use tower::service_fn;
use users::{Argon2id, DynamoDbUsers};

/// What the function is told by its environment.
struct Config {
    admin_users_table: String,
    sign_in_attempts_table: String,
    auth_secret_id: String,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let config = Self {
            admin_users_table: env.text("ADMIN_USERS_TABLE"),
            sign_in_attempts_table: env.text("SIGN_IN_ATTEMPTS_TABLE"),
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
    let users = DynamoDbUsers::new(dynamodb.clone(), config.admin_users_table);
    let attempts = DynamoDbAttempts::new(dynamodb, config.sign_in_attempts_table);
    let sign_in = Arc::new(SignIn::new(users, attempts, Argon2id::new(), tokens));
    let handler = service_fn(move |request: Request| {
        let sign_in = Arc::clone(&sign_in);
        async move { sign_in.handle(request).await }
    });
    admin_api::serve(telemetry, handler).await
}
