//! The client of a CMS that speaks HTTP.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::request_log::{self, RequestData};
use crate::{ApiKey, BaseUrl, BoxError, Cms, CmsBrand, CmsError};

/// Bears the idempotency key: [draft-ietf-httpapi-idempotency-key-header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A connection that is not there by then will hardly come; the rest of the time is better spent on another try.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What an [`HttpCms`] has to know.
#[derive(Debug, Clone)]
pub struct HttpCmsConfig {
    /// Where the CMS is. Brands are at `{base_url}/brands`.
    pub base_url: BaseUrl,
    /// Sent as `Authorization: Bearer …`.
    pub api_key: ApiKey,
    /// How long one request may take, from the connection to the end of the answer.
    pub timeout: Duration,
}

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum HttpCmsError {
    /// TLS cannot be set up; no root certificates on this machine, most likely.
    #[error("no TLS client for the cms: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("no HTTP client for the cms")]
    Client(#[source] BoxError),
    /// The API key makes no header.
    #[error("the api key of the cms makes no HTTP header")]
    ApiKey,
}

/// A CMS over HTTP. Clones share its connections, which are kept between requests: build one at start, and keep it.
///
/// It sends each request once. Who may wait how long for another try is for the caller to say.
#[derive(Debug, Clone)]
pub struct HttpCms {
    client: Client,
    base_url: BaseUrl,
    api_key: ApiKey,
    authorization: HeaderValue,
}

impl HttpCms {
    /// A client of the CMS that `config` describes. Does not connect yet.
    pub fn new(config: HttpCmsConfig) -> Result<Self, HttpCmsError> {
        let HttpCmsConfig {
            base_url,
            api_key,
            timeout,
        } = config;
        let mut authorization =
            HeaderValue::from_str(&api_key.bearer()).map_err(|_| HttpCmsError::ApiKey)?;
        authorization.set_sensitive(true);
        let client = Client::builder()
            .tls_backend_preconfigured(tls(&base_url)?)
            .connect_timeout(timeout.min(CONNECT_TIMEOUT))
            .timeout(timeout)
            // A redirect would take the brand, and perhaps the key, to somebody whom the configuration does not name.
            .redirect(redirect::Policy::none())
            // Neither does the environment say where requests go.
            .no_proxy()
            .build()
            .map_err(|error| HttpCmsError::Client(error.into()))?;
        Ok(Self {
            client,
            base_url,
            api_key,
            authorization,
        })
    }

    /// Sends the request. `settled` is the status that says: it is so already; none where no failure does.
    async fn send(
        &self,
        request: RequestBuilder,
        idempotency_key: &str,
        settled: Option<StatusCode>,
    ) -> Result<(), CmsError> {
        let idempotency_key = HeaderValue::from_str(idempotency_key)
            .ok()
            .filter(|key| !key.is_empty())
            .ok_or(CmsError::Unsendable("the idempotency key makes no header"))?;
        let response = request
            .header(AUTHORIZATION, self.authorization.clone())
            .header(IDEMPOTENCY_KEY, idempotency_key)
            .send()
            .await
            .map_err(answer::none)?;
        answer::read(response, settled, &self.api_key).await
    }
}

impl Cms for HttpCms {
    async fn create_brand(&self, brand: &CmsBrand, idempotency_key: &str) -> Result<(), CmsError> {
        request_log::sending("POST", format_args!("/brands"));
        tracing::debug!("{}", RequestData(brand));
        let request = self
            .client
            .post(self.base_url.join(&["brands"]))
            .json(brand);
        self.send(request, idempotency_key, Some(StatusCode::CONFLICT))
            .await
    }

    async fn update_brand(&self, brand: &CmsBrand, idempotency_key: &str) -> Result<(), CmsError> {
        let id = path_segment(&brand.id)?;
        request_log::sending("PUT", format_args!("/brands/{id}"));
        tracing::debug!("{}", RequestData(brand));
        let request = self
            .client
            .put(self.base_url.join(&["brands", id]))
            .json(brand);
        self.send(request, idempotency_key, None).await
    }

    async fn delete_brand(&self, id: &str, idempotency_key: &str) -> Result<(), CmsError> {
        let id = path_segment(id)?;
        request_log::sending("DELETE", format_args!("/brands/{id}"));
        let request = self.client.delete(self.base_url.join(&["brands", id]));
        self.send(request, idempotency_key, Some(StatusCode::NOT_FOUND))
            .await
    }
}

/// An id that names a brand in a URL. Some name the list of brands there, or what is above it.
fn path_segment(id: &str) -> Result<&str, CmsError> {
    match id {
        "" | "." | ".." => Err(CmsError::Unsendable("the brand's id makes no path")),
        id => Ok(id),
    }
}

/// TLS by ring, which the AWS clients use too; said here, so that no process-wide default has to be installed. Without TLS
/// no root certificates are read: that takes milliseconds of each cold start, and a bare machine may have none.
fn tls(base_url: &BaseUrl) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = if base_url.is_https() {
        config.with_platform_verifier()?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    Ok(config.with_no_client_auth())
}
