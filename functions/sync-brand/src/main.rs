//! The Lambda function `sync-brand`: configuration, clients, wiring.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use brand::DynamoDbBrandStore;
use circuit::{CallReports, CircuitBreaker, CircuitConfig, CircuitGate, DynamoDbCircuitStore};
use cms::{ApiKey, Cms, CmsConfig, CmsModel, CmsUrl, EntryStatus, Faults, OnDelete};
use config::{ConfigError, Env};
use dead_letters::DeadLetterQueue;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use sync_brand::{CmsSubscriber, CmsTarget, Pace, Record, SyncBrand};
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
            cms_rate_share: rate_share(&mut env),
        };
        env.finish(config)
    }
}

/// This process's share of the rate: the rate divided by the mapping's maximum concurrency. 0 means no limit.
fn rate_share(env: &mut Env) -> Option<f64> {
    const RATE: &str = "CMS_REQUESTS_PER_SECOND";
    let rate: Option<f64> = env.parse(RATE);
    let processes: Option<u32> = env.parse("SYNC_BRAND_MAXIMUM_CONCURRENCY");
    let (rate, processes) = rate.zip(processes)?;
    if !rate.is_finite() || rate < 0.0 {
        env.problem(RATE, "must be 0 or more");
    } else if rate > 0.0 && processes == 0 {
        env.problem(
            RATE,
            "SYNC_BRAND_MAXIMUM_CONCURRENCY must not be 0, or nothing says how many processes share the rate",
        );
    }
    (rate > 0.0).then(|| rate / f64::from(processes))
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
        vec![Arc::new(CmsSubscriber::new(target))],
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

#[cfg(test)]
mod tests {
    use config::Env;

    use super::rate_share;

    fn share(rate: &'static str, processes: &'static str) -> Result<Option<f64>, String> {
        let mut env = Env::of([
            ("CMS_REQUESTS_PER_SECOND", rate),
            ("SYNC_BRAND_MAXIMUM_CONCURRENCY", processes),
        ]);
        let share = rate_share(&mut env);
        env.finish(share).map_err(|error| error.to_string())
    }

    #[test]
    fn the_processes_share_the_rate_and_a_rate_without_their_number_is_a_problem() {
        assert_eq!(share("10", "4"), Ok(Some(2.5)));
        assert_eq!(share("0", "4"), Ok(None));
        assert_eq!(share("0", "0"), Ok(None));
        for (rate, processes, problem) in [
            ("10", "0", "SYNC_BRAND_MAXIMUM_CONCURRENCY must not be 0"),
            ("-1", "4", "CMS_REQUESTS_PER_SECOND: must be 0 or more"),
            ("inf", "4", "CMS_REQUESTS_PER_SECOND: must be 0 or more"),
            ("ten", "4", "CMS_REQUESTS_PER_SECOND: invalid float"),
            ("10", "", "SYNC_BRAND_MAXIMUM_CONCURRENCY is not set"),
        ] {
            let error = share(rate, processes).err();
            assert!(
                error.is_some_and(|error| error.contains(problem)),
                "{problem}"
            );
        }
    }
}
