//! What the server answers to which request.

use std::num::NonZeroU16;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::refuse_pages;
use super::problem::Problem;
use crate::stub::{Change, Changed, no_such_brand};
use crate::{ApiKey, CmsBrand, CmsEntry, Faults, FaultsError, StubCms};

/// The longest body that is read, in bytes.
const BODY_LIMIT: usize = 16 * 1024;

/// The longest id that is taken, in bytes.
const ID_LIMIT: usize = 128;

/// What a body has to be.
const JSON: &[u8] = b"application/json";

#[derive(Debug, Clone)]
struct Server {
    stub: StubCms,
    api_key: Option<ApiKey>,
}

pub(super) fn router(stub: StubCms, api_key: Option<ApiKey>) -> Router {
    Router::new()
        .route("/brands", get(list_brands).post(create_brand))
        .route(
            "/brands/{id}",
            get(retrieve_brand).put(update_brand).delete(delete_brand),
        )
        .route("/stats", get(stats))
        .route(
            "/faults",
            put(replace_faults)
                .post(add_faults)
                .fallback(faults_only_write),
        )
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "that cannot be done here")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(refuse_pages))
        .with_state(Server { stub, api_key })
}

/// The caller presented the key, or there is none. Comes first among a handler's arguments, so that nothing else of an
/// unauthorized request is read.
struct Authorized;

/// The caller is authorized, and the body is said to be JSON. Unlike text or a form, JSON is nothing that a page may send
/// to another origin without asking first.
struct JsonWrite;

/// The caller is authorized, or presented no key at all: a read needs none, since the server is for one's own machine.
struct Reader;

impl FromRequestParts<Server> for Authorized {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, Problem> {
        let Some(api_key) = &server.api_key else {
            return Ok(Self);
        };
        let presented = parts.headers.get(AUTHORIZATION);
        if presented.is_some_and(|header| api_key.authorizes(header.as_bytes())) {
            return Ok(Self);
        }
        tracing::warn!(
            "Refused a {} request: no API key, or a wrong one.",
            parts.method
        );
        Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "the api key is missing or wrong",
        ))
    }
}

impl FromRequestParts<Server> for JsonWrite {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, Problem> {
        Authorized::from_request_parts(parts, server).await?;
        let media_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let media_type = media_type.and_then(|value| value.split(|byte| *byte == b';').next());
        if media_type.is_some_and(|given| given.trim_ascii().eq_ignore_ascii_case(JSON)) {
            return Ok(Self);
        }
        Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be application/json, and its Content-Type to say so",
        ))
    }
}

impl FromRequestParts<Server> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, Problem> {
        if parts.headers.contains_key(AUTHORIZATION) {
            Authorized::from_request_parts(parts, server).await?;
        }
        Ok(Self)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BrandBody {
    id: String,
    name: String,
}

async fn create_brand(
    _: JsonWrite,
    State(server): State<Server>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let change = Change::Create(brand_of(&body?)?);
    let changed = Problem::settle(server.stub.change(&change, idempotency_key(&headers)?)).await?;
    Ok(shown(StatusCode::CREATED, &changed))
}

async fn update_brand(
    _: JsonWrite,
    State(server): State<Server>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let brand = brand_of(&body?)?;
    if brand.id != id {
        let problem = format!("the path names brand {id}, the body {}", brand.id);
        return Err(Problem::new(StatusCode::BAD_REQUEST, problem));
    }
    let key = idempotency_key(&headers)?;
    let change = Change::Update(brand, revision(&headers)?);
    let changed = Problem::settle(server.stub.change(&change, key)).await?;
    Ok(shown(StatusCode::OK, &changed))
}

async fn delete_brand(
    _: Authorized,
    State(server): State<Server>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let change = Change::Delete(checked(id)?);
    let changed = Problem::settle(server.stub.change(&change, idempotency_key(&headers)?)).await?;
    Ok(shown(StatusCode::NO_CONTENT, &changed))
}

fn brand_of(body: &[u8]) -> Result<CmsBrand, Problem> {
    let BrandBody { id, name } = serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let id = checked(id)?;
    Ok(CmsBrand { id, name })
}

/// The entry under that status, or nothing where it is deleted.
fn shown(status: StatusCode, changed: &Changed) -> Response {
    match changed {
        Changed::Absent(id) => no_such_brand(id).into_response(),
        Changed::Entry(entry) => (status, Json(json!({ "brand": json_of(entry) }))).into_response(),
        Changed::Deleted => status.into_response(),
    }
}

fn json_of(entry: &CmsEntry) -> Value {
    let CmsEntry { brand, entry } = entry;
    json!({"id": brand.id, "name": brand.name, "revision": entry.revision})
}

/// A page of the list; all of it where no limit is given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    after: Option<String>,
    limit: Option<NonZeroU16>,
}

async fn list_brands(
    _: Reader,
    State(server): State<Server>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(PageQuery { after, limit }) =
        query.map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
    let limit = limit.map_or(usize::MAX, |limit| limit.get().into());
    let page = Problem::settle(server.stub.page(after.as_deref(), limit)).await?;
    let brands: Vec<_> = page.entries.iter().map(json_of).collect();
    Ok(Json(json!({ "brands": brands, "next": page.next })))
}

async fn retrieve_brand(
    _: Reader,
    State(server): State<Server>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let found = Problem::settle(server.stub.retrieve(&id)).await?;
    let entry = found.ok_or_else(|| no_such_brand(&id))?;
    Ok(Json(json!({ "brand": json_of(&entry) })))
}

async fn stats(State(server): State<Server>) -> Json<Value> {
    Json(json!(server.stub.stats()))
}

async fn faults_only_write() -> Problem {
    let problem = "rules are written, not read: PUT replaces them, POST adds to them";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, problem)
}

async fn replace_faults(
    _: JsonWrite,
    State(server): State<Server>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    server.stub.set_faults(faults(&body?)?);
    Ok(StatusCode::NO_CONTENT)
}

async fn add_faults(
    _: JsonWrite,
    State(server): State<Server>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    server.stub.add_faults(faults(&body?)?);
    Ok(StatusCode::NO_CONTENT)
}

fn faults(body: &[u8]) -> Result<Faults, Problem> {
    let text = str::from_utf8(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    text.parse()
        .map_err(|error: FaultsError| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    match headers.get("idempotency-key").map(|key| key.to_str()) {
        None => Ok(None),
        Some(Ok(key)) if !key.is_empty() => Ok(Some(key)),
        Some(_) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "the idempotency key is empty or not ASCII",
        )),
    }
}

/// The revision that `If-Match` names.
fn revision(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let revision = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let revision = revision.ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "If-Match names one revision, in quotes",
        )
    })?;
    Ok(Some(revision.to_owned()))
}

/// An id stands in paths and in log lines, and may break neither.
fn checked(id: String) -> Result<String, Problem> {
    if id.is_empty() || id.len() > ID_LIMIT || id.contains(|c: char| c.is_control() || c == '/') {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!("an id has 1 to {ID_LIMIT} bytes, none of them a slash or a control character"),
        ));
    }
    Ok(id)
}
