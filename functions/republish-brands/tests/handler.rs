//! The sweep, on everything in memory, with a clock that stands still while there is something to do.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use brand::{
    Brand, BrandId, BrandName, BrandRow, CMS_SUBSCRIBER, EventError, MemoryBrandStore, Reminders,
    SyncDue, Timestamp,
};
use circuit::{
    CircuitBreaker, CircuitConfig, CircuitGate, Failure, MemoryCircuitStore, ProbeToken,
};
use futures::{FutureExt, future::BoxFuture};
use republish_brands::{Limits, Report, RepublishBrands};
use telemetry::Trace;
use tokio::time::{Instant, sleep};
use workflow::Environment;

const MINUTE: Duration = Duration::from_mins(1);

struct Clock(Instant);

impl Environment for Clock {
    fn now(&self) -> workflow::Timestamp {
        let elapsed = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        workflow::Timestamp::from_millis(1_790_000_000_000 + elapsed)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        sleep(duration).boxed()
    }

    fn random(&self) -> u64 {
        7
    }
}

/// A queue that takes all reminders but those of brands that it refuses.
#[derive(Clone, Default)]
struct Queue {
    refused: Arc<Mutex<BTreeSet<BrandId>>>,
    sent: Arc<Mutex<Vec<SyncDue>>>,
    waiting: u32,
}

impl Reminders for Queue {
    async fn remind(
        &self,
        due: &[SyncDue],
        _: Timestamp,
        _: &Trace,
    ) -> Vec<Result<(), EventError>> {
        let send = |due: &SyncDue| {
            let refused = self.refused.lock().unwrap();
            if due.id.is_some_and(|id| refused.contains(&id)) {
                return Err(EventError(Arc::new(std::io::Error::other("refused"))));
            }
            self.sent.lock().unwrap().push(due.clone());
            Ok(())
        };
        due.iter().map(send).collect()
    }

    async fn waiting(&self) -> Result<u32, EventError> {
        Ok(self.waiting)
    }
}

fn away<'a>(key: &'a str, probe: Option<&'a ProbeToken>) -> Failure<'a> {
    Failure {
        key: Some(key),
        cause: "away",
        retry_after: None,
        probe,
    }
}

struct World {
    rows: MemoryBrandStore,
    queue: Queue,
    breaker: CircuitBreaker,
    clock: Arc<Clock>,
    limit: u16,
}

impl World {
    fn new() -> Self {
        let circuits = Arc::new(MemoryCircuitStore::new());
        Self {
            rows: MemoryBrandStore::new(),
            queue: Queue::default(),
            breaker: CircuitBreaker::new(circuits, CMS_SUBSCRIBER, CircuitConfig::default()),
            clock: Arc::new(Clock(Instant::now())),
            limit: 100,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now().as_millis())
    }

    /// A brand whose row is due at that moment.
    fn due(&self, due_at: Timestamp) -> BrandId {
        let brand = Brand::new(BrandName::parse("Acme").unwrap(), due_at);
        let id = brand.id;
        self.rows.put(BrandRow::from(brand));
        id
    }

    async fn sweep(&self) -> Report {
        self.sweep_until(None).await
    }

    async fn sweep_until(&self, deadline: Option<u64>) -> Report {
        let limits = Limits {
            first_wait: MINUTE,
            rows: self.limit,
        };
        let handler = RepublishBrands::new(
            self.rows.clone(),
            self.queue.clone(),
            self.breaker.clone(),
            self.clock.clone(),
            limits,
        );
        let trace = Trace::of_request(None, None);
        handler.handle(&trace, deadline).await.unwrap()
    }

    /// What was sent since it was looked at before.
    fn sent(&self) -> Vec<SyncDue> {
        std::mem::take(&mut *self.queue.sent.lock().unwrap())
    }

    fn sent_ids(&self) -> Vec<BrandId> {
        self.sent().into_iter().filter_map(|due| due.id).collect()
    }

    /// Five brands fail.
    async fn open_the_circuit(&self) {
        let gate = CircuitGate::new(self.breaker.clone());
        for brand in 0..5 {
            gate.failed(away(&brand.to_string(), None), self.clock.now())
                .await;
        }
        assert!(self.breaker.load().await.unwrap().is_open());
    }
}

#[tokio::test(start_paused = true)]
async fn only_rows_that_are_due_are_reminded_of() {
    let world = World::new();
    let due = world.due(world.now());
    world.due(world.now().plus(MINUTE / 2));
    let report = world.sweep().await;
    assert_eq!(report.notified, 1);
    let reminder = SyncDue {
        id: Some(due),
        probe: None,
    };
    assert_eq!(world.sent(), [reminder]);
}

