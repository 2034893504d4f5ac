//! The Lambda function `republish-brands`: configuration, clients, wiring.

use std::{sync::Arc, time::Duration};

use brand::{DynamoDbBrandStore, SqsBrandEvents};
use circuit::{CircuitBreaker, CircuitConfig, DynamoDbCircuitStore};
use config::{ConfigError, Env};
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use republish_brands::{Limits, RepublishBrands};
use serde_json::Value;
use telemetry::Trace;
use workflow::SystemEnvironment;

/// Configuration, read from environment variables.
struct Config {
    brands_table: String,
    circuits_table: String,
    brand_events_queue_url: String,
    limits: Limits,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
            circuits_table: env.text("CIRCUITS_TABLE"),
            brand_events_queue_url: env.text("BRAND_EVENTS_QUEUE_URL"),
            limits: Limits {
                first_wait: Duration::from_secs(
                    env.parse("REPUBLISH_AFTER_SECONDS").unwrap_or_default(),
                ),
                rows: env.parse("REPUBLISH_LIMIT").unwrap_or_default(),
            },
        };
        env.finish(config)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = telemetry::init();
    let config = Config::from_env()?;
    let sdk = aws::Sdk::from_env()?;
    // Mostly there is nothing to send, and then it needs no connection to SQS.
    let sqs = async { aws_sdk_sqs::Client::new(sdk.config()) };
    let (dynamodb, sqs) = tokio::join!(sdk.dynamodb(), sqs);
    let circuits = DynamoDbCircuitStore::new(dynamodb.clone(), config.circuits_table);
    let circuit = CircuitBreaker::new(
        Arc::new(circuits),
        brand::CMS_SUBSCRIBER,
        CircuitConfig::default(),
    );
    let brands = DynamoDbBrandStore::new(dynamodb, config.brands_table);
    let events = SqsBrandEvents::new(sqs, config.brand_events_queue_url);
    let republish_brands = RepublishBrands::new(
        brands,
        events,
        circuit,
        Arc::new(SystemEnvironment),
        config.limits,
    );
    let handle = async |event: LambdaEvent<Value>| {
        let deadline = aws::deadline(event.context.deadline);
        let trace = Trace::of_request(None, event.context.xray_trace_id.as_deref());
        let report = republish_brands.handle(&trace, deadline).await;
        telemetry.flush();
        report.map_err(Error::from)
    };
    aws::run(Runtime::new(service_fn(handle))).await
}
