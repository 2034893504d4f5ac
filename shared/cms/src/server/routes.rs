//! What the server answers to which request.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::{
    ApiKey, CmsBrand, CreateOutcome, DeleteOutcome, Faults, FaultsError, StubCms, UpdateOutcome,
};

/// The longest body that is read, in bytes.
const BODY_LIMIT: usize = 16 * 1024;

/// The longest id that is taken, in bytes.
const ID_LIMIT: usize = 128;

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
        .route("/faults", put(replace_faults).post(add_faults))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "that cannot be done here")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Server { stub, api_key })
}

/// The caller presented the key, or there is none. Comes first among a handler's arguments, so that nothing of a stranger's
/// request is read.
struct Authorized;

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BrandBody {
    id: String,
    name: String,
}

async fn create_brand(
    _: Authorized,
    State(server): State<Server>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let brand = brand_of(&body?)?;
    match server
        .stub
        .create(&brand, idempotency_key(&headers)?)
        .await?
    {
        CreateOutcome::Created => {
            Ok((StatusCode::CREATED, Json(json!({ "brand": brand }))).into_response())
        }
        CreateOutcome::AlreadyExists => Err(Problem::new(
            StatusCode::CONFLICT,
            format!("brand {} exists already", brand.id),
        )),
    }
}

async fn update_brand(
    _: Authorized,
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
    let status = match server.stub.update(&brand, key).await? {
        UpdateOutcome::Created => StatusCode::CREATED,
        UpdateOutcome::Updated => StatusCode::OK,
    };
    Ok((status, Json(json!({ "brand": brand }))).into_response())
}

async fn delete_brand(
    _: Authorized,
    State(server): State<Server>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let id = checked(id)?;
    match server.stub.delete(&id, idempotency_key(&headers)?).await? {
        DeleteOutcome::Deleted => Ok(StatusCode::NO_CONTENT),
        DeleteOutcome::Absent => Err(no_such_brand(&id)),
    }
}

fn brand_of(body: &[u8]) -> Result<CmsBrand, Problem> {
    let BrandBody { id, name } = serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let id = checked(id)?;
    Ok(CmsBrand { id, name })
}

async fn list_brands(State(server): State<Server>) -> Json<Value> {
    Json(json!({ "brands": server.stub.brands() }))
}

async fn retrieve_brand(
    State(server): State<Server>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let found = server.stub.retrieve(&id).await?;
    let brand = found.ok_or_else(|| no_such_brand(&id))?;
    Ok(Json(json!({ "brand": brand })))
}

async fn stats(State(server): State<Server>) -> Json<Value> {
    Json(json!(server.stub.stats()))
}

async fn replace_faults(
    State(server): State<Server>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    server.stub.set_faults(faults(&body?)?);
    Ok(StatusCode::NO_CONTENT)
}

async fn add_faults(
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

fn no_such_brand(id: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no brand {id}"))
}
