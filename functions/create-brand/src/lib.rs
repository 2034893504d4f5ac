//! POST /admin/brands: stores a brand and announces it, with one request each.
//!
//! The brand is acknowledged once it is stored. Its row is due a minute later, so an announcement that fails never fails the
//! request: the sweep makes up for it. A client that does not know whether its request was carried out repeats it under the
//! same `Idempotency-Key`, and gets the first one's brand.

use admin_api::{ApiError, BrandRequest, Deadline};
use auth::Actor;
use brand::{Brand, BrandEvents, BrandWriter, Created, IdempotencyKey, Timestamp};
use lambda_http::{Body, Request, Response, tracing};
use telemetry::Metrics;
use tracing::{error, info};

/// The handler, on a store of brands and a way to announce them.
#[derive(Debug)]
pub struct CreateBrand<S, E> {
    brands: S,
    events: E,
}

impl<S: BrandWriter, E: BrandEvents> CreateBrand<S, E> {
    /// The handler on those.
    pub const fn new(brands: S, events: E) -> Self {
        Self { brands, events }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, ApiError> {
        let mut metrics = Metrics::new();
        let answer = self.create(&request, &mut metrics).await;
        metrics.emit("create-brand");
        answer
    }

    async fn create(
        &self,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        if admin_api::path(request) != ["admin", "brands"] {
            return Ok(admin_api::no_route(request));
        }
        let BrandRequest { name } = BrandRequest::parse(admin_api::body(request)?)?;
        let key = idempotency_key(request)?;
        let deadline = Deadline::of(request);
        let brand = Brand::new(name, Timestamp::now());
        let brand = match &key {
            Some(key) => brand.with_idempotency_key(key),
            None => brand,
        };
        let brand = match self.store(brand, &deadline).await? {
            Stored::New(brand) => {
                metrics.add("created");
                info!(brand.id = %brand.id, "brand created");
                brand
            }
            Stored::Before(brand) => {
                metrics.add("repeated");
                info!(brand.id = %brand.id, "brand created before");
                brand
            }
            Stored::Another(brand) if key.is_some() => {
                info!(brand.id = %brand.id, "idempotency key used for another brand");
                return Err(ApiError::Conflict(
                    "The Idempotency-Key was used with another request body".to_owned(),
                ));
            }
            Stored::Another(brand) => {
                error!(brand.id = %brand.id, "a new brand's id is taken");
                return Err(ApiError::Unknown);
            }
        };
        // A repetition announces the brand again: the first request may have died before this.
        let trace = admin_api::trace(request);
        admin_api::announce(&self.events, &brand, &deadline, &trace, metrics).await;
        admin_api::brand(&brand)
    }

    async fn store(&self, brand: Brand, deadline: &Deadline) -> Result<Stored, ApiError> {
        let created = admin_api::in_time(deadline, self.brands.create(&brand)).await?;
        Ok(match created {
            Created::New => Stored::New(brand),
            // It was stored by the same request: by a repetition of the client's, or by the SDK's where a reply was lost.
            Created::Existing(found) if found.request == brand.request => Stored::Before(*found),
            Created::Existing(found) => Stored::Another(*found),
        })
    }
}

/// What was found or left under the id of a new brand.
enum Stored {
    /// The new brand.
    New(Brand),
    /// The brand that an earlier request of the same body stored, as it stands.
    Before(Brand),
    /// A brand that was created from another body.
    Another(Brand),
}

/// The key that names the request, if the client gave one.
fn idempotency_key(request: &Request) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(key) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    // The token check lets nobody through without an actor.
    let caller = request.extensions().get::<Actor>();
    let caller = caller.map_or("", Actor::id);
    let parsed = IdempotencyKey::parse(caller, key.as_bytes());
    parsed.map(Some).map_err(|invalid| {
        ApiError::InvalidData(format!(
            "Invalid request: header 'Idempotency-Key': {invalid}"
        ))
    })
}
