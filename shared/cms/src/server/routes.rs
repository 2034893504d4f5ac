//! What the server answers to which request.

use std::num::{NonZeroU16, NonZeroU32};

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::pages::refuse_pages;
use super::problem::Problem;
use crate::stub::{Change, Changed, no_such_brand, no_such_entry};
use crate::{
    ApiKey, CmsBrand, CmsEntry, CmsPage, EntryRef, Faults, FaultsError, StubCms, UnlinkedEntry,
};

/// The longest body that is read, in bytes.
const BODY_LIMIT: usize = 16 * 1024;

/// The longest id that is taken, in bytes.
const ID_LIMIT: usize = 128;

/// The most ids that one request may ask for.
const IDS_LIMIT: usize = 100;

/// The most entries that an editor makes at once.
const COUNT_LIMIT: u32 = 1_000_000;

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
        .route("/entries", get(list_entries))
        .route("/entries/{entry}", get(retrieve_entry).put(link_brand))
        .route("/stats", get(stats))
        .route("/editor/brands/{id}", put(edit_brand).delete(remove_brand))
        .route("/editor/entries", post(add_entries))
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
    let change = Change::Update(brand, known(&headers)?);
    let changed = Problem::settle(server.stub.change(&change, key)).await?;
    Ok(shown(StatusCode::OK, &changed))
}

async fn link_brand(
    _: JsonWrite,
    State(server): State<Server>,
    Path(entry): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let known = EntryRef {
        id: Some(entry),
        ..known(&headers)?
    };
    let change = Change::Link(brand_of(&body?)?, known);
    let changed = Problem::settle(server.stub.change(&change, idempotency_key(&headers)?)).await?;
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
    let BrandBody { id, name } = parsed(body)?;
    let id = checked(id)?;
    Ok(CmsBrand { id, name })
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| bad_request(error.to_string()))
}

fn bad_request(message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, message)
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
    let mut json = json!({"id": brand.id, "name": brand.name, "revision": entry.revision});
    // Of an entry that an editor made.
    if let (Some(json), Some(own_id)) = (json.as_object_mut(), &entry.id) {
        json.insert("entry".to_owned(), json!(own_id));
    }
    json
}

fn json_of_unlinked(UnlinkedEntry { entry, name }: &UnlinkedEntry) -> Value {
    json!({"entry": entry.id, "name": name, "revision": entry.revision})
}

/// A page of the list; all of it where no limit is given. Or the brands with these ids.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    after: Option<String>,
    limit: Option<NonZeroU16>,
    ids: Option<String>,
}

impl PageQuery {
    fn parse(query: Result<Query<Self>, QueryRejection>) -> Result<Self, Problem> {
        let query = query.map_err(|rejection| bad_request(rejection.body_text()));
        query.map(|Query(query)| query)
    }

    fn limit(&self) -> usize {
        self.limit.map_or(usize::MAX, |limit| limit.get().into())
    }

    /// The ids that it asks for, if any.
    fn ids(&self) -> Result<Option<Vec<String>>, Problem> {
        let Some(ids) = &self.ids else {
            return Ok(None);
        };
        let ids: Vec<_> = ids.split(',').map(str::to_owned).collect();
        if self.after.is_some() || self.limit.is_some() || ids.len() > IDS_LIMIT {
            let problem = format!("ids are at most {IDS_LIMIT}, and exclude after and limit");
            return Err(bad_request(problem));
        }
        ids.into_iter()
            .map(checked)
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

async fn list_brands(
    _: Reader,
    State(server): State<Server>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let query = PageQuery::parse(query)?;
    let page = if let Some(ids) = query.ids()? {
        server.stub.retrieve_many(&ids).map(|entries| CmsPage {
            entries,
            next: None,
        })
    } else {
        server.stub.page(query.after.as_deref(), query.limit())
    };
    let page = Problem::settle(page).await?;
    let brands: Vec<_> = page.entries.iter().map(json_of).collect();
    Ok(Json(json!({ "brands": brands, "next": page.next })))
}

async fn list_entries(
    _: Reader,
    State(server): State<Server>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let query = PageQuery::parse(query)?;
    if query.ids.is_some() {
        return Err(bad_request("ids go with brands alone"));
    }
    let page = server
        .stub
        .unlinked_page(query.after.as_deref(), query.limit());
    let page = Problem::settle(page).await?;
    let entries: Vec<_> = page.entries.iter().map(json_of_unlinked).collect();
    Ok(Json(json!({ "entries": entries, "next": page.next })))
}

async fn retrieve_entry(
    _: Reader,
    State(server): State<Server>,
    Path(entry): Path<String>,
) -> Result<Json<Value>, Problem> {
    let found = Problem::settle(server.stub.retrieve_unlinked(&entry)).await?;
    let found = found.ok_or_else(|| no_such_entry(&entry))?;
    Ok(Json(json!({ "entry": json_of_unlinked(&found) })))
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditBody {
    name: String,
}

async fn edit_brand(
    _: JsonWrite,
    State(server): State<Server>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let EditBody { name } = parsed(&body?)?;
    edited(server.stub.edit(&id, &name), &id)
}

async fn remove_brand(
    _: Authorized,
    State(server): State<Server>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    edited(server.stub.remove(&id), &id)
}

fn edited(exists: bool, id: &str) -> Result<StatusCode, Problem> {
    if exists {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_such_brand(id).into())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryBody {
    name: String,
    /// The brand's id that it bears.
    id: Option<String>,
    /// So many entries, numbered.
    count: Option<NonZeroU32>,
}

async fn add_entries(
    _: JsonWrite,
    State(server): State<Server>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (stub, EntryBody { name, id, count }) = (server.stub, parsed(&body?)?);
    let added = match (id, count.map(NonZeroU32::get)) {
        (None, Some(count)) if count <= COUNT_LIMIT => {
            for number in 1..=count {
                stub.add_entry(&format!("{name} {number}"), None);
            }
            json!({ "count": count })
        }
        (_, Some(_)) => {
            let problem = format!("count is at most {COUNT_LIMIT}, and excludes id");
            return Err(bad_request(problem));
        }
        (Some(id), None) if stub.brand(&id).is_some() => {
            let problem = format!("there is an entry with the id {id}");
            return Err(Problem::new(StatusCode::CONFLICT, problem));
        }
        (id, None) => {
            let id = id.map(checked).transpose()?;
            json!({ "entry": stub.add_entry(&name, id.as_deref()) })
        }
    };
    Ok((StatusCode::CREATED, Json(added)))
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

/// What the entry is known to have: the revision that `If-Match` names.
fn known(headers: &HeaderMap) -> Result<EntryRef, Problem> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(EntryRef::default());
    };
    let text = value.to_str().unwrap_or_default();
    let revision = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let revision = revision.ok_or_else(|| bad_request("If-Match names one revision, in quotes"))?;
    Ok(EntryRef {
        revision: Some(revision.to_owned()),
        ..EntryRef::default()
    })
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
