//! POST /admin/brands: stores a brand and announces it, with one request each.
//!
//! The brand is acknowledged once it is stored. That it is still to be synced is part of its row, so an announcement that
//! fails is made up for later, and never fails the request. A client that is in doubt whether its request was carried out
//! repeats it under the same `Idempotency-Key`, and gets the brand of the first.

use std::time::{Duration, SystemTime};

use admin_api::{ApiError, BrandResponse, CreateBrandRequest};
use brand::{
    Brand, BrandEvents, BrandName, BrandStore, Created, IdempotencyKey, InvalidBrandName, Timestamp,
};
use lambda_http::{Body, Request, RequestExt, Response, tracing};
use telemetry::Counts;
use tokio::time::timeout;
use tracing::{error, info, warn};

/// How long an announcement may take: it is not worth a client's waiting.
const ANNOUNCE: Duration = Duration::from_secs(2);
/// What is kept of an invocation's time for answering.
const ANSWER: Duration = Duration::from_millis(500);
/// How long an invocation may take of which the deadline is not known.
const UNKNOWN: Duration = Duration::from_secs(10);

/// The handler, on a store of brands and a way to announce them.
#[derive(Debug)]
pub struct CreateBrand<S, E> {
    brands: S,
    events: E,
}

impl<S: BrandStore, E: BrandEvents> CreateBrand<S, E> {
    /// The handler on those.
    pub const fn new(brands: S, events: E) -> Self {
        Self { brands, events }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, ApiError> {
        let mut counts = Counts::new();
        let answer = self.create(&request, &mut counts).await;
        counts.emit("create-brand");
        answer
    }

    async fn create(
        &self,
        request: &Request,
        counts: &mut Counts,
    ) -> Result<Response<Body>, ApiError> {
        let CreateBrandRequest { name } = CreateBrandRequest::parse(request.body())?;
        let name =
            BrandName::parse(name).map_err(|invalid| ApiError::InvalidData(message(invalid)))?;
        let key = idempotency_key(request)?;
        let deadline = Deadline::of(request);
        let brand = Brand::new(name, Timestamp::now());
        let stored = match &key {
            Some(key) => self.store(brand.under(key), &deadline).await?,
            None => self.store(brand, &deadline).await?,
        };
        let brand = match stored {
            Stored::New(brand) => {
                counts.add("created");
                info!(brand.id = %brand.id, "brand created");
                brand
            }
            Stored::Before(brand) => {
                counts.add("repeated");
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
        // Whoever made the first request may have died before this.
        if brand.is_to_be_synced() {
            let announced = self.announce(&brand, &deadline).await;
            counts.add(if announced {
                "announced"
            } else {
                "announce_failed"
            });
        }
        admin_api::json(&Answer::of(brand))
    }

    async fn store(&self, brand: Brand, deadline: &Deadline) -> Result<Stored, ApiError> {
        match timeout(deadline.time_left(), self.brands.create(&brand)).await {
            Ok(Ok(Created::New)) => Ok(Stored::New(brand)),
            // It was stored by the same request: by a repetition of the client's, or by the SDK's where a reply was lost.
            Ok(Ok(Created::Existing(found))) if found.request == brand.request => {
                Ok(Stored::Before(*found))
            }
            Ok(Ok(Created::Existing(found))) => Ok(Stored::Another(*found)),
            Ok(Err(cause)) => {
                error!(
                    error = telemetry::chain(&cause),
                    "the brand could not be stored"
                );
                Err(ApiError::Unknown)
            }
            Err(_) => {
                error!("the brand was not stored in time");
                Err(ApiError::Unknown)
            }
        }
    }

    /// Announces a brand that is stored. Where that fails, it is announced again from its row.
    async fn announce(&self, brand: &Brand, deadline: &Deadline) -> bool {
        let announced = timeout(
            deadline.time_left().min(ANNOUNCE),
            self.events.announce(brand),
        )
        .await;
        match announced {
            Ok(Ok(())) => return true,
            Ok(Err(cause)) => {
                warn!(brand.id = %brand.id, error = telemetry::chain(&cause), "announce_failed");
            }
            Err(_) => warn!(brand.id = %brand.id, error = "no answer in time", "announce_failed"),
        }
        false
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
    let caller = "anonymous";
    let parsed = IdempotencyKey::parse(caller, key.as_bytes());
    parsed.map(Some).map_err(|invalid| {
        ApiError::InvalidData(format!(
            "Invalid request: header 'Idempotency-Key': {invalid}"
        ))
    })
}

/// When an invocation must have answered.
struct Deadline(SystemTime);

impl Deadline {
    fn of(request: &Request) -> Self {
        let now = SystemTime::now();
        let millis = request
            .lambda_context_ref()
            .map_or(0, |context| context.deadline);
        let left = aws::time_left(millis, now).unwrap_or(UNKNOWN);
        Self(now + left.saturating_sub(ANSWER))
    }

    fn time_left(&self) -> Duration {
        self.0.duration_since(SystemTime::now()).unwrap_or_default()
    }
}

#[derive(serde::Serialize)]
struct Answer {
    brand: BrandResponse,
}

impl Answer {
    fn of(brand: Brand) -> Self {
        let brand = BrandResponse {
            id: brand.id.to_string(),
            name: brand.name.into(),
            created_at: brand.created_at.to_string(),
            updated_at: brand.updated_at.to_string(),
            deleted_at: None,
        };
        Self { brand }
    }
}

/// Medusa's words for a name that is refused; for what Medusa itself accepts, words like them.
fn message(invalid: InvalidBrandName) -> String {
    match invalid {
        InvalidBrandName::Blank => {
            "Invalid request: Value for field 'name' too small, expected at least: '1'".to_owned()
        }
        InvalidBrandName::TooLong => {
            format!(
                "Invalid request: Value for field 'name' too large, expected at most: '{}'",
                BrandName::MAX_CHARS
            )
        }
        InvalidBrandName::ControlCharacter => {
            "Invalid request: Value for field 'name' must not contain control characters".to_owned()
        }
    }
}
