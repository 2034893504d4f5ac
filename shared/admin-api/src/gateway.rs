//! API Gateway's events, read as requests, and answers as it takes them.
//!
//! Whatever a client sends comes here first, before it is known who sends it. So nothing of it fails the function: what
//! cannot be a request is refused with 400, and the rest is answered by the handler. `lambda_http::run` is not made for
//! that: it panics where a query has a byte that no URI can have, where the header `Host` or `X-Forwarded-Proto` makes no
//! URL, or where a body is not in the base 64 that it is said to be in; and it takes no event with a header that holds a
//! control character. Each of these would be a function error, which rings the alarm and sends a deployment back.
//!
//! Sources: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
//! (payload format 2.0); `into_api_gateway_v2_request` in `lambda_http`'s `src/request.rs`.

use std::{
    collections::HashMap,
    convert::Infallible,
    task::{Context as TaskContext, Poll},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{FutureExt, future::BoxFuture};
use lambda_http::{
    Body, Context, Error, LambdaEvent, Request, RequestExt, Response,
    aws_lambda_events::apigw::{ApiGatewayV2httpRequestContext, ApiGatewayV2httpResponse},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Uri,
        header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
        uri::PathAndQuery,
    },
    lambda_runtime::Runtime,
    request::RequestContext,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};
use telemetry::Telemetry;
use tower::{Service, ServiceBuilder};
use tracing::{error, info};

use crate::{ApiError, ErrorResponses, Traced, shown};

/// Answers requests with a handler, for as long as the process lives: within the trace of each, in Medusa's shapes.
pub async fn serve<S>(telemetry: Telemetry, handler: S) -> Result<(), Error>
where
    S: Service<Request, Response = Response<Body>, Error = ApiError>,
    S::Future: Send + 'static,
{
    let service = ServiceBuilder::new()
        .layer(Traced::with(telemetry))
        .layer(ErrorResponses)
        .service(handler);
    aws::run(Runtime::new(Gateway::to(service))).await
}

/// A service behind API Gateway: it takes events as they come from there.
#[derive(Clone, Debug)]
pub struct Gateway<S> {
    service: S,
}

impl<S> Gateway<S> {
    /// The gateway to that service, which answers whatever happens.
    pub const fn to(service: S) -> Self {
        Self { service }
    }
}

impl<S> Service<LambdaEvent<Box<RawValue>>> for Gateway<S>
where
    S: Service<Request, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = ApiGatewayV2httpResponse;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, event: LambdaEvent<Box<RawValue>>) -> Self::Future {
        let LambdaEvent { payload, context } = event;
        let request = match request(payload.get(), context) {
            Ok(request) => request,
            Err(refused) => {
                return async { Ok(answer(refused.into_response(), false)) }.boxed();
            }
        };
        let is_head = request.method() == Method::HEAD;
        let response = self.service.call(request);
        async move {
            let Ok(response) = response.await;
            Ok(answer(response, is_head))
        }
        .boxed()
    }
}

/// What is read of an event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Option<HashMap<String, String>>,
    path_parameters: Option<HashMap<String, String>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: EventContext,
}

#[derive(Deserialize)]
struct EventContext {
    http: EventHttp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventHttp {
    method: String,
    source_ip: Option<String>,
}

/// What no query can hold as it is (RFC 3986, 3.4): it is percent-encoded. An encoding that is there stays.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
const PATH: &AsciiSet = &QUERY.add(b'?');

/// The request of an event.
fn request(event: &str, context: Context) -> Result<Request, ApiError> {
    let event: Event = serde_json::from_str(event).map_err(|cause| match cause.classify() {
        // It is JSON of something else: that is not for the client to mend.
        Category::Data => {
            error!(%cause, "this is no event of an HTTP API with payload format 2.0");
            ApiError::Unknown
        }
        _ => refused(&format!("it is not valid JSON: {cause}")),
    })?;
    let EventHttp { method, source_ip } = event.request_context.http;
    let path = event.raw_path.unwrap_or_default();
    let query = event.raw_query_string.unwrap_or_default();
    let mut request = Request::new(body(event.body, event.is_base64_encoded)?);
    *request.method_mut() = method
        .parse()
        .map_err(|_| refused("its method is no token"))?;
    *request.uri_mut() = uri(&path, &query)?;
    *request.headers_mut() = headers(event.headers.unwrap_or_default())?;
    let mut gateway = ApiGatewayV2httpRequestContext::default();
    gateway.http.source_ip = source_ip;
    Ok(request
        .with_raw_http_path(path)
        .with_path_parameters(event.path_parameters.unwrap_or_default())
        .with_request_context(RequestContext::ApiGatewayV2(gateway))
        .with_lambda_context(context))
}

fn body(text: Option<String>, is_base64: bool) -> Result<Body, ApiError> {
    match text {
        Some(text) if is_base64 => match STANDARD.decode(text) {
            Ok(bytes) => Ok(Body::Binary(bytes)),
            Err(_) => Err(refused("its body is not in base 64")),
        },
        Some(text) => Ok(Body::Text(text)),
        None => Ok(Body::Empty),
    }
}

fn uri(path: &str, query: &str) -> Result<Uri, ApiError> {
    let mut text = String::with_capacity(1 + path.len() + 1 + query.len());
    if !path.starts_with('/') {
        text.push('/');
    }
    text.extend(utf8_percent_encode(path, PATH));
    if !query.is_empty() {
        text.push('?');
        text.extend(utf8_percent_encode(query, QUERY));
    }
    let uri = PathAndQuery::try_from(text).map(Uri::from);
    uri.map_err(|_| refused("its URL is too long"))
}

/// A header that cannot be one is not left out: the request may mean something else without it.
fn headers(given: HashMap<String, String>) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::with_capacity(given.len().min(MOST_HEADERS));
    for (name, value) in given {
        let named: HeaderName = name
            .parse()
            .map_err(|_| refused(&format!("no header can have the name '{}'", shown(&name))))?;
        let value = HeaderValue::try_from(value)
            .map_err(|_| refused(&format!("header '{named}' holds a control character")))?;
        if headers.len() == MOST_HEADERS {
            return Err(refused("it has too many headers"));
        }
        headers.insert(named, value);
    }
    Ok(headers)
}

/// The most headers that a request may have. API Gateway takes 10,240 bytes of them.
const MOST_HEADERS: usize = 1_000;

fn refused(reason: &str) -> ApiError {
    info!(reason, "a request was refused as it came");
    ApiError::InvalidData(format!("The request cannot be read: {reason}"))
}

/// What every answer bears, unless it says otherwise: it is kept nowhere, as it holds a token, or what only an admin may
/// know; it is what it says to be; and its site is asked over TLS alone.
const HEADERS: [(HeaderName, &str); 3] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
];

/// The answer as API Gateway takes it. One to HEAD has no body (RFC 9110, 9.3.2).
fn answer(response: Response<Body>, is_head: bool) -> ApiGatewayV2httpResponse {
    let (mut parts, body) = response.into_parts();
    for (name, value) in HEADERS {
        let absent = || HeaderValue::from_static(value);
        parts.headers.entry(name).or_insert_with(absent);
    }
    let mut answer = ApiGatewayV2httpResponse::default();
    answer.status_code = parts.status.as_u16().into();
    answer.headers = parts.headers;
    answer.is_base64_encoded = matches!(body, Body::Binary(_));
    // Not null, which is no text.
    answer.body = Some(body).filter(|body| !is_head && !matches!(body, Body::Empty));
    answer
}
