//! What the admin API answers.

use brand::Brand;
use lambda_http::{
    Body, Response,
    http::{HeaderValue, header},
};
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
    /// When it was deleted: null but for a repetition of the request that created a brand which is deleted by now.
    pub deleted_at: Option<String>,
}

impl BrandResponse {
    /// The brand, as the API shows it.
    #[must_use]
    pub fn of(brand: &Brand) -> Self {
        Self {
            id: brand.id.to_string(),
            name: brand.name.to_string(),
            created_at: brand.created_at.to_string(),
            updated_at: brand.updated_at.to_string(),
            deleted_at: brand.deleted_at.map(|at| at.to_string()),
        }
    }
}

/// An answer of 200 with that brand, and with its version as the entity tag: what `If-Match` expects.
pub fn brand(brand: &Brand) -> Result<Response<Body>, ApiError> {
    #[derive(Serialize)]
    struct Answer {
        brand: BrandResponse,
    }

    let shown = BrandResponse::of(brand);
    Ok(tagged(json(&Answer { brand: shown })?, brand))
}

/// The same answer, with that brand's version as the entity tag.
#[must_use]
pub fn tagged(mut answer: Response<Body>, brand: &Brand) -> Response<Body> {
    let tag = entity_tag(brand.version);
    answer.headers_mut().insert(header::ETAG, tag);
    answer
}

/// The entity tag of a version.
pub(crate) fn entity_tag(version: u32) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from(version))
}

/// An answer of 200 with that body.
pub fn json(body: &impl Serialize) -> Result<Response<Body>, ApiError> {
    let text = serde_json::to_string(body).map_err(|cause| {
        error!(%cause, "an answer cannot be written as JSON");
        ApiError::Unknown
    })?;
    let mut response = Response::new(Body::Text(text));
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}
