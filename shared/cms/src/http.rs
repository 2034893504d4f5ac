//! Requests to a CMS over HTTP, and what their answers mean. What the adapters share.

mod answer;
mod transport;

use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

pub(crate) use self::answer::{Answer, Operation};
pub use self::transport::Transport;
use crate::request_log;
use crate::{ApiKey, BaseUrl, Cms, CmsBrand, CmsEntry, CmsError};

/// How long one request may take, from the connection to the end of the answer, unless something else is configured.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// A request to a CMS.
pub(crate) struct Request<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: &'static str,
    /// The segments of the path below the base URL.
    pub(crate) path: &'a [&'a str],
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) headers: &'a [(&'static str, &'a str)],
    pub(crate) body: Option<Value>,
}

/// Sends requests to one CMS. Clones share its connections, which are kept between requests.
///
/// Each request is sent once: how often another try may be made is up to the caller. No redirect is followed and no proxy is
/// used, so that the API key reaches the CMS alone. The HTTP client is the AWS SDK's, which a function has anyway.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    transport: Transport,
    base_url: BaseUrl,
    /// The `Authorization` header's value, before the key.
    scheme: String,
    api_key: ApiKey,
    timeout: Duration,
}

impl Client {
    /// A client that presents the key as `Authorization: {scheme}{key}`. Does not connect yet.
    pub(crate) fn new(
        transport: Transport,
        base_url: BaseUrl,
        scheme: impl Into<String>,
        api_key: ApiKey,
        timeout: Duration,
    ) -> Self {
        Self {
            transport,
            base_url,
            scheme: scheme.into(),
            api_key,
            timeout,
        }
    }

    /// Sends a request and judges its answer by the table in this crate's README.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Answer, CmsError> {
        let http = self.http_request(&request)?;
        request_log::sending(request.method, request.path);
        if let Some(body) = &request.body {
            tracing::debug!("{}", request_log::RequestData(body));
        }
        let answered = tokio::time::timeout(self.timeout, async {
            let response = self.transport.0.call(http).await.map_err(answer::none)?;
            Answer::read(response, &self.api_key).await
        });
        match answered.await {
            Ok(answer) => answer?.judge(request.operation),
            Err(elapsed) => Err(CmsError::TimedOut {
                source: elapsed.into(),
            }),
        }
    }

    fn http_request(&self, request: &Request<'_>) -> Result<HttpRequest, CmsError> {
        // Each of them would name the collection, or what is above it.
        if request
            .path
            .iter()
            .any(|name| ["", ".", ".."].contains(name))
        {
            return Err(CmsError::Unsendable("an id makes no path"));
        }
        let mut http = HttpRequest::empty();
        let made = http.set_method(request.method);
        made.map_err(|_| CmsError::Unsendable("its method is not valid"))?;
        let mut url = self.base_url.join(request.path);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        let made = http.set_uri(url.as_str());
        made.map_err(|_| CmsError::Unsendable("its URL is not valid"))?;
        let headers = http.headers_mut();
        let authorization = format!("{}{}", self.scheme, self.api_key.expose());
        let made = headers.try_insert("authorization", authorization);
        made.map_err(|_| CmsError::Unsendable("the api key makes no header"))?;
        headers.insert("accept", "application/json");
        for (name, value) in request.headers {
            if value.is_empty() {
                return Err(CmsError::Unsendable("a header's value is empty"));
            }
            let made = headers.try_insert(*name, (*value).to_owned());
            made.map_err(|_| CmsError::Unsendable("a value makes no header"))?;
        }
        if let Some(body) = &request.body {
            headers.insert("content-type", "application/json");
            *http.body_mut() = SdkBody::from(body.to_string());
        }
        Ok(http)
    }
}

/// Asks the CMS what it holds, since its answer to a write does not show the entry: `{}`, nothing, a maintenance page.
pub(crate) async fn confirm<C: Cms + ?Sized>(
    cms: &C,
    brand: &CmsBrand,
    answer: &Answer,
) -> Result<CmsEntry, CmsError> {
    match cms.get_brand(&brand.id).await? {
        Some(entry) if entry.brand == *brand => Ok(entry),
        _ => Err(answer.unclear()),
    }
}

/// A conflict where the entry has another name than it is known to have: an editor has renamed it since.
pub(crate) fn check_name(known: &str, current: &str) -> Result<(), CmsError> {
    if known == current {
        return Ok(());
    }
    Err(CmsError::conflict(412, format!("the name is {current}")))
}
