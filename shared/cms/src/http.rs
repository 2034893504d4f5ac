//! The client of a CMS that speaks HTTP.

mod answer;
mod transport;

use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use self::answer::Answer;
pub use self::transport::Transport;
use crate::request_log::{self, RequestData};
use crate::{ApiKey, BaseUrl, Cms, CmsBrand, CmsError};

/// Bears the idempotency key: [draft-ietf-httpapi-idempotency-key-header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

const AUTHORIZATION: &str = "authorization";
const NO_KEY: CmsError = CmsError::Unsendable("the idempotency key makes no header");

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
    /// The API key makes no header.
    #[error("the api key of the cms makes no HTTP header")]
    ApiKey,
}

/// A CMS over HTTP. Clones share its connections, which are kept between requests: build one at start, and keep it.
///
/// It sends each request once. Who may wait how long for another try is for the caller to say. It goes to nobody but the
/// CMS: no redirect is followed, and no proxy is asked. Its HTTP is the AWS SDK's, which a function has anyway.
#[derive(Debug, Clone)]
pub struct HttpCms {
    transport: Transport,
    base_url: BaseUrl,
    api_key: ApiKey,
    timeout: Duration,
}

impl HttpCms {
    /// A client of the CMS that `config` describes. Does not connect yet.
    pub fn new(config: HttpCmsConfig) -> Result<Self, HttpCmsError> {
        Self::over(Transport::to(&config.base_url), config)
    }

    /// The same over a transport that is there already.
    pub fn over(transport: Transport, config: HttpCmsConfig) -> Result<Self, HttpCmsError> {
        let HttpCmsConfig {
            base_url,
            api_key,
            timeout,
        } = config;
        let mut request = HttpRequest::empty();
        let headers = request.headers_mut();
        let made = headers.try_insert(AUTHORIZATION, api_key.bearer());
        made.map_err(|_| HttpCmsError::ApiKey)?;
        Ok(Self {
            transport,
            base_url,
            api_key,
            timeout,
        })
    }

    /// Sends a request about what `path` names. `settled` is the status that says: it is so already; none where no failure
    /// does.
    async fn send(
        &self,
        method: &str,
        path: &[&str],
        brand: Option<&CmsBrand>,
        idempotency_key: Option<&str>,
        settled: Option<u16>,
    ) -> Result<Answer, CmsError> {
        let request = self.request(method, path, brand, idempotency_key)?;
        let answered = tokio::time::timeout(self.timeout, async {
            let response = self.transport.0.call(request).await.map_err(answer::none)?;
            answer::read(response, settled, &self.api_key).await
        });
        match answered.await {
            Ok(result) => result,
            Err(elapsed) => Err(CmsError::TimedOut {
                source: elapsed.into(),
            }),
        }
    }

    fn request(
        &self,
        method: &str,
        path: &[&str],
        brand: Option<&CmsBrand>,
        idempotency_key: Option<&str>,
    ) -> Result<HttpRequest, CmsError> {
        let mut request = HttpRequest::empty();
        let made = request.set_method(method);
        made.map_err(|_| CmsError::Unsendable("its method is not valid"))?;
        let made = request.set_uri(self.base_url.join(path).as_str());
        made.map_err(|_| CmsError::Unsendable("its URL is not valid"))?;
        let headers = request.headers_mut();
        let made = headers.try_insert(AUTHORIZATION, self.api_key.bearer());
        made.map_err(|_| CmsError::Unsendable("the api key makes no header"))?;
        if let Some(key) = idempotency_key {
            if key.is_empty() {
                return Err(NO_KEY);
            }
            let made = headers.try_insert(IDEMPOTENCY_KEY, key.to_owned());
            made.map_err(|_| NO_KEY)?;
        }
        if let Some(brand) = brand {
            headers.insert("content-type", "application/json");
            let body = serde_json::to_vec(brand);
            let body = body.map_err(|_| CmsError::Unsendable("the brand makes no JSON"))?;
            *request.body_mut() = SdkBody::from(body);
        }
        Ok(request)
    }
}

impl Cms for HttpCms {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsBrand>, CmsError> {
        let id = path_segment(id)?;
        request_log::sending("GET", format_args!("/brands/{id}"));
        let answer = self
            .send("GET", &["brands", id], None, None, Some(404))
            .await?;
        if answer.status == 404 {
            return Ok(None);
        }
        answer.brand().map(Some)
    }

    async fn create_brand(&self, brand: &CmsBrand, idempotency_key: &str) -> Result<(), CmsError> {
        request_log::sending("POST", format_args!("/brands"));
        tracing::debug!("{}", RequestData(brand));
        self.send(
            "POST",
            &["brands"],
            Some(brand),
            Some(idempotency_key),
            Some(409),
        )
        .await?;
        Ok(())
    }

    async fn update_brand(&self, brand: &CmsBrand, idempotency_key: &str) -> Result<(), CmsError> {
        let id = path_segment(&brand.id)?;
        request_log::sending("PUT", format_args!("/brands/{id}"));
        tracing::debug!("{}", RequestData(brand));
        self.send(
            "PUT",
            &["brands", id],
            Some(brand),
            Some(idempotency_key),
            None,
        )
        .await?;
        Ok(())
    }

    async fn delete_brand(&self, id: &str, idempotency_key: &str) -> Result<(), CmsError> {
        let id = path_segment(id)?;
        request_log::sending("DELETE", format_args!("/brands/{id}"));
        self.send(
            "DELETE",
            &["brands", id],
            None,
            Some(idempotency_key),
            Some(404),
        )
        .await?;
        Ok(())
    }
}

/// An id that names a brand in a URL. Some name the list of brands there, or what is above it.
fn path_segment(id: &str) -> Result<&str, CmsError> {
    match id {
        "" | "." | ".." => Err(CmsError::Unsendable("the brand's id makes no path")),
        id => Ok(id),
    }
}