#[tokio::test(start_paused = true)]
async fn the_waits_between_reminders_of_a_row_double_up_to_an_hour() {
    let world = World::new();
    let begun = world.now();
    world.due(begun);
    let mut reminded_at = Vec::new();
    for _ in 0..6 * 60 {
        world.sweep().await;
        if !world.sent().is_empty() {
            reminded_at.push(world.now().since(begun).as_secs() / 60);
        }
        sleep(MINUTE).await;
    }
    assert_eq!(reminded_at, [0, 1, 2, 4, 8, 16, 32, 64, 124, 184, 244, 304]);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_row_that_is_due_longest_is_reported() {
    let world = World::new();
    world.due(world.now());
    for minutes in [0, 1, 2] {
        assert_eq!(world.sweep().await.oldest_due_age, minutes * 60);
        sleep(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_an_invocation_takes_are_reminded_of_by_the_next_ones() {
    let mut world = World::new();
    world.limit = 10;
    let all: BTreeSet<BrandId> = (0..50).map(|_| world.due(world.now())).collect();
    let mut seen = BTreeSet::new();
    let mut sweeps = 0;
    while seen.len() < all.len() {
        let report = world.sweep().await;
        assert!((1..=10).contains(&report.notified), "{report:?}");
        seen.extend(world.sent_ids());
        sweeps += 1;
    }
    assert_eq!(seen, all);
    assert!(sweeps >= 5);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_holds_enough_work_gets_no_reminders() {
    let mut world = World::new();
    world.due(world.now());
    world.queue.waiting = 100;
    assert_eq!(world.sweep().await.notified, 0);
    world.queue.waiting = 99;
    assert_eq!(world.sweep().await.notified, 1);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_could_not_be_sent_is_sent_by_the_next_sweep_and_holds_up_no_other() {
    let world = World::new();
    let (good, bad) = (world.due(world.now()), world.due(world.now()));
    world.queue.refused.lock().unwrap().insert(bad);
    let report = world.sweep().await;
    assert_eq!((report.notified, report.notify_failed), (1, 1));
    assert_eq!(world.sent_ids(), [good]);
    world.queue.refused.lock().unwrap().clear();
    world.sweep().await;
    assert_eq!(world.sent_ids(), [bad]);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_whose_time_is_over_leaves_all_to_the_next() {
    let world = World::new();
    world.due(world.now());
    sleep(MINUTE).await;
    let deadline = Some(world.clock.now().as_millis());
    let report = world.sweep_until(deadline).await;
    assert_eq!((report.notified, report.oldest_due_age), (0, 60));
    assert_eq!(world.sent(), []);
}

#[tokio::test(start_paused = true)]
async fn while_the_circuit_is_open_one_row_at_a_time_is_a_probe() {
    let world = World::new();
    let ids: BTreeSet<BrandId> = (0..3).map(|_| world.due(world.now())).collect();
    world.open_the_circuit().await;
    let report = world.sweep().await;
    assert_eq!((report.notified, report.circuit_open_age), (0, Some(0)));
    sleep(MINUTE).await;
    let mut probed = BTreeSet::new();
    for _ in 0..3 {
        let report = world.sweep().await;
        assert_eq!(report.notified, 1);
        let sent = world.sent();
        assert!(sent.iter().all(|due| due.probe.is_some()));
        probed.extend(sent.into_iter().filter_map(|due| due.id));
        // No verdict comes: it is tried again a minute later, with another row.
        sleep(MINUTE).await;
    }
    assert_eq!(probed, ids);
}

#[tokio::test(start_paused = true)]
async fn once_the_probe_is_answered_the_rest_follows_in_the_same_sweep() {
    let world = World::new();
    for _ in 0..3 {
        world.due(world.now());
    }
    world.open_the_circuit().await;
    sleep(MINUTE).await;
    let worker = async {
        sleep(Duration::from_secs(2)).await;
        let sent = world.queue.sent.lock().unwrap().clone();
        let token = ProbeToken::new(sent[0].probe.clone().unwrap());
        let gate = CircuitGate::new(world.breaker.clone());
        gate.succeeded(world.clock.now(), Some(&token)).await;
    };
    let (report, ()) = tokio::join!(world.sweep(), worker);
    assert_eq!(report.notified, 3);
    assert_eq!(world.sent_ids().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_a_row_that_is_due_the_probe_is_a_reminder_of_none() {
    let world = World::new();
    world.open_the_circuit().await;
    sleep(MINUTE).await;
    world.sweep().await;
    let sent = world.sent();
    assert_eq!((sent.len(), sent[0].id), (1, None));
    assert!(sent[0].probe.is_some());
}

#[tokio::test(start_paused = true)]
async fn after_a_probe_that_failed_the_next_one_only_reads_the_cms() {
    let world = World::new();
    for _ in 0..60 {
        world.due(world.now());
    }
    world.open_the_circuit().await;
    let mut probes_of_rows = Vec::new();
    let gate = CircuitGate::new(world.breaker.clone());
    for _ in 0..60 {
        sleep(MINUTE).await;
        world.sweep().await;
        for probe in world.sent() {
            probes_of_rows.push(probe.id.is_some());
            let token = ProbeToken::new(probe.probe.unwrap());
            gate.failed(away("brand", Some(&token)), world.clock.now())
                .await;
        }
    }
    let alternating: Vec<bool> = (0..probes_of_rows.len())
        .map(|probe| probe % 2 == 0)
        .collect();
    assert_eq!(probes_of_rows, alternating);
    assert!(probes_of_rows.len() >= 5);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_an_operator_opened_has_no_probes() {
    let world = World::new();
    world.due(world.now());
    let now = world.clock.now();
    world.breaker.open("maintenance", now).await.unwrap();
    for _ in 0..5 {
        sleep(MINUTE).await;
        assert_eq!(world.sweep().await.notified, 0);
    }
    let now = world.clock.now();
    world.breaker.close("done", now).await.unwrap();
    assert_eq!(world.sweep().await.notified, 1);
}
