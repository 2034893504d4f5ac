//! GET /admin/brands and GET /admin/brands/{id}: a page of brands, or one.
//!
//! A list is paged as Medusa's lists are, by `limit` and `offset`, and counted, which takes reading it all; or, with `after`,
//! by a cursor, which takes reading the page alone. A brand that was written a moment ago may not be in the list yet;
//! asked for by its id, it is there.

mod answer;
mod cursor;
mod fields;
mod parameters;
mod query;

use admin_api::{ApiError, Deadline};
use brand::{BrandId, BrandReader, ListedBrand, StoreError};
use lambda_http::{Body, Request, Response, tracing};
use telemetry::Metrics;
use tokio::time::timeout;
use tracing::error;

pub use self::query::{LIMIT, MAX_LIMIT, MAX_OFFSET};
use self::{
    answer::{FollowedList, NumberedList, Single},
    query::{ListQuery, Paging, RetrieveQuery},
};

/// The handler, on what is read of brands.
#[derive(Debug)]
pub struct QueryBrands<B> {
    brands: B,
}

impl<B: BrandReader> QueryBrands<B> {
    /// The handler on that.
    pub const fn new(brands: B) -> Self {
        Self { brands }
    }

    /// Answers one request: for one brand if its path has an id, and else for a list.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, ApiError> {
        let mut metrics = Metrics::new();
        let left = Deadline::of(&request).time_left();
        // On the heap, since what the SDK keeps of its requests makes it large.
        let work = Box::pin(self.answer(&request, &mut metrics));
        let answer = timeout(left, work).await;
        metrics.emit("query-brands");
        answer.unwrap_or_else(|_| {
            error!("the brands were not read in time");
            Err(ApiError::Unknown)
        })
    }

    async fn answer(
        &self,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        match admin_api::path(request)[..] {
            ["admin", "brands"] => self.list(request, metrics).await,
            ["admin", "brands", id] => self.retrieve(id, request, metrics).await,
            _ => Ok(admin_api::no_route(request)),
        }
    }

    async fn retrieve(
        &self,
        id: &str,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let query = RetrieveQuery::parse(request)?;
        // What is no id is nobody's: it is not looked up.
        let found = match id.parse::<BrandId>() {
            Ok(id) => self.brands.retrieve(id).await.map_err(unreadable)?,
            Err(_) => None,
        };
        let Some(brand) = found else {
            metrics.add("not_found");
            return Err(ApiError::no_such_brand(id));
        };
        metrics.add("retrieved");
        let shown = query.fields.of(&ListedBrand::from(&brand));
        let answer = admin_api::json(&Single { brand: shown })?;
        Ok(admin_api::tagged(answer, &brand))
    }

    async fn list(
        &self,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let ListQuery {
            fields,
            search,
            limit,
            paging,
        } = ListQuery::parse(request)?;
        let show = |brands: &[ListedBrand]| brands.iter().map(|brand| fields.of(brand)).collect();
        match paging {
            Paging::Numbered { order, offset } => {
                let page = self
                    .brands
                    .list_and_count(&search, order, offset, limit)
                    .await;
                let page = page.map_err(unreadable)?;
                metrics.add("listed");
                note_unreadable(&page.unreadable, metrics);
                admin_api::json(&NumberedList {
                    brands: show(&page.brands),
                    count: page.count,
                    limit,
                    offset,
                })
            }
            Paging::Followed { direction, after } => {
                let page = self
                    .brands
                    .list_after(&search, direction, after, limit)
                    .await;
                let page = page.map_err(unreadable)?;
                metrics.add("followed");
                note_unreadable(&page.unreadable, metrics);
                admin_api::json(&FollowedList {
                    brands: show(&page.brands),
                    limit,
                    next: page.next.map(|position| cursor::write(direction, position)),
                })
            }
        }
    }
}

/// Rows that a list leaves out are counted, for an alarm.
fn note_unreadable(ids: &[String], metrics: &mut Metrics) {
    metrics.add_many("unreadable", ids.len());
    for id in ids {
        error!(
            brand.id = id,
            "a row cannot be read; the list leaves it out"
        );
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn unreadable(cause: StoreError) -> ApiError {
    error!(
        error = telemetry::chain(&cause),
        "the brands could not be read"
    );
    ApiError::Unknown
}
