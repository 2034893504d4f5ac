//! POST /admin/brands: stores a brand and announces it, with one request each.
//!
//! The brand is acknowledged once it is stored. That it is not announced yet is part of its row, so an announcement that
//! fails is made up for later, and never fails the request.

use std::time::{Duration, SystemTime};

use admin_api::{ApiError, BrandResponse, CreateBrandRequest};
use brand::{Brand, BrandEvents, BrandName, BrandStore, Created, InvalidBrandName, Timestamp};
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
        let deadline = Deadline::of(request);
        let brand = Brand::new(name, Timestamp::now());
        let brand = self.store(brand, &deadline).await?;
        counts.add("created");
        info!(brand.id = %brand.id, "brand created");
        if self.announce(&brand, &deadline).await {
            counts.add("announced");
        } else {
            counts.add("announce_failed");
        }
        admin_api::json(&Answer::of(brand))
    }

    async fn store(&self, brand: Brand, deadline: &Deadline) -> Result<Brand, ApiError> {
        let stored = timeout(deadline.time_left(), self.brands.create(&brand)).await;
        match stored {
            Ok(Ok(Created::New)) => Ok(brand),
            // Its own row, written by an attempt whose reply was lost. It may be synced by now, so it is compared without that.
            Ok(Ok(Created::Existing(stored)))
                if (Brand {
                    synced_at: None,
                    ..*stored.clone()
                }) == brand =>
            {
                Ok(*stored)
            }
            Ok(Ok(Created::Existing(stored))) => {
                error!(brand.id = %stored.id, "a new brand's id is taken");
                Err(ApiError::Unknown)
            }
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
            self.events.brand_created(brand),
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
