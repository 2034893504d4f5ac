#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use workflow::Timestamp;

use super::{CallReports, CallStore, Calls, Minute, TenMinutes, WINDOW, last_hour};
use crate::{CircuitError, MemoryCircuitStore};

/// Half a minute before a window ends.
const START: Timestamp = Timestamp::from_millis(1_795_427_370_000);

const TWO: Calls = Calls {
    calls: 2,
    errors: 1,
    limited: 0,
    latency_millis: 100,
};

fn later(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

/// A store that counts requests, and may be away or never answer.
#[derive(Clone, Default)]
struct Store {
    calls: MemoryCircuitStore,
    requests: Arc<AtomicUsize>,
    is_away: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

#[async_trait]
impl CallStore for Store {
    async fn add(
        &self,
        service: &str,
        window: TenMinutes,
        counted: &[Calls; WINDOW],
    ) -> Result<(), CircuitError> {
        self.requests.fetch_add(1, Relaxed);
        if self.hangs.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.is_away.load(SeqCst) {
            return Err(CircuitError::Unavailable(Arc::new(std::fmt::Error)));
        }
        self.calls.add(service, window, counted).await
    }

    async fn read(
        &self,
        service: &str,
        windows: &[TenMinutes],
    ) -> Result<BTreeMap<TenMinutes, [Calls; WINDOW]>, CircuitError> {
        self.calls.read(service, windows).await
    }
}

impl Store {
    fn process(&self) -> CallReports {
        CallReports::new(Arc::new(self.clone()), "cms")
    }

    fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }

    /// How many calls each minute of the last hour has, by when it begins.
    async fn calls(&self, now: Timestamp) -> Vec<(Timestamp, u64)> {
        let hour = last_hour(self, "cms", now).await.unwrap();
        hour.into_iter()
            .map(|(minute, calls)| (minute.begins_at(), calls.calls))
            .collect()
    }
}

fn minute(seconds: u64) -> Timestamp {
    Minute::of(later(seconds)).begins_at()
}

#[test]
fn a_window_is_named_by_when_it_begins_and_kept_for_a_day() {
    let window = Minute::of(START).window();
    assert_eq!(window.to_string(), "2026-11-23T09:40");
    assert_eq!(window.expires_at().to_string(), "2026-11-24T09:50:00.000Z");
    assert_eq!(
        Minute::of(later(30)).window().to_string(),
        "2026-11-23T09:50"
    );
    assert!(window.minutes().all(|minute| minute.window() == window));
}

#[test]
fn no_moment_is_too_far_away() {
    let last = Minute::of(Timestamp::from_millis(u64::MAX));
    assert!(!last.window().to_string().is_empty());
    assert_eq!(last.window().minutes().count(), WINDOW);
    assert!(last.begins_at() <= last.window().expires_at());
}

#[tokio::test]
async fn a_process_reports_once_a_minute_and_not_in_its_first_one() {
    let store = Store::default();
    let process = store.process();
    for second in 0..60 {
        process.count(TWO, later(second));
        process.report(later(second)).await.unwrap();
    }
    assert_eq!(store.requests(), 0);
    process.count(TWO, later(60));
    process.report(later(60)).await.unwrap();
    // The window ended at half a minute.
    assert_eq!(store.requests(), 2);
    assert_eq!(
        store.calls(later(60)).await,
        [(minute(0), 60), (minute(30), 62)]
    );
    for second in 61..121 {
        process.count(TWO, later(second));
        process.report(later(second)).await.unwrap();
    }
    assert_eq!(store.requests(), 2);
    process.report(later(121)).await.unwrap();
    assert_eq!(store.requests(), 3);
    let calls = store.calls(later(121)).await;
    assert_eq!(
        calls,
        [(minute(0), 60), (minute(30), 120), (minute(90), 62)]
    );
}

#[tokio::test]
async fn a_process_without_calls_reports_nothing() {
    let store = Store::default();
    let process = store.process();
    for second in 0..300 {
        process.count(Calls::default(), later(second));
        process.report(later(second)).await.unwrap();
    }
    assert_eq!(store.requests(), 0);
}

#[tokio::test]
async fn what_could_not_be_reported_is_reported_a_minute_later() {
    let store = Store::default();
    let process = store.process();
    process.count(TWO, START);
    store.is_away.store(true, SeqCst);
    assert!(process.report(later(60)).await.is_err());
    store.is_away.store(false, SeqCst);
    store.hangs.store(true, SeqCst);
    process.count(TWO, later(120));
    // Dropped, as by the handler when it takes too long.
    assert_eq!(process.report(later(120)).now_or_never().map(|_| ()), None);
    store.hangs.store(false, SeqCst);
    process.report(later(179)).await.unwrap();
    assert_eq!(store.requests(), 2, "not before a minute has passed");
    process.report(later(180)).await.unwrap();
    assert_eq!(
        store.calls(later(180)).await,
        [(minute(0), 2), (minute(120), 2)]
    );
    process.report(later(600)).await.unwrap();
    assert_eq!(store.requests(), 4, "and then there is nothing left");
}

#[tokio::test]
async fn a_count_that_nobody_would_read_is_dropped() {
    let store = Store::default();
    let process = store.process();
    process.count(TWO, START);
    process.count(TWO, later(3_700));
    process.report(later(3_700)).await.unwrap();
    assert_eq!(store.requests(), 1);
    assert_eq!(store.calls(later(3_700)).await, [(minute(3_700), 2)]);
}

#[tokio::test]
async fn a_clock_that_was_ahead_keeps_no_report_back() {
    let store = Store::default();
    let process = store.process();
    process.count(TWO, START.plus(Duration::from_hours(9_000)));
    process.count(TWO, START);
    process.report(START).await.unwrap();
    assert_eq!(store.calls(START).await, [(minute(0), 2)]);
}

#[tokio::test]
async fn processes_add_up() {
    let store = Store::default();
    let (one, other) = (store.process(), store.process());
    for process in [&one, &other] {
        process.count(TWO, START);
        process.report(later(60)).await.unwrap();
    }
    let hour = last_hour(&store, "cms", later(60)).await.unwrap();
    let [(_, calls)] = hour[..] else {
        panic!("{hour:?}")
    };
    let expected = Calls {
        calls: 4,
        errors: 2,
        limited: 0,
        latency_millis: 200,
    };
    assert_eq!(calls, expected);
}
