//! POST and DELETE /admin/brands/{id}: changes or deletes a brand and announces that, with one request each.
//!
//! As with a new brand, the change is acknowledged once it is stored, and an announcement that fails is made up for later. A
//! client that wants to change only what it has seen sends the entity tag of that as `If-Match`.

use admin_api::{ApiError, BrandRequest, Deadline};
use brand::{
    Brand, BrandEvents, BrandId, BrandWriter, Changed, SUBSCRIBERS, SyncStore, TakeUp, Timestamp,
    take_up,
};
use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{Method, header},
    tracing,
};
use serde_json::json;
use telemetry::Metrics;
use tracing::info;

/// The handler, on a store of brands and a way to announce them.
#[derive(Debug)]
pub struct ChangeBrand<S, E> {
    brands: S,
    events: E,
}

impl<S: BrandWriter + SyncStore, E: BrandEvents> ChangeBrand<S, E> {
    /// The handler on those.
    pub const fn new(brands: S, events: E) -> Self {
        Self { brands, events }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, ApiError> {
        let mut metrics = Metrics::new();
        let answer = if request.method() == Method::DELETE {
            self.delete(&request, &mut metrics).await
        } else {
            self.update(&request, &mut metrics).await
        };
        metrics.emit("change-brand");
        answer
    }

    async fn update(
        &self,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let BrandRequest { name } = BrandRequest::parse(admin_api::body(request)?)?;
        let (id, expected, deadline) = (id(request)?, expected(request)?, Deadline::of(request));
        let changed = self.brands.update(id, &name, expected, Timestamp::now());
        match admin_api::in_time(&deadline, changed).await? {
            Changed::Done(brand) => {
                metrics.add("updated");
                info!(brand.id = %brand.id, version = brand.version, "brand updated");
                let trace = admin_api::trace(request);
                admin_api::announce(&self.events, &brand, &deadline, &trace, metrics).await;
                admin_api::brand(&brand)
            }
            Changed::Missing | Changed::Deleted { .. } => {
                Err(ApiError::no_such_brand(&id.to_string()))
            }
            Changed::Conflict(brand) => Err(has_changed(&brand)),
        }
    }

    async fn delete(
        &self,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let (id, expected, deadline) = (id(request)?, expected(request)?, Deadline::of(request));
        let deleted = self.brands.delete(id, expected, Timestamp::now());
        let brand = match admin_api::in_time(&deadline, deleted).await? {
            Changed::Done(brand) => {
                metrics.add("deleted");
                info!(brand.id = %brand.id, version = brand.version, "brand deleted");
                brand
            }
            // A client that repeats its request gets the same answer. If the CMS has refused the deletion, it is tried again.
            Changed::Deleted {
                brand,
                needs_attention: true,
            } => {
                let token = BrandId::new(Timestamp::now()).to_string();
                let (scope, now) = (TakeUp::Marked, Timestamp::now());
                let taken_up = take_up(&self.brands, (id, scope), SUBSCRIBERS, &token, now);
                admin_api::in_time(&deadline, taken_up).await?;
                metrics.add("taken_up");
                info!(brand.id = %brand.id, "deletion taken up again");
                brand
            }
            Changed::Deleted { brand, .. } => brand,
            Changed::Missing => return Err(ApiError::no_such_brand(&id.to_string())),
            Changed::Conflict(brand) => return Err(has_changed(&brand)),
        };
        let trace = admin_api::trace(request);
        admin_api::announce(&self.events, &brand, &deadline, &trace, metrics).await;
        admin_api::json(&json!({ "id": brand.id, "object": "brand", "deleted": true }))
    }
}

/// The brand's id in the path. What cannot be one is that of no brand.
fn id(request: &Request) -> Result<BrandId, ApiError> {
    let path = request.path_parameters();
    let id = path.first("id").unwrap_or_default();
    id.parse().map_err(|_| ApiError::no_such_brand(id))
}

/// The version that the client expects, by the entity tag that it was given.
fn expected(request: &Request) -> Result<Option<u32>, ApiError> {
    let Some(tag) = request.headers().get(header::IF_MATCH) else {
        return Ok(None);
    };
    let tag = tag.to_str().unwrap_or_default().trim();
    if tag == "*" {
        return Ok(None);
    }
    let version = tag
        .strip_prefix('"')
        .and_then(|tag| tag.strip_suffix('"'))
        .and_then(|tag| tag.parse().ok())
        // Each version has one tag: no other spelling of its number.
        .filter(|version: &u32| tag == format!("\"{version}\""));
    version.map(Some).ok_or_else(|| {
        let message = "Invalid request: header 'If-Match' must be the ETag of the brand";
        ApiError::InvalidData(message.to_owned())
    })
}

fn has_changed(brand: &Brand) -> ApiError {
    ApiError::PreconditionFailed {
        version: brand.version,
    }
}
