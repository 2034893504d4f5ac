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
    Brand, BrandId, BrandName, BrandRow, CMS_SUBSCRIBER, DueRow, EventError, MemoryBrandStore,
    Outbox, Reminders, SHARDS, StoreError, SyncDue, Timestamp,
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

/// Rows, and before them in the first shard rows that are damaged: an id that is none, or one that cannot be written to.
#[derive(Clone)]
struct Rows {
    good: MemoryBrandStore,
    damaged: Arc<Mutex<Vec<DueRow>>>,
}

impl Outbox for Rows {
    async fn due(&self, shard: u8, now: Timestamp, limit: u16) -> Result<Vec<DueRow>, StoreError> {
        let good = self.good.due(shard, now, limit).await?;
        let damaged = self.damaged.lock().unwrap();
        let is_due = |row: &&DueRow| shard == 0 && row.due_at <= now.to_string();
        let damaged = damaged.iter().filter(is_due).cloned();
        let mut due: Vec<DueRow> = damaged.chain(good).collect();
        due.sort_by(|one, other| one.due_at.cmp(&other.due_at));
        due.truncate(limit.into());
        Ok(due)
    }

    async fn postpone(&self, row: &DueRow, due_at: Timestamp) -> Result<(), StoreError> {
        let is_damaged = {
            let mut damaged = self.damaged.lock().unwrap();
            let found = damaged.iter_mut().find(|damaged| damaged.id == row.id);
            let is_damaged = found.is_some();
            if let Some(found) = found.filter(|found| found.id.parse::<BrandId>().is_err()) {
                found.due_at = due_at.to_string();
                return Ok(());
            }
            is_damaged
        };
        if is_damaged {
            let cause = std::io::Error::other("the row is too large");
            return Err(StoreError::Refused(Arc::new(cause)));
        }
        self.good.postpone(row, due_at).await
    }

    async fn count_attention(&self, shard: u8) -> Result<u64, StoreError> {
        self.good.count_attention(shard).await
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
    damaged: Arc<Mutex<Vec<DueRow>>>,
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
            damaged: Arc::default(),
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

    /// Damaged rows at the head of the first shard.
    fn damage(&self, ids: impl Iterator<Item = String>) {
        self.damaged.lock().unwrap().extend(ids.map(|id| DueRow {
            id,
            due_at: "!".to_owned(),
            since: None,
        }));
    }

    /// Brands of the first shard that are due.
    fn due_in_first_shard(&self, count: usize) -> BTreeSet<BrandId> {
        let new = || Brand::new(BrandName::parse("Acme").unwrap(), self.now());
        let brands = std::iter::repeat_with(new);
        let brands = brands.filter(|brand| brand.id.shard(SHARDS) == 0);
        let put = |brand: Brand| {
            let id = brand.id;
            self.rows.put(BrandRow::from(brand));
            id
        };
        brands.take(count).map(put).collect()
    }

    async fn sweep(&self) -> Report {
        self.sweep_until(None).await
    }

    async fn sweep_until(&self, deadline: Option<u64>) -> Report {
        let limits = Limits {
            first_wait: MINUTE,
            rows: self.limit,
        };
        let rows = Rows {
            good: self.rows.clone(),
            damaged: Arc::clone(&self.damaged),
        };
        let handler = RepublishBrands::new(
            rows,
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
    world
        .breaker
        .open("operate", "maintenance", now)
        .await
        .unwrap();
    for _ in 0..5 {
        sleep(MINUTE).await;
        assert_eq!(world.sweep().await.notified, 0);
    }
    let now = world.clock.now();
    world.breaker.close("operate", "done", now).await.unwrap();
    assert_eq!(world.sweep().await.notified, 1);
}

#[tokio::test(start_paused = true)]
async fn rows_whose_id_is_none_hold_up_no_other_and_are_looked_at_once_an_hour() {
    let mut world = World::new();
    world.limit = 1_000;
    let good = world.due_in_first_shard(10);
    world.damage((0..300).map(|number| format!("junk {number}")));
    let report = world.sweep().await;
    assert_eq!(report.unreadable, 300);
    let sent: BTreeSet<BrandId> = world.sent_ids().into_iter().collect();
    assert!(sent.is_superset(&good), "in the same sweep");
    let mut looks = 0;
    for _ in 0..120 {
        sleep(MINUTE).await;
        looks += world.sweep().await.unreadable;
    }
    assert_eq!(looks, 2 * 300);
}

#[tokio::test(start_paused = true)]
async fn rows_that_cannot_be_written_to_hold_up_no_other() {
    let mut world = World::new();
    world.limit = 1_000;
    let good = world.due_in_first_shard(10);
    let damaged: BTreeSet<BrandId> = (0..300).map(|_| BrandId::new(world.now())).collect();
    world.damage(damaged.iter().map(ToString::to_string));
    let report = world.sweep().await;
    assert_eq!(report.unreadable, 300);
    let sent = world.sent_ids();
    assert_eq!(sent.len(), report.notified, "each once");
    let sent: BTreeSet<BrandId> = sent.into_iter().collect();
    assert_eq!(sent.len(), report.notified);
    assert!(sent.is_superset(&good), "in the same sweep");
    assert!(
        sent.is_superset(&damaged),
        "they may be synced all the same"
    );
}

#[tokio::test(start_paused = true)]
async fn rows_whose_reminders_the_queue_refuses_hold_up_no_other() {
    let mut world = World::new();
    world.limit = 1_000;
    let refused = world.due_in_first_shard(300);
    world.queue.refused.lock().unwrap().extend(&refused);
    sleep(Duration::from_secs(1)).await;
    let good = world.due_in_first_shard(10);
    let report = world.sweep().await;
    assert_eq!(report.notify_failed, 300);
    let sent: BTreeSet<BrandId> = world.sent_ids().into_iter().collect();
    assert!(sent.is_superset(&good), "in the same sweep");
}

#[tokio::test(start_paused = true)]
async fn no_more_is_sent_than_the_queue_has_room_for_whatever_stays_due() {
    let mut world = World::new();
    world.limit = 160;
    world.due_in_first_shard(10);
    let ids = (0..300).map(|_| BrandId::new(world.now()).to_string());
    world.damage(ids);
    let report = world.sweep().await;
    assert_eq!(report.notified, 160);
}

#[tokio::test(start_paused = true)]
async fn a_row_whose_id_is_none_is_no_probe() {
    let world = World::new();
    let good = world.due(world.now());
    world.damage(std::iter::once("junk".to_owned()));
    world.open_the_circuit().await;
    sleep(MINUTE).await;
    world.sweep().await;
    let sent = world.sent();
    assert_eq!((sent.len(), sent[0].id), (1, Some(good)));
    assert!(sent[0].probe.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_brand_whose_row_is_due_in_a_year_is_reminded_of_within_eight_sweeps() {
    let world = World::new();
    let id = world.due(world.now().plus(MINUTE * 60 * 24 * 365));
    let mut reminded = Vec::new();
    for _ in 0..SHARDS {
        world.sweep().await;
        reminded.extend(world.sent_ids());
        sleep(MINUTE).await;
    }
    assert_eq!(reminded.first(), Some(&id));
}
