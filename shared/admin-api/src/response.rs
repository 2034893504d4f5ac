//! What the admin API answers.

use lambda_http::{Body, Response, http::header};
use serde::Serialize;
use tracing::error;

use crate::ApiError;

/// A brand, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrandResponse {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was created: RFC 3339 with milliseconds, in UTC.
    pub created_at: String,
    /// When it was last changed: likewise.
    pub updated_at: String,
    /// When it was deleted; always null, since a deleted brand is not shown.
    pub deleted_at: Option<String>,
}

/// An answer of 200 with that body.
pub fn json(body: &impl Serialize) -> Result<Response<Body>, ApiError> {
    let text = serde_json::to_string(body).map_err(|cause| {
        error!(%cause, "an answer cannot be written as JSON");
        ApiError::Unknown
    })?;
    let mut response = Response::new(Body::Text(text));
    let json = header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}
