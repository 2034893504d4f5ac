//! The Lambda function `sync-brand`: configuration, clients, wiring.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use brand::DynamoDbBrandStore;
use circuit::{CircuitBreaker, CircuitConfig, CircuitGate, DynamoDbCircuitStore};
use cms::{AnyCms, ApiKey, CmsConfig, CmsUrl, Faults};
use config::{ConfigError, Env};
use dead_letters::DeadLetterQueue;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use sync_brand::{CmsSubscriber, CmsTarget, Record, SyncBrand};
use workflow::{Engine, EngineConfig, MemoryJournal, ResumePolicy, SystemEnvironment};

/// How long one request to the CMS may take.
const CMS_TIMEOUT: Duration = Duration::from_secs(5);

/// Configuration, read from environment variables.
struct Config {
    brands_table: String,
    circuits_table: String,
    brand_events_dlq_url: String,
    cms_url: CmsUrl,
    cms_api_key_secret_id: String,
    cms_stub_faults: Faults,
    resume: ResumePolicy,
    time_budget: Duration,
    circuit: CircuitConfig,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let faults = env.optional("CMS_STUB_FAULTS").unwrap_or_default();
        let cms_stub_faults = faults.parse().unwrap_or_else(|error| {
            env.problem("CMS_STUB_FAULTS", error);
            Faults::default()
        });
        let mut seconds = |name| Duration::from_secs(env.parse(name).unwrap_or_default());
        let resume = ResumePolicy {
            first: seconds("SYNC_RETRY_FIRST_SECONDS"),
            cap: seconds("SYNC_RETRY_MAX_SECONDS"),
        };
        let (probe_first, probe_max) = (
            seconds("CIRCUIT_PROBE_FIRST_SECONDS"),
            seconds("CIRCUIT_PROBE_MAX_SECONDS"),
        );
        let circuit = CircuitConfig {
            failures: env.parse("CIRCUIT_FAILURES").unwrap_or_default(),
            probe_first,
            probe_max,
        };
        let hours = env.parse("SYNC_GIVE_UP_AFTER_HOURS").unwrap_or_default();
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
            circuits_table: env.text("CIRCUITS_TABLE"),
            brand_events_dlq_url: env.text("BRAND_EVENTS_DLQ_URL"),
            cms_url: env.parse("CMS_URL").unwrap_or(CmsUrl::Stub),
            cms_api_key_secret_id: env.text("CMS_API_KEY_SECRET_ID"),
            cms_stub_faults,
            resume,
            time_budget: Duration::from_hours(hours),
            circuit,
        };
        env.finish(config)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = telemetry::init();
    let config = Config::from_env()?;
    let sdk = aws::Sdk::from_env()?;
    let url = config.cms_url.clone();
    let transport = tokio::task::spawn_blocking(move || url.transport());
    let (dynamodb, api_key, transport, sqs) = tokio::join!(
        sdk.dynamodb(),
        api_key(&sdk, &config.cms_api_key_secret_id),
        transport,
        // It needs no connection yet: it is for poison.
        async { aws_sdk_sqs::Client::new(sdk.config()) },
    );
    let config_of_cms = CmsConfig {
        api_key: Some(api_key?),
        url: config.cms_url,
        timeout: CMS_TIMEOUT,
        faults: config.cms_stub_faults,
    };
    let cms = AnyCms::over(transport?, config_of_cms)?;
    let (environment, record) = (Arc::new(SystemEnvironment), Arc::new(Record::default()));
    let circuits = Arc::new(DynamoDbCircuitStore::new(
        dynamodb.clone(),
        config.circuits_table,
    ));
    let breaker = CircuitBreaker::new(circuits, brand::CMS_SUBSCRIBER, config.circuit);
    let target = CmsTarget::new(
        cms,
        CircuitGate::new(breaker),
        environment.clone(),
        record.clone(),
        CMS_TIMEOUT,
    );
    // Each row brings a journal of its own.
    let engine = Engine::new(Arc::new(MemoryJournal::default())).with_config(EngineConfig {
        resume: config.resume,
        time_budget: config.time_budget,
        ..EngineConfig::default()
    });
    let sync_brand = SyncBrand::new(
        DynamoDbBrandStore::new(dynamodb, config.brands_table),
        DeadLetterQueue::new(sqs, config.brand_events_dlq_url),
        vec![Arc::new(CmsSubscriber::new(Arc::new(target)))],
        engine,
        environment,
        record,
    );
    let handle = async |event: LambdaEvent<SqsEvent>| {
        let deadline = aws::deadline(event.context.deadline);
        let answer = sync_brand.handle(event.payload, deadline).await;
        telemetry.flush();
        Ok::<_, Error>(answer)
    };
    run(service_fn(handle)).await
}

async fn api_key(sdk: &aws::Sdk, secret_id: &str) -> Result<ApiKey, Error> {
    let secret = config::fetch_secret(sdk, secret_id).await?;
    Ok(secret.expose().parse()?)
}
