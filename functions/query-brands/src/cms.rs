//! GET /admin/cms: how it stands with the CMS.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use admin_api::{ApiError, Parameters};
use brand::{
    BrandId, BrandReader, CMS_SUBSCRIBER, Direction, Indexes, Place, Position, SHARDS, Search,
    SparseIndex, StoreError, SyncReader, Timestamp,
};
use circuit::{
    CallStore, CircuitBreaker, CircuitConfig, CircuitError, CircuitStore, ServiceStatus,
};
use lambda_http::Request;
use reconcile::{ReconciliationError, ReconciliationView, Reconciliations};
use serde::Serialize;

/// The most brands of an hour that are looked at, and the most that are not synced.
const MOST: u16 = 10_000;
const MINUTE: u64 = 60_000;
const HOUR: Duration = Duration::from_hours(1);

/// What is known of the CMS beside brands.
pub struct CmsStatus {
    breaker: CircuitBreaker,
    calls: Arc<dyn CallStore>,
    reconciliations: Arc<dyn Reconciliations>,
    requests_per_second: Option<f64>,
}

impl CmsStatus {
    /// The circuit in that store, the calls that are reported in it, the reconciliations, and the rate that is set for the CMS, where
    /// one is.
    pub fn new<C: CircuitStore + CallStore + 'static>(
        circuits: Arc<C>,
        reconciliations: Arc<dyn Reconciliations>,
        requests_per_second: Option<f64>,
    ) -> Self {
        // Reading it takes no settings.
        let config = CircuitConfig::default();
        Self {
            breaker: CircuitBreaker::new(circuits.clone(), CMS_SUBSCRIBER, config),
            calls: circuits,
            reconciliations,
            requests_per_second,
        }
    }

    pub(crate) async fn read(&self, now: Timestamp) -> Result<ServiceStatus, CircuitError> {
        let now = workflow::Timestamp::from_millis(now.as_millis());
        ServiceStatus::read(&self.breaker, &*self.calls, now).await
    }

    pub(crate) async fn reconciliation(&self) -> Result<ReconciliationView, ReconciliationError> {
        ReconciliationView::read(&*self.reconciliations).await
    }

    pub(crate) const fn requests_per_second(&self) -> Option<f64> {
        self.requests_per_second
    }
}

/// The answer.
#[derive(Serialize)]
pub(crate) struct CmsAnswer {
    pub(crate) cms: CmsResponse,
}

/// How it stands with the CMS.
#[derive(Serialize)]
pub(crate) struct CmsResponse {
    #[serde(flatten)]
    pub(crate) status: ServiceStatus,
    /// The rate limit, in requests a second; null if there is no limit.
    pub(crate) requests_per_second: Option<f64>,
    pub(crate) brands: UnsyncedBrands,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) activity: Option<Activity>,
}

/// How many brands are not synced.
#[derive(Serialize)]
pub(crate) struct UnsyncedBrands {
    pub(crate) waiting: u64,
    pub(crate) needs_attention: u64,
}

/// The brands created in the last hour.
#[derive(Serialize)]
pub(crate) struct Activity {
    minutes: Vec<ActivityMinute>,
    /// Whether all of them are counted.
    complete: bool,
}

/// The brands created in a minute, by the state that they are in now.
#[derive(Clone, Copy, Default)]
struct Tally {
    synced: u32,
    waiting: u32,
    needs_attention: u32,
}

#[derive(Serialize)]
struct ActivityMinute {
    /// When it begins: RFC 3339 in UTC, with milliseconds.
    minute: String,
    created: u32,
    synced: u32,
    waiting: u32,
    needs_attention: u32,
}

/// Whether the query asks for the activity.
pub(crate) fn wants_activity(request: &Request) -> Result<bool, ApiError> {
    let mut parameters = Parameters::of(request);
    let fields = parameters.text("fields");
    parameters.finish()?;
    match fields.as_deref() {
        None | Some("") => Ok(false),
        // The plus arrives as a space where it is not encoded.
        Some("+activity" | " activity" | "activity") => Ok(true),
        Some(other) => {
            let other = other.trim_start_matches(['+', ' ', '-', '*']);
            let other = admin_api::shown(other);
            Err(ApiError::InvalidData(format!(
                "Requested fields [{other}] are not valid"
            )))
        }
    }
}

