//! The Lambda function `sync-brand`: configuration, clients, wiring.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use brand::DynamoDbBrandStore;
use circuit::{
    CallReports, CircuitBreaker, CircuitConfig, CircuitGate, DynamoDbCircuitStore, Pace,
};
use cms::{ApiKey, Cms, CmsConfig, CmsModel, CmsUrl, EntryStatus, Faults, OnDelete};
use config::{ConfigError, Env};
use dead_letters::DeadLetterQueue;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use reconcile::Conflicts;
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
    cms_model: CmsModel,
    cms_stub_faults: Faults,
    resume: ResumePolicy,
    time_budget: Duration,
    circuit: CircuitConfig,
    cms_conflicts: Conflicts,
    /// This process's share of the rate at which the CMS may be called, in calls a second.
    cms_rate_share: Option<f64>,
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
        let cms_model = CmsModel {
            collection: env.text("CMS_COLLECTION"),
            id_field: env.optional("CMS_ID_FIELD"),
            name_field: env.text("CMS_NAME_FIELD"),
            status: env
                .parse("CMS_ENTRY_STATUS")
                .unwrap_or(EntryStatus::Published),
            on_delete: env.parse("CMS_ON_DELETE").unwrap_or(OnDelete::Delete),
            users_collection: env.text("CMS_USERS_COLLECTION"),
        };
        let hours = env.parse("SYNC_GIVE_UP_AFTER_HOURS").unwrap_or_default();
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
            circuits_table: env.text("CIRCUITS_TABLE"),
            brand_events_dlq_url: env.text("BRAND_EVENTS_DLQ_URL"),
            cms_url: env.parse("CMS_URL").unwrap_or(CmsUrl::Stub),
            cms_api_key_secret_id: env.text("CMS_API_KEY_SECRET_ID"),
            cms_model,
            cms_stub_faults,
            resume,
            time_budget: Duration::from_hours(hours),
            circuit,
            cms_conflicts: env.parse("CMS_CONFLICTS").unwrap_or_default(),
            cms_rate_share: config::cms_rate_share(&mut env),
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
        model: config.cms_model,
        timeout: CMS_TIMEOUT,
        faults: config.cms_stub_faults,
    };
    let cms: Arc<dyn Cms> = config_of_cms.cms_over(transport?)?;
    let (environment, record) = (Arc::new(SystemEnvironment), Arc::new(Record::default()));
    let circuits = Arc::new(DynamoDbCircuitStore::new(
        dynamodb.clone(),
        config.circuits_table,
    ));
    let reports = CallReports::new(circuits.clone(), brand::CMS_SUBSCRIBER);
    let breaker = CircuitBreaker::new(circuits, brand::CMS_SUBSCRIBER, config.circuit);
    let target = CmsTarget::new(
        cms,
        CircuitGate::new(breaker),
        Pace::new(config.cms_rate_share),
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
        vec![Arc::new(CmsSubscriber::new(target, config.cms_conflicts))],
        engine,
        environment,
        record,
    )
    .with_reports(reports);
    let handle = async |event: LambdaEvent<SqsEvent>| {
        let deadline = aws::deadline(event.context.deadline);
        let answer = sync_brand.handle(event.payload, deadline).await;
        telemetry.flush();
        Ok::<_, Error>(answer)
    };
    aws::run(Runtime::new(service_fn(handle))).await
}

async fn api_key(sdk: &aws::Sdk, secret_id: &str) -> Result<ApiKey, Error> {
    let secret = config::fetch_secret(sdk, secret_id).await?;
    Ok(secret.expose().parse()?)
}
