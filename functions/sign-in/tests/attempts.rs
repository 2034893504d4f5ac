//! Attempts counted in memory, and waiting for those in flight.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod contract;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use contract::Contract;
use sign_in::attempts::{
    Attempt, Attempts, AttemptsError, Begun, Count, Limiter, MemoryAttempts,
    PER_ADDRESS_AND_ACCOUNT,
};
use tokio::time::{Instant, sleep};
use users::Email;

/// The begin of a window.
fn window() -> SystemTime {
    UNIX_EPOCH + Duration::from_mins(29_923_785)
}

#[tokio::test]
async fn attempts_in_memory_keep_the_contract() {
    let limiter = Limiter::new(MemoryAttempts::new());
    let window = window();
    Contract { limiter, window }.check().await;
}

/// Counts the requests to begin.
#[derive(Clone, Default)]
struct Requests {
    attempts: MemoryAttempts,
    begun: Arc<AtomicU32>,
}

impl Attempts for Requests {
    async fn begin(&self, count: &Count) -> Result<Begun, AttemptsError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.attempts.begin(count).await
    }

    async fn give_back(&self, count: &Count) -> Result<(), AttemptsError> {
        self.attempts.give_back(count).await
    }

    async fn fail(&self, count: &Count) -> Result<(), AttemptsError> {
        self.attempts.fail(count).await
    }
}

const PATIENCE: Duration = Duration::from_secs(2);

fn attempt() -> Attempt {
    let email = Email::parse("admin@example.com").unwrap();
    Attempt::of(Some("203.0.113.7"), Some(&email), window())
}

/// A limiter with as many attempts in flight as the limit allows.
async fn full() -> (Limiter<Requests>, Arc<AtomicU32>) {
    let requests = Requests::default();
    let begun = Arc::clone(&requests.begun);
    let limiter = Limiter::new(requests);
    for _ in 0..PER_ADDRESS_AND_ACCOUNT {
        let allowed = limiter.begin(&attempt(), PATIENCE).await.unwrap();
        assert_eq!(allowed, Begun::Allowed);
    }
    assert_eq!(
        begun.swap(0, Ordering::SeqCst),
        2 * PER_ADDRESS_AND_ACCOUNT,
        "requests to begin"
    );
    (limiter, begun)
}

#[tokio::test(start_paused = true)]
async fn an_attempt_waits_until_one_in_flight_has_succeeded() {
    let (limiter, _) = full().await;
    let (one, start) = (attempt(), Instant::now());
    let freed = async {
        sleep(Duration::from_millis(700)).await;
        limiter.give_back(&attempt()).await.unwrap();
    };
    let (begun, ()) = tokio::join!(limiter.begin(&one, PATIENCE), freed);
    assert_eq!(begun.unwrap(), Begun::Allowed);
    let waited = start.elapsed().as_millis();
    assert!((700..=1101).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_stops_waiting_when_those_in_flight_have_failed() {
    let (limiter, _) = full().await;
    let (one, start) = (attempt(), Instant::now());
    let failed = async {
        sleep(Duration::from_millis(700)).await;
        for _ in 0..PER_ADDRESS_AND_ACCOUNT {
            limiter.fail(&attempt()).await.unwrap();
        }
    };
    let (begun, ()) = tokio::join!(limiter.begin(&one, PATIENCE), failed);
    assert_eq!(begun.unwrap(), Begun::TooMany);
    let waited = start.elapsed().as_millis();
    assert!((700..=1101).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_waits_no_longer_than_it_may_and_asks_a_few_times() {
    let (limiter, begun) = full().await;
    for patience in [PATIENCE, Duration::from_millis(300), Duration::ZERO] {
        let start = Instant::now();
        let busy = limiter.begin(&attempt(), patience).await.unwrap();
        assert_eq!(busy, Begun::Busy);
        let waited = start.elapsed();
        assert!(waited <= patience, "{waited:?} of {patience:?}");
        assert!(waited >= patience.saturating_sub(Duration::from_millis(400)));
        let asked = begun.swap(0, Ordering::SeqCst);
        assert!((1..=13).contains(&asked), "{asked} requests");
    }
}