impl Activity {
    /// The brands that were created in the current minute and in the 59 before it, counted in the indexes: what is not in a sparse
    /// one is synced. It costs what was created in that hour, and what is not synced.
    pub(crate) async fn read<B: BrandReader + SyncReader>(
        brands: &B,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let begins = now.as_millis() / MINUTE * MINUTE;
        let first = Timestamp::from_millis((begins + MINUTE).saturating_sub(millis(HOUR)));
        let before = Position {
            created_at: Timestamp::from_millis(first.as_millis().saturating_sub(1)),
            id: BrandId::new(first),
        };
        let all = Search::all();
        let (due, attention, created) = futures::try_join!(
            ids(brands, SparseIndex::Due),
            ids(brands, SparseIndex::Attention),
            brands.list_after(&all, Direction::Ascending, Some(before), MOST),
        )?;
        let mut tallies = [Tally::default(); 60];
        for brand in &created.brands {
            // Of the moment before the hour, or of a clock that is ahead.
            let since = brand.created_at.as_millis().checked_sub(first.as_millis());
            let minute = since.and_then(|millis| usize::try_from(millis / MINUTE).ok());
            let Some(tally) = minute.and_then(|minute| tallies.get_mut(minute)) else {
                continue;
            };
            let count = match (attention.has(brand.id), due.has(brand.id)) {
                (Some(true), _) => &mut tally.needs_attention,
                (_, Some(true)) => &mut tally.waiting,
                (Some(false), Some(false)) => &mut tally.synced,
                // Its shard was not read to the end: whether it is synced is not known.
                _ => continue,
            };
            *count += 1;
        }
        let minutes = (0..).zip(tallies).map(|(number, tally)| {
            let minute = first.plus(Duration::from_millis(number * MINUTE));
            let Tally {
                synced,
                waiting,
                needs_attention,
            } = tally;
            ActivityMinute {
                minute: minute.to_string(),
                created: synced + waiting + needs_attention,
                synced,
                waiting,
                needs_attention,
            }
        });
        Ok(Self {
            minutes: minutes.collect(),
            complete: created.next.is_none() && due.is_all() && attention.is_all(),
        })
    }
}

/// The brands in an index, as far as it was read.
struct Found {
    ids: BTreeSet<BrandId>,
    /// Where the reading ended; none where these are all.
    next: Option<Place>,
}

impl Found {
    const fn is_all(&self) -> bool {
        self.next.is_none()
    }

    /// Whether the brand is in the index; none where its shard was not read to the end.
    fn has(&self, id: BrandId) -> Option<bool> {
        let is_read = |next: &Place| id.shard(SHARDS) < next.shard;
        let is_known = self.next.as_ref().is_none_or(is_read);
        let is_found = self.ids.contains(&id);
        (is_found || is_known).then_some(is_found)
    }
}

async fn ids<S: SyncReader>(brands: &S, index: SparseIndex) -> Result<Found, StoreError> {
    let indexes = Indexes {
        due: index == SparseIndex::Due,
        attention: index == SparseIndex::Attention,
    };
    let page = brands.unsynced(indexes, None, MOST).await?;
    Ok(Found {
        ids: page.ids.into_iter().collect(),
        next: page.next,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use brand::{BrandId, Place, SHARDS, SparseIndex, Timestamp};

    use super::Found;

    #[test]
    fn a_brand_of_a_shard_that_was_not_read_to_the_end_is_not_taken_for_synced() {
        let at = Timestamp::from_millis(1_795_427_107_966);
        let ids: Vec<BrandId> = (0..1_000).map(|_| BrandId::new(at)).collect();
        let of = |shard| ids.iter().filter(move |id| id.shard(SHARDS) == shard);
        let mut cut = of(3).copied();
        let (Some(early), Some(late), Some(listed)) = (of(2).next(), cut.next(), cut.next()) else {
            return;
        };
        let early = *early;
        let mut found = Found {
            ids: BTreeSet::from([listed]),
            next: Some(Place {
                index: SparseIndex::Due,
                shard: 3,
                at: at.to_string(),
                id: listed,
            }),
        };
        let known = [early, late, listed].map(|id| found.has(id));
        assert_eq!(known, [Some(false), None, Some(true)]);
        found.next = None;
        assert_eq!(found.has(late), Some(false));
    }
}
