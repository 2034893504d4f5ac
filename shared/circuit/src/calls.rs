//! What processes report of their calls to a service.
//!
//! A process counts its calls by minute and adds them to what others have added, at most once a minute, in one write. It does not report
//! before a minute has passed since it began to count. So a process that ends sooner, or is idle when Lambda ends it, takes its last
//! counts with it: what is read is at most what was made. The exception is a report whose reply was lost: it is repeated, and counts
//! twice.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use workflow::Timestamp;

use crate::CircuitError;

/// How many minutes are kept together.
pub const WINDOW: usize = 10;
/// How long a process counts before it reports, and waits after a report that failed.
const COUNT_FOR: Duration = MINUTE;
const MINUTE: Duration = Duration::from_mins(1);
/// Which minutes are read, and so for how long a count is worth a report.
const KEEP: Duration = Duration::from_hours(1);
/// For how long a window is kept after its end.
const EXPIRY: Duration = Duration::from_hours(24);

/// Calls that were made within some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many.
    pub calls: u64,
    /// How many of them did not succeed, for whatever reason.
    pub errors: u64,
    /// How many of those were beyond the service's limit (429).
    pub limited: u64,
    /// How long all calls took together, in milliseconds.
    pub latency_millis: u64,
}

impl Calls {
    pub(crate) fn add(&mut self, more: Self) {
        self.each(more, u64::saturating_add);
    }

    fn subtract(&mut self, less: Self) {
        self.each(less, u64::saturating_sub);
    }

    fn each(&mut self, other: Self, combine: fn(u64, u64) -> u64) {
        *self = Self {
            calls: combine(self.calls, other.calls),
            errors: combine(self.errors, other.errors),
            limited: combine(self.limited, other.limited),
            latency_millis: combine(self.latency_millis, other.latency_millis),
        };
    }
}

/// A minute, by its number since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u64);

impl Minute {
    /// The minute that a moment is in.
    #[must_use]
    pub const fn of(moment: Timestamp) -> Self {
        Self(moment.as_millis() / 60_000)
    }

    /// When it begins.
    #[must_use]
    pub const fn begins_at(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_mul(60_000))
    }

    /// The window that it is in.
    #[must_use]
    pub const fn window(self) -> TenMinutes {
        TenMinutes(self.0 / WINDOW as u64)
    }
}

/// Ten minutes that are kept together, by their number since the Unix epoch. Shown as when they begin, to the minute:
/// `2026-11-28T18:20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TenMinutes(u64);

impl TenMinutes {
    /// Its minutes, from the first to the last.
    pub fn minutes(self) -> impl Iterator<Item = Minute> {
        let first = self.0.saturating_mul(WINDOW as u64);
        (first..).map(Minute).take(WINDOW)
    }

    /// When nobody reads it any more: a day after its end.
    #[must_use]
    pub fn expires_at(self) -> Timestamp {
        let end = Self(self.0.saturating_add(1));
        end.begins_at().plus(EXPIRY)
    }

    const fn begins_at(self) -> Timestamp {
        Minute(self.0.saturating_mul(WINDOW as u64)).begins_at()
    }
}

impl fmt::Display for TenMinutes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begins_at = self.begins_at().to_string();
        let to_the_minute = begins_at.rsplitn(2, ':').last();
        formatter.write_str(to_the_minute.unwrap_or_default())
    }
}

/// Where reports of calls are kept, by the service's name.
#[async_trait]
pub trait CallStore: Send + Sync {
    /// Adds calls to those of a window, by its minutes from the first to the last. One request. It is not repeatable: where the reply was
    /// lost, a repetition counts twice.
    async fn add(
        &self,
        service: &str,
        window: TenMinutes,
        counted: &[Calls; WINDOW],
    ) -> Result<(), CircuitError>;

    /// What was added to those windows so far, up to ten of them; those that have nothing may be missing. One request.
    async fn read(
        &self,
        service: &str,
        windows: &[TenMinutes],
    ) -> Result<BTreeMap<TenMinutes, [Calls; WINDOW]>, CircuitError>;
}

