//! One configuration, and one HTTP client, for all clients of a process.

use std::{env, fmt, sync::Arc};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider,
    retry::RetryConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{HttpConnector as _, SharedHttpConnector},
        orchestrator::HttpRequest,
    },
};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use http_body_util::BodyExt as _;

use crate::{
    http,
    limits::{ATTEMPTS, BACKOFF, Limits},
    settings::{ConfigError, ENDPOINT_URL, Settings, operators_roots},
};

/// What all SDK clients of a function share: one configuration, and one pool of connections.
#[derive(Debug)]
pub struct Sdk {
    pub(crate) config: SdkConfig,
    pub(crate) connector: SharedHttpConnector,
    pub(crate) variables: Variables,
}

/// Environment variables.
#[derive(Clone)]
pub(crate) struct Variables(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Variables {
    /// The value of a variable. An empty one counts as missing.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn of_process() -> Self {
        Self::of(|name| env::var(name).ok())
    }

    pub(crate) fn of(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Variables(…)")
    }
}

impl Sdk {
    /// Made of what Lambda says in environment variables: `AWS_REGION` and the credentials. An emulator is chosen with the
    /// SDK's own `AWS_ENDPOINT_URL`, or for one service with `AWS_ENDPOINT_URL_SQS`, say. Servers are trusted that Amazon's
    /// roots vouch for, or those in the file that `AWS_CA_BUNDLE` names. `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT` choose
    /// other endpoints of AWS.
    ///
    /// The SDK's own loader asks profiles and the machine as well. It is not used, since it is a part of each function's
    /// size, and its detours are part of each cold start.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(Variables::of_process())
    }

    /// The same, made of other variables than the process's. The credentials are the process's.
    pub fn with_variables(
        lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        Self::from_variables(Variables::of(lookup))
    }

    fn from_variables(variables: Variables) -> Result<Self, ConfigError> {
        let settings = Settings::of(&variables)?;
        let connector = http::connector(settings.roots);
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(
                EnvironmentVariableCredentialsProvider::new(),
            ))
            .http_client(http::client(connector.clone()))
            .retry_config(retries())
            .service_config(variables.clone())
            .timeout_config(Limits::SHORT.timeouts())
            .use_fips(settings.use_fips)
            .use_dual_stack(settings.use_dual_stack);
        config.set_region(settings.region.map(Region::new));
        config.set_endpoint_url(settings.endpoint_url);
        Ok(Self {
            config: config.build(),
            connector,
            variables,
        })
    }

    /// The configuration, to make clients of.
    #[must_use]
    pub const fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Sends a request as it is, over the connections of all clients: answers the status and the body. An answer is always read,
    /// for a connection is used again only then.
    pub(crate) async fn send(
        &self,
        request: HttpRequest,
    ) -> Result<(u16, impl AsRef<[u8]> + use<>), BoxError> {
        let answer = self.connector.call(request).await?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// Where a service is, if the environment says so.
    pub(crate) fn endpoint_url(&self, service: &str) -> Option<String> {
        let of_service = self.variables.get(&format!("{ENDPOINT_URL}_{service}"));
        of_service.or_else(|| self.config.endpoint_url().map(str::to_owned))
    }
}

/// The same configuration for programs beside the functions, with the [long limits](Limits::LONG): they also wait for messages.
pub fn sdk_config() -> Result<SdkConfig, ConfigError> {
    let config = Sdk::from_env()?.config.into_builder();
    Ok(config.timeout_config(Limits::LONG.timeouts()).build())
}

/// The same for a program that a person runs: region and credentials come from where the SDK looks for them, which are
/// environment variables, the profile in `~/.aws`, the web identity of a container, and the machine's role. The system's
/// roots are trusted, as there may be a proxy in between, or those in the file that `AWS_CA_BUNDLE` names.
///
/// Single sign-on is left out, for the two more SDK clients it takes: `aws configure export-credentials --format env`
/// gives its credentials as environment variables.
pub async fn operator_config() -> Result<SdkConfig, ConfigError> {
    let roots = operators_roots(&Variables::of_process())?;
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http::client(http::connector(roots)))
        .retry_config(retries())
        .timeout_config(Limits::LONG.timeouts());
    Ok(loader.load().await)
}

fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(BACKOFF)
}

/// What is said of one service alone.
impl LoadServiceConfig for Variables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        self.get(&format!("{}_{service}", key.env()))
    }
}
