//! The Lambda function `reconcile-brands`: configuration, clients, wiring.

use std::{sync::Arc, time::Duration};

use brand::{CMS_SUBSCRIBER, DynamoDbBrandStore};
use circuit::{
    CallReports, CircuitBreaker, CircuitConfig, CircuitGate, DynamoDbCircuitStore, Pace,
};
use cms::{ApiKey, CmsConfig, CmsModel, CmsUrl, EntryStatus, Faults, OnDelete};
use config::{ConfigError, Env};
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use reconcile::{DynamoDbReconciliationStore, Policies};
use reconcile_brands::{CmsCaller, Event, ReconcileBrands};
use workflow::SystemEnvironment;

/// How long one request to the CMS may take.
const CMS_TIMEOUT: Duration = Duration::from_secs(5);

/// Configuration, read from environment variables.
struct Config {
    brands_table: String,
    circuits_table: String,
    cms_url: CmsUrl,
    /// The same, as text.
    cms: String,
    cms_api_key_secret_id: String,
    cms_model: CmsModel,
    cms_stub_faults: Faults,
    circuit: CircuitConfig,
    policies: Policies,
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
        let (probe_first, probe_max) = (
            seconds("CIRCUIT_PROBE_FIRST_SECONDS"),
            seconds("CIRCUIT_PROBE_MAX_SECONDS"),
        );
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
            circuits_table: env.text("CIRCUITS_TABLE"),
            cms_url: env.parse("CMS_URL").unwrap_or(CmsUrl::Stub),
            cms: env.optional("CMS_URL").unwrap_or_default(),
            cms_api_key_secret_id: env.text("CMS_API_KEY_SECRET_ID"),
            cms_model: CmsModel {
                collection: env.text("CMS_COLLECTION"),
                id_field: env.optional("CMS_ID_FIELD"),
                name_field: env.text("CMS_NAME_FIELD"),
                status: env
                    .parse("CMS_ENTRY_STATUS")
                    .unwrap_or(EntryStatus::Published),
                on_delete: env.parse("CMS_ON_DELETE").unwrap_or(OnDelete::Delete),
                users_collection: env.text("CMS_USERS_COLLECTION"),
            },
            cms_stub_faults,
            circuit: CircuitConfig {
                failures: env.parse("CIRCUIT_FAILURES").unwrap_or_default(),
                probe_first,
                probe_max,
            },
            policies: Policies {
                edits: env.parse("CMS_EDITS").unwrap_or_default(),
                conflicts: env.parse("CMS_CONFLICTS").unwrap_or_default(),
                made: env.parse("CMS_MADE").unwrap_or_default(),
                orphans: env.parse("CMS_ORPHANS").unwrap_or_default(),
            },
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
    let (dynamodb, api_key, transport) = tokio::join!(
        sdk.dynamodb(),
        config::fetch_secret(&sdk, &config.cms_api_key_secret_id),
        transport,
    );
    let api_key: ApiKey = api_key?.expose().parse()?;
    // Its API does not show what an editor has unpublished.
    let hides_unpublished =
        config.cms_model.status == EntryStatus::Published && config.cms.starts_with("strapi+");
    let config_of_cms = CmsConfig {
        api_key: Some(api_key),
        url: config.cms_url,
        model: config.cms_model,
        timeout: CMS_TIMEOUT,
        faults: config.cms_stub_faults,
    };
    let circuits = Arc::new(DynamoDbCircuitStore::new(
        dynamodb.clone(),
        &config.circuits_table,
    ));
    let breaker = CircuitBreaker::new(circuits.clone(), CMS_SUBSCRIBER, config.circuit);
    let kept = Arc::new(DynamoDbReconciliationStore::new(
        dynamodb.clone(),
        config.circuits_table,
    ));
    let reconcile_brands = ReconcileBrands {
        brands: DynamoDbBrandStore::new(dynamodb, config.brands_table),
        caller: CmsCaller {
            cms: config_of_cms.cms_over(transport?)?,
            gate: CircuitGate::new(breaker),
            pace: Pace::new(config.cms_rate_share),
            reports: Some(CallReports::new(circuits, CMS_SUBSCRIBER)),
            timeout: CMS_TIMEOUT,
            environment: Arc::new(SystemEnvironment),
        },
        kept: kept.clone(),
        inbox: kept,
        policies: config.policies,
        target: config.cms,
        absent_is_deleted: !hides_unpublished,
    };
    let handle = async |event: LambdaEvent<Event>| {
        let deadline = aws::deadline(event.context.deadline);
        let answer = reconcile_brands.handle(event.payload, deadline).await;
        telemetry.flush();
        answer.map_err(Error::from)
    };
    aws::run(Runtime::new(service_fn(handle))).await
}