/// The minutes of the last hour, the current one included, that have calls. One request.
pub async fn last_hour(
    store: &dyn CallStore,
    service: &str,
    now: Timestamp,
) -> Result<Vec<(Minute, Calls)>, CircuitError> {
    let (first, last) = (Minute::of(now.minus(KEEP).plus(MINUTE)), Minute::of(now));
    let windows: Vec<TenMinutes> = (first.window().0..=last.window().0)
        .map(TenMinutes)
        .collect();
    let read = store.read(service, &windows).await?;
    let minutes = read
        .into_iter()
        .flat_map(|(window, calls)| window.minutes().zip(calls));
    Ok(minutes
        .filter(|(minute, calls)| (first..=last).contains(minute) && *calls != Calls::default())
        .collect())
}

/// What a process counts of its calls to a service, and reports.
pub struct CallReports {
    store: Arc<dyn CallStore>,
    service: Arc<str>,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    /// What is not reported yet.
    minutes: BTreeMap<Minute, Calls>,
    /// When it began, or when it was last tried to report it.
    since: Option<Timestamp>,
}

impl Counted {
    /// Whether a report is due. If so, the next one is due a minute later.
    fn take_turn(&mut self, now: Timestamp) -> bool {
        self.keep(|minute, _| is_kept(*minute, now));
        // Also where a wrong clock, which has been set right since, put that moment ahead.
        let is_due = |since: Timestamp| since.until(now) >= COUNT_FOR || since > now;
        let is_due = self.since.is_some_and(is_due);
        if is_due {
            self.since = Some(now);
        }
        is_due
    }

    /// What to report, by window.
    fn windows(&self) -> BTreeMap<TenMinutes, [Calls; WINDOW]> {
        let windows = self.minutes.keys().map(|minute| minute.window());
        let counted = |minute| self.minutes.get(&minute).copied().unwrap_or_default();
        windows
            .map(|window| {
                let mut calls = [Calls::default(); WINDOW];
                for (place, minute) in calls.iter_mut().zip(window.minutes()) {
                    *place = counted(minute);
                }
                (window, calls)
            })
            .collect()
    }

    /// What was counted meanwhile stays.
    fn reported(&mut self, window: TenMinutes, reported: &[Calls; WINDOW]) {
        for (minute, calls) in window.minutes().zip(reported) {
            if let Some(counted) = self.minutes.get_mut(&minute) {
                counted.subtract(*calls);
            }
        }
        self.keep(|_, calls| calls.calls > 0);
    }

    fn keep(&mut self, is_kept: impl Fn(&Minute, &mut Calls) -> bool) {
        self.minutes.retain(is_kept);
        if self.minutes.is_empty() {
            self.since = None;
        }
    }
}

impl CallReports {
    /// Nothing counted yet of the calls to that service.
    #[must_use]
    pub fn new(store: Arc<dyn CallStore>, service: impl Into<Arc<str>>) -> Self {
        Self {
            store,
            service: service.into(),
            counted: Mutex::default(),
        }
    }

    /// Counts calls in the current minute.
    pub fn count(&self, calls: Calls, now: Timestamp) {
        if calls.calls == 0 {
            return;
        }
        let mut counted = self.counted();
        counted.since.get_or_insert(now);
        counted
            .minutes
            .entry(Minute::of(now))
            .or_default()
            .add(calls);
    }

    /// Reports what was counted, if that is due. No request if it is not, else one; two where ten minutes end in between. What could not be
    /// reported, also because this future was dropped, is kept for the next report, for an hour at most.
    pub async fn report(&self, now: Timestamp) -> Result<(), CircuitError> {
        let windows = {
            let mut counted = self.counted();
            if !counted.take_turn(now) {
                return Ok(());
            }
            counted.windows()
        };
        for (window, calls) in windows {
            self.store.add(&self.service, window, &calls).await?;
            self.counted().reported(window, &calls);
        }
        Ok(())
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a minute is at most an hour away. A wrong clock wrote one that is further ahead.
fn is_kept(minute: Minute, now: Timestamp) -> bool {
    let at = minute.begins_at();
    at.until(now) <= KEEP && now.until(at) <= KEEP
}

#[cfg(test)]
mod tests;
