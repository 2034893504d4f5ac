//! The Lambda function `sync-brand`: configuration, clients, wiring.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use brand::DynamoDbBrandStore;
use cms::{AnyCms, ApiKey, CmsConfig, CmsUrl, Faults};
use config::{ConfigError, Env};
use journal::DynamoDbJournal;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use sync_brand::{App, SqsMessages, SyncBrand};
use workflow::Engine;

/// How long one request to the CMS may take.
const CMS_TIMEOUT: Duration = Duration::from_secs(5);

/// What the function is told by its environment.
struct Config {
    brands_table: String,
    workflow_executions_table: String,
    brand_events_queue_url: String,
    brand_events_dlq_url: String,
    brand_events_max_receives: u32,
    cms_url: CmsUrl,
    cms_api_key_secret_id: String,
    cms_stub_faults: Faults,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let mut env = Env::of_process();
        let faults = env.optional("CMS_STUB_FAULTS").unwrap_or_default();
        let cms_stub_faults = faults.parse().unwrap_or_else(|error| {
            env.problem("CMS_STUB_FAULTS", error);
            Faults::default()
        });
        let config = Self {
            brands_table: env.text("BRANDS_TABLE"),
            workflow_executions_table: env.text("WORKFLOW_EXECUTIONS_TABLE"),
            brand_events_queue_url: env.text("BRAND_EVENTS_QUEUE_URL"),
            brand_events_dlq_url: env.text("BRAND_EVENTS_DLQ_URL"),
            brand_events_max_receives: env.parse("BRAND_EVENTS_MAX_RECEIVES").unwrap_or_default(),
            cms_url: env.parse("CMS_URL").unwrap_or(CmsUrl::Stub),
            cms_api_key_secret_id: env.text("CMS_API_KEY_SECRET_ID"),
            cms_stub_faults,
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
        // It needs no connection yet: it is for what fails.
        async { aws_sdk_sqs::Client::new(sdk.config()) },
    );
    let config_of_cms = CmsConfig {
        api_key: Some(api_key?),
        url: config.cms_url,
        timeout: CMS_TIMEOUT,
        faults: config.cms_stub_faults,
    };
    let cms = AnyCms::over(transport?, config_of_cms)?;
    let brands = DynamoDbBrandStore::new(dynamodb.clone(), config.brands_table);
    let journal = DynamoDbJournal::new(dynamodb, config.workflow_executions_table);
    let (queue, parked) = (config.brand_events_queue_url, config.brand_events_dlq_url);
    let messages = SqsMessages::new(sqs, queue, parked);
    let engine = Engine::new(Arc::new(journal));
    let sync_brand = SyncBrand::new(
        engine,
        App::new(brands, cms),
        messages,
        config.brand_events_max_receives,
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
