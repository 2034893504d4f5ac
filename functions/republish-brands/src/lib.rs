//! Announces again what is still to be synced: the recovery of lost events.
//!
//! A brand is stored and announced by two requests, and whoever makes them may die in between, or the second may fail. The
//! brand's row tells that it is to be synced; this function reads those rows, and announces what has waited too long. An
//! event that is announced although the first one was not lost has no further effect.

use std::time::{Duration, SystemTime};

use brand::{Brand, BrandEvents, BrandStore, BrandVersion, Timestamp};
use futures::{StreamExt, future::join_all, stream};
use serde::Serialize;
use telemetry::{Metrics, Trace, Unit};
use thiserror::Error;
use tracing::{Instrument, error, info, info_span, warn};

/// The longest wait between two announcements of a brand.
const MAX_WAIT: Duration = Duration::from_hours(1);
/// How many brands are announced before it is looked at the time again.
const CHUNK: usize = 100;
/// How many rows are written to at once.
const AT_ONCE: usize = 20;
/// What is kept of an invocation's time for a chunk.
const FOR_A_CHUNK: Duration = Duration::from_secs(10);

/// How much an invocation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Brands that are to be synced for less than this are left: their event is likely to be on its way. A brand is
    /// announced again after this, then after twice as long in all, and so on, up to once an hour.
    pub age: Duration,
    /// The most brands that an invocation announces; the next one goes on with those that wait longest.
    pub brands: u16,
}

/// What an invocation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many brands were announced.
    pub republished: usize,
    /// How many could not be. The next invocation tries again.
    pub failed: usize,
    /// How many rows could not be read.
    pub unreadable: usize,
    /// For how many seconds the oldest of all that were found is to be synced; none where none was. A brand that stays unsynced
    /// is found at least once an hour.
    pub oldest_unsynced_age: Option<u64>,
}

impl Report {
    fn tell(&self, unread_shards: usize) {
        let mut metrics = Metrics::new();
        metrics.add_many("republished", self.republished);
        metrics.add_many("republish_failed", self.failed);
        metrics.add_many("unreadable", self.unreadable + unread_shards);
        let Self {
            republished,
            failed,
            unreadable,
            oldest_unsynced_age,
        } = *self;
        if let Some(age) = oldest_unsynced_age {
            let age = Duration::from_secs(age).as_secs_f64();
            metrics.measure("oldest_unsynced_age", Unit::Seconds, &[age]);
        }
        metrics.emit("republish-brands");
        if republished + failed + unreadable > 0 {
            info!(
                republished,
                failed, unreadable, oldest_unsynced_age, "brands republished"
            );
        }
    }
}

/// Some brands could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0} of the shards of brands that are to be synced could not be read")]
pub struct UnreadShards(usize);

/// The handler, on a store of brands and a way to announce them.
#[derive(Debug)]
pub struct RepublishBrands<S, E> {
    brands: S,
    events: E,
    limits: Limits,
}

impl<S: BrandStore, E: BrandEvents> RepublishBrands<S, E> {
    /// The handler on those.
    pub const fn new(brands: S, events: E, limits: Limits) -> Self {
        Self {
            brands,
            events,
            limits,
        }
    }

    /// Announces what has waited too long. `deadline` is when the invocation ends, in milliseconds since the Unix epoch.
    /// It fails if not all shards could be read, and has done what it could by then. What is announced is so in that trace.
    pub async fn handle(
        &self,
        trace: &Trace,
        deadline: Option<u64>,
    ) -> Result<Report, UnreadShards> {
        let span = info_span!("sweep", trace_id = trace.id());
        trace.continue_in(&span);
        self.sweep(trace, deadline).instrument(span).await
    }

    async fn sweep(&self, trace: &Trace, deadline: Option<u64>) -> Result<Report, UnreadShards> {
        let mut report = Report::default();
        let now = Timestamp::now();
        let (brands, unread) = self.waiting(now, &mut report).await;
        for chunk in brands.chunks(CHUNK) {
            let left = deadline.and_then(|millis| aws::time_left(millis, SystemTime::now()));
            if left.is_some_and(|left| left < FOR_A_CHUNK) {
                warn!("no time is left; the next invocation goes on");
                break;
            }
            self.announce(chunk, now, trace, &mut report).await;
        }
        report.tell(unread);
        if unread == 0 {
            Ok(report)
        } else {
            Err(UnreadShards(unread))
        }
    }

    /// The brands that have waited too long, and how many shards could not be read.
    async fn waiting(&self, now: Timestamp, report: &mut Report) -> (Vec<Brand>, usize) {
        let by = now.minus(self.limits.age);
        let of_each = self.limits.brands.div_ceil(S::SHARDS.max(1).into());
        let shards = (0..S::SHARDS).map(|shard| self.brands.to_announce(shard, by, of_each));
        let (mut brands, mut unread) = (Vec::new(), 0);
        for shard in join_all(shards).await {
            let found = shard.unwrap_or_else(|cause| {
                error!(
                    error = telemetry::chain(&cause),
                    "a shard could not be read"
                );
                unread += 1;
                Vec::new()
            });
            for brand in found {
                match brand {
                    Ok(brand) => brands.push(brand),
                    Err(cause) => {
                        error!(error = telemetry::chain(&cause), "a row could not be read");
                        report.unreadable += 1;
                    }
                }
            }
        }
        let since = brands.iter().map(|brand| brand.updated_at).min();
        report.oldest_unsynced_age = since.map(|since| now.since(since).as_secs());
        brands.truncate(self.limits.brands.into());
        (brands, unread)
    }

    /// Announces some brands, and keeps those that are announced from being so again too soon. If this process dies in
    /// between, they are, which does no harm.
    async fn announce(&self, brands: &[Brand], now: Timestamp, trace: &Trace, report: &mut Report) {
        let sent = self.events.announce_all(brands, trace).await;
        let mut announced = Vec::with_capacity(brands.len());
        for (brand, sent) in brands.iter().zip(sent) {
            match sent {
                Ok(()) => announced.push(brand),
                Err(cause) => {
                    warn!(brand.id = %brand.id, error = telemetry::chain(&cause), "republish_failed");
                    report.failed += 1;
                }
            }
        }
        report.republished += announced.len();
        stream::iter(announced)
            .for_each_concurrent(AT_ONCE, async |brand: &Brand| {
                let version = BrandVersion::of(brand);
                let again = self.again(brand, now);
                if let Err(cause) = self.brands.announced(version, again).await {
                    warn!(brand.id = %brand.id, error = telemetry::chain(&cause), "it will be announced once more");
                }
            })
            .await;
    }

    /// Before when the brand need not be looked at again: so that what waits behind a long queue is not announced at
    /// every turn, its waits double.
    fn again(&self, brand: &Brand, now: Timestamp) -> Timestamp {
        let waited = now.since(brand.updated_at).min(MAX_WAIT);
        now.plus(waited.saturating_sub(self.limits.age))
    }
}
