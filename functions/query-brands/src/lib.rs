//! What the admin API reads: brands, the runs that sync them, and how it stands with the CMS.
//!
//! - GET /admin/brands and GET /admin/brands/{id}: a page of brands, or one;
//! - GET /admin/workflows-executions, and those of one brand: runs, as Medusa shows them;
//! - GET /admin/cms: the circuit, the calls, what waits; GET /admin/cms/reconciliation: what differs.
//!
//! A list is paged as Medusa's lists are, by `limit` and `offset`, and counted, which takes reading it all; or, with `after`,
//! by a cursor, which takes reading the page alone. A brand that was written a moment ago may not be in the list yet;
//! asked for by its id, it is there.

mod answer;
mod cms;
mod cursor;
mod executions;
mod fields;
mod query;

use std::collections::HashMap;

use admin_api::{ApiError, Deadline, Parameters, SyncResponse, no_such_execution};
use brand::{
    BrandId, BrandReader, BrandRow, ListedBrand, StoreError, SyncReader, Timestamp, UnsyncedFilter,
};
use lambda_http::{Body, Request, Response, tracing};
use serde_json::json;
use telemetry::Metrics;
use tokio::time::timeout;
use tracing::error;

use self::{
    answer::{FollowedList, NumberedList, Single},
    cms::{Activity, CmsAnswer, CmsResponse, UnsyncedBrands},
    executions::ExecutionsQuery,
    fields::{Fields, ShownBrand},
    query::{ListQuery, Paging, RetrieveQuery},
};
pub use self::{
    cms::CmsStatus,
    query::{LIMIT, MAX_LIMIT, MAX_OFFSET},
};

/// The handler, on what is read of brands.
pub struct QueryBrands<B> {
    brands: B,
    cms: CmsStatus,
}

impl<B: BrandReader + SyncReader> QueryBrands<B> {
    /// The handler on that.
    pub const fn new(brands: B, cms: CmsStatus) -> Self {
        Self { brands, cms }
    }

    /// Answers one request.
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
            ["admin", "cms"] => self.cms(request).await,
            ["admin", "cms", "reconciliation"] => self.reconciliation(request).await,
            ["admin", "workflows-executions"] => self.executions(request, metrics).await,
            ["admin", "workflows-executions", ref parts @ ..] if parts.len() <= 2 => {
                self.execution(parts, request, metrics).await
            }
            _ => Ok(admin_api::no_route(request)),
        }
    }

    async fn retrieve(
        &self,
        id: &str,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let RetrieveQuery {
            fields,
            with_deleted,
        } = RetrieveQuery::parse(request)?;
        // An invalid id matches no brand.
        let found = match id.parse::<BrandId>() {
            Ok(id) => self.brands.find(id).await.map_err(unreadable)?,
            Err(_) => None,
        };
        let found = found.filter(|row| with_deleted || row.brand.deleted_at.is_none());
        let Some(row) = found else {
            metrics.add("not_found");
            return Err(ApiError::no_such_brand(id));
        };
        metrics.add("retrieved");
        let brand = shown(&fields, &row, Timestamp::now());
        let answer = admin_api::json(&Single { brand })?;
        Ok(admin_api::tagged(answer, &row.brand))
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
                    brands: self.show(&fields, &page.brands, metrics).await?,
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
                    brands: self.show(&fields, &page.brands, metrics).await?,
                    limit,
                    next: page.next.map(|position| cursor::write(direction, position)),
                })
            }
            Paging::Unsynced { states, after } => {
                let (filter, now) = (UnsyncedFilter { states, search }, Timestamp::now());
                let page = filter.page(&self.brands, after, limit, now).await;
                let page = page.map_err(unreadable)?;
                metrics.add("followed");
                note_unreadable(&page.unreadable, metrics);
                let shown = page.rows.iter().map(|row| shown(&fields, row, now));
                admin_api::json(&FollowedList {
                    brands: shown.collect(),
                    limit,
                    next: page.next.as_ref().map(admin_api::cursor),
                })
            }
        }
    }

    /// The fields of a page's brands. Their rows are read only where it takes them.
    async fn show(
        &self,
        fields: &Fields,
        brands: &[ListedBrand],
        metrics: &mut Metrics,
    ) -> Result<Vec<ShownBrand>, ApiError> {
        let mut syncs = HashMap::new();
        if fields.need_row() {
            let ids: Vec<BrandId> = brands.iter().map(|brand| brand.id).collect();
            let found = self.brands.find_all(&ids).await.map_err(unreadable)?;
            note_unreadable(&found.unreadable, metrics);
            let now = Timestamp::now();
            let known = found.rows.iter();
            syncs.extend(known.map(|row| (row.brand.id, SyncResponse::of(row, now))));
        }
        let shown = brands
            .iter()
            .map(|brand| fields.of(brand, None, syncs.remove(&brand.id)));
        Ok(shown.collect())
    }

    async fn executions(
        &self,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let query = ExecutionsQuery::parse(request)?;
        let (page, unread) = query.page(&self.brands).await.map_err(unreadable)?;
        metrics.add("listed");
        note_unreadable(&unread, metrics);
        admin_api::json(&page)
    }

    async fn execution(
        &self,
        parts: &[&str],
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let id = admin_api::brand_of_execution(parts)?;
        let found = self.brands.find(id).await.map_err(unreadable)?;
        let Some(row) = found else {
            metrics.add("not_found");
            return Err(no_such_execution(&parts.join(":")));
        };
        metrics.add("retrieved");
        admin_api::json(&executions::one(&row, request)?)
    }

    async fn cms(&self, request: &Request) -> Result<Response<Body>, ApiError> {
        let wants_activity = cms::wants_activity(request)?;
        let now = Timestamp::now();
        let activity = async {
            if wants_activity {
                Activity::read(&self.brands, now).await.map(Some)
            } else {
                Ok(None)
            }
        };
        let (status, counts, activity) =
            tokio::join!(self.cms.read(now), self.brands.count_unsynced(), activity);
        let status = status.map_err(|cause| {
            error!(
                error = telemetry::chain(&cause),
                "the circuit could not be read"
            );
            ApiError::Unknown
        })?;
        let counts = counts.map_err(unreadable)?;
        admin_api::json(&CmsAnswer {
            cms: CmsResponse {
                status,
                requests_per_second: self.cms.requests_per_second(),
                brands: UnsyncedBrands {
                    waiting: counts.due,
                    needs_attention: counts.attention,
                },
                activity: activity.map_err(unreadable)?,
            },
        })
    }
}

impl<B> QueryBrands<B> {
    async fn reconciliation(&self, request: &Request) -> Result<Response<Body>, ApiError> {
        Parameters::of(request).finish()?;
        let view = self.cms.reconciliation().await.map_err(|cause| {
            let error = telemetry::chain(&cause);
            error!(error, "the reconciliation could not be read");
            ApiError::Unknown
        })?;
        admin_api::json(&json!({ "reconciliation": view }))
    }
}

/// The fields of the brand in that row.
fn shown(fields: &Fields, row: &BrandRow, now: Timestamp) -> ShownBrand {
    let sync = fields.need_row().then(|| SyncResponse::of(row, now));
    fields.of(&ListedBrand::from(&row.brand), row.brand.deleted_at, sync)
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
