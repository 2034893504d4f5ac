//! The Lambda function `api-root`: configuration, clients, wiring.

use std::sync::Arc;

use api_root::ApiRoot;
use auth::Tokens;
use config::{ConfigError, Env};
use lambda_http::{Error, Request};
use tower::service_fn;

/// What the function is told by its environment.
struct Config {
    auth_secret_id: String,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let config = Self {
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
    let secret = config::fetch_secret(&sdk, &config.auth_secret_id).await?;
    let api_root = Arc::new(ApiRoot::new(Tokens::signed_with(&secret)?));
    let handler = service_fn(move |request: Request| {
        let api_root = Arc::clone(&api_root);
        async move { api_root.handle(request).await }
    });
    admin_api::serve(telemetry, handler).await
}
