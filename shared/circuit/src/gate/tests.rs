#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::future::join_all;
use tokio::task::yield_now;
use workflow::Timestamp;

use super::{CircuitGate, Permit};
use crate::{
    Change, Circuit, CircuitBreaker, CircuitConfig, CircuitError, CircuitStore, ClosedBy,
    Committed, Failure, MemoryCircuitStore, OpenedBy, ProbeToken,
};

const START: Timestamp = Timestamp::from_millis(1_795_427_107_966);
const YEAR: Duration = Duration::from_hours(365 * 24);

fn later(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

/// Counts requests, lets other tasks run in the midst of each, and fails on demand.
#[derive(Default)]
struct Store {
    circuits: MemoryCircuitStore,
    reads: AtomicUsize,
    writes: AtomicUsize,
    is_away: AtomicBool,
    loses_replies: AtomicBool,
}

impl Store {
    fn requests(&self) -> usize {
        self.reads.load(SeqCst) + self.writes.load(SeqCst)
    }

    async fn travel(&self) -> Result<(), CircuitError> {
        yield_now().await;
        if self.is_away.load(SeqCst) {
            return Err(unavailable());
        }
        Ok(())
    }
}

fn unavailable() -> CircuitError {
    CircuitError::Unavailable(Arc::new(std::fmt::Error))
}

#[async_trait]
impl CircuitStore for Store {
    async fn load(&self, id: &str) -> Result<Circuit, CircuitError> {
        self.reads.fetch_add(1, SeqCst);
        self.travel().await?;
        let circuit = self.circuits.load(id).await;
        yield_now().await;
        circuit
    }

    async fn commit(
        &self,
        id: &str,
        next: &Circuit,
        expected: Option<&str>,
    ) -> Result<Committed, CircuitError> {
        self.writes.fetch_add(1, SeqCst);
        self.travel().await?;
        let committed = self.circuits.commit(id, next, expected).await;
        yield_now().await;
        if self.loses_replies.load(SeqCst) {
            return Err(unavailable());
        }
        committed
    }
}

/// One circuit and its processes.
struct World {
    store: Arc<Store>,
    breaker: CircuitBreaker,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(Store::default());
        let breaker = CircuitBreaker::new(Arc::clone(&store) as _, "cms", CircuitConfig::default());
        Self { store, breaker }
    }

    fn process(&self) -> CircuitGate {
        CircuitGate::new(self.breaker.clone())
    }

    /// The requests since the last time.
    fn requests(&self) -> usize {
        self.store.reads.swap(0, SeqCst) + self.store.writes.swap(0, SeqCst)
    }

    async fn circuit(&self) -> Circuit {
        self.store.circuits.load("cms").await.unwrap()
    }

    /// What the sweep does each minute.
    async fn sweep(&self, now: Timestamp) -> Option<ProbeToken> {
        let circuit = self.breaker.load().await.unwrap();
        self.breaker.begin_probe(&circuit, now).await.unwrap()
    }
}

fn failure<'a>(key: &'a str, probe: Option<&'a ProbeToken>) -> Failure<'a> {
    Failure {
        key: Some(key),
        cause: "503",
        retry_after: None,
        probe,
    }
}

fn unauthorized() -> Failure<'static> {
    Failure {
        key: None,
        cause: "401",
        ..failure("", None)
    }
}

fn open(until: u64) -> Permit {
    Permit::Open {
        until: later(until),
    }
}

async fn open_by_failures(gate: &CircuitGate, now: Timestamp) -> Vec<Option<Change>> {
    let mut changes = Vec::new();
    for brand in ["a", "b", "c", "d", "e"] {
        changes.push(gate.failed(failure(brand, None), now).await);
    }
    changes
}

#[tokio::test]
async fn the_healthy_road_takes_one_read_a_minute_and_none_at_the_start() {
    let world = World::new();
    let gate = world.process();
    for number in 0..6_000 {
        let now = START.plus(Duration::from_millis(number * 10));
        assert_eq!(gate.permit(now, None).await, Permit::Allowed);
        assert_eq!(gate.succeeded(now, None).await, None);
    }
    assert_eq!(world.requests(), 0);
    for number in 0..6_000 {
        let now = START.plus(Duration::from_millis(60_000 + number * 10));
        assert_eq!(gate.permit(now, None).await, Permit::Allowed);
    }
    assert_eq!(world.requests(), 1);
}

#[tokio::test]
async fn an_operators_open_stops_a_healthy_process_within_a_minute() {
    let world = World::new();
    let gate = world.process();
    assert_eq!(gate.permit(START, None).await, Permit::Allowed);
    world
        .breaker
        .open("operate", "maintenance", START)
        .await
        .unwrap();
    let a_minute_later = START.plus(Duration::from_mins(1));
    let permit = gate.permit(a_minute_later, None).await;
    assert!(matches!(permit, Permit::Open { .. }), "{permit:?}");
}

#[tokio::test]
async fn a_failure_is_one_write_and_the_next_success_is_another_and_then_there_are_none() {
    let world = World::new();
    let gate = world.process();
    let change = gate.failed(failure("a", None), START).await;
    assert_eq!(change, Some(Change::Counted));
    assert_eq!(world.requests(), 1);
    assert_eq!(gate.failed(failure("a", None), START).await, None);
    assert_eq!(gate.permit(START, None).await, Permit::Allowed);
    assert_eq!(world.requests(), 0, "the same brand, a moment later");
    assert_eq!(gate.succeeded(START, None).await, Some(Change::Cleared));
    assert_eq!(world.requests(), 1);
    assert_eq!(gate.succeeded(START, None).await, None);
    assert_eq!(world.requests(), 0);
}

#[tokio::test]
async fn the_failure_that_opens_it_is_one_write_and_the_process_knows_by_it() {
    let world = World::new();
    let gate = world.process();
    let changes = open_by_failures(&gate, START).await;
    let (last, others) = changes.split_last().unwrap();
    assert_eq!(*last, Some(Change::Opened));
    assert!(others.iter().all(|change| *change == Some(Change::Counted)));
    assert_eq!(world.requests(), 5);
    assert_eq!(gate.permit(START, None).await, open(10));
    assert_eq!(gate.failed(failure("f", None), START).await, None);
    assert_eq!(world.requests(), 0);
}

#[tokio::test]
async fn a_process_learns_from_its_first_failure_that_the_circuit_is_open() {
    let world = World::new();
    open_by_failures(&world.process(), START).await;
    world.requests();
    let gate = world.process();
    assert_eq!(gate.permit(START, None).await, Permit::Allowed);
    assert_eq!(gate.failed(failure("f", None), START).await, None);
    assert_eq!(world.requests(), 1);
    assert_eq!(gate.permit(START, None).await, open(10));
}

#[tokio::test]
async fn ten_tasks_that_fail_at_once_open_it_exactly_once_in_one_process_or_in_ten() {
    for processes in [1, 10] {
        let world = World::new();
        let gates: Vec<_> = (0..processes).map(|_| world.process()).collect();
        let gates = &gates;
        let tasks = (0..10).map(|number| async move {
            let gate = gates.get(number % processes).unwrap();
            let brand = (number / 2).to_string();
            let change = gate.failed(failure(&brand, None), START).await;
            (change, gate.permit(START, None).await)
        });
        let done = join_all(tasks).await;
        let opened = |change: &&(_, _)| change.0 == Some(Change::Opened);
        assert_eq!(done.iter().filter(opened).count(), 1, "{processes}");
        assert!(world.circuit().await.is_open());
        let requests = world.requests();
        println!("{processes} processes: {requests} requests");
        assert!(requests <= if processes == 1 { 5 } else { 60 });
    }
}

#[tokio::test]
async fn a_success_between_the_failures_of_two_processes_keeps_it_closed() {
    let world = World::new();
    let (one, other) = (world.process(), world.process());
    for round in 0..10 {
        let now = later(round);
        for brand in ["a", "b"] {
            one.failed(failure(brand, None), now).await;
        }
        for brand in ["c", "d"] {
            other.failed(failure(brand, None), now).await;
        }
        assert_eq!(one.succeeded(now, None).await, Some(Change::Cleared));
        assert_eq!(other.permit(now, None).await, Permit::Allowed);
    }
    assert!(!world.circuit().await.is_open());
}

#[tokio::test]
async fn a_success_does_not_close_what_failures_have_opened_meanwhile() {
    let world = World::new();
    let (slow, gate) = (world.process(), world.process());
    slow.failed(failure("slow", None), START).await;
    open_by_failures(&gate, START).await;
    assert_eq!(slow.succeeded(START, None).await, None);
    assert!(world.circuit().await.is_open());
    assert_eq!(slow.permit(START, None).await, open(10));
}

#[tokio::test]
async fn refused_credentials_open_it_at_once() {
    let world = World::new();
    let gate = world.process();
    let change = gate.failed(unauthorized(), START).await;
    assert_eq!(change, Some(Change::Opened));
    assert_eq!(world.requests(), 1);
    assert_eq!(gate.permit(START, None).await, open(10));
}

#[tokio::test]
async fn an_open_circuit_is_trusted_for_ten_seconds_and_then_read_once_for_all_tasks() {
    let world = World::new();
    let gate = world.process();
    open_by_failures(&gate, START).await;
    world.requests();
    assert_eq!(gate.permit(later(9), None).await, open(10));
    assert_eq!(world.requests(), 0);

    let permits = join_all((0..10).map(|_| gate.permit(later(10), None))).await;
    assert!(permits.iter().all(|permit| *permit == open(20)));
    assert_eq!(world.requests(), 1);

    world
        .breaker
        .close("operate", "it is back", later(11))
        .await
        .unwrap();
    world.requests();
    assert_eq!(gate.permit(later(19), None).await, open(20));
    assert_eq!(gate.permit(later(20), None).await, Permit::Allowed);
    assert_eq!(gate.permit(later(21), None).await, Permit::Allowed);
    assert_eq!(world.requests(), 1);
}

#[tokio::test]
async fn a_local_clock_that_jumps_is_not_trusted() {
    let world = World::new();
    let gate = world.process();
    open_by_failures(&gate, START.plus(YEAR)).await;
    world
        .breaker
        .close("operate", "it is back", START)
        .await
        .unwrap();
    assert_eq!(gate.permit(START, None).await, Permit::Allowed);
}

#[tokio::test]
async fn where_the_store_is_away_calls_are_allowed_and_it_is_asked_once_in_ten_seconds() {
    let world = World::new();
    let gate = world.process();
    world.store.is_away.store(true, SeqCst);
    let reports =
        ["a", "b", "c", "d", "e", "f"].map(|brand| gate.failed(failure(brand, None), START));
    assert!(join_all(reports).await.iter().all(Option::is_none));
    assert_eq!(gate.failed(unauthorized(), later(9)).await, None);
    assert_eq!(gate.permit(later(9), None).await, Permit::Allowed);
    let probe = ProbeToken::new("any");
    assert_eq!(gate.permit(later(9), Some(&probe)).await, Permit::Allowed);
    assert_eq!(world.requests(), 1);
    assert_eq!(gate.failed(failure("a", None), later(10)).await, None);
    assert_eq!(world.requests(), 1);
    world.store.is_away.store(false, SeqCst);
    let change = gate.failed(failure("a", None), later(20)).await;
    assert_eq!(change, Some(Change::Counted));
}

#[tokio::test]
async fn where_the_store_is_away_an_open_circuit_is_trusted_for_its_ten_seconds_and_no_longer() {
    let world = World::new();
    let gate = world.process();
    open_by_failures(&gate, START).await;
    world.store.is_away.store(true, SeqCst);
    let late = ProbeToken::new("late");
    assert_eq!(gate.permit(later(9), Some(&late)).await, open(10));
    assert_eq!(gate.permit(later(9), None).await, open(10));
    assert_eq!(gate.permit(later(10), None).await, Permit::Allowed);
    world.store.is_away.store(false, SeqCst);
    assert_eq!(gate.permit(later(20), None).await, open(30));
}

#[tokio::test]
async fn a_write_whose_reply_is_lost_opens_it_all_the_same() {
    let world = World::new();
    let gate = world.process();
    world.store.loses_replies.store(true, SeqCst);
    assert_eq!(gate.failed(unauthorized(), START).await, None);
    world.store.loses_replies.store(false, SeqCst);
    assert_eq!(gate.failed(unauthorized(), later(10)).await, None);
    assert_eq!(gate.permit(later(10), None).await, open(20));
}

#[tokio::test]
async fn a_probe_closes_it_with_two_requests_of_the_sweep_and_two_of_its_process() {
    let world = World::new();
    let (waiting, gate) = (world.process(), world.process());
    open_by_failures(&waiting, START).await;
    world.requests();
    assert_eq!(world.sweep(later(30)).await, None);
    assert_eq!(world.requests(), 1);
    let probe = world.sweep(later(60)).await;
    assert!(probe.is_some());
    assert_eq!(world.requests(), 2);
    let probe = probe.as_ref();
    for _ in 0..3 {
        assert_eq!(gate.permit(later(60), probe).await, Permit::Allowed);
    }
    assert_eq!(world.requests(), 1);
    assert_eq!(gate.permit(later(60), None).await, open(70));
    assert_eq!(gate.succeeded(later(61), probe).await, Some(Change::Closed));
    assert_eq!(gate.succeeded(later(61), probe).await, None);
    assert_eq!(gate.permit(later(61), probe).await, Permit::Allowed);
    assert_eq!(gate.permit(later(61), None).await, Permit::Allowed);
    assert_eq!(world.requests(), 1);
    assert_eq!(waiting.permit(later(61), None).await, Permit::Allowed);
}

#[tokio::test]
async fn of_ten_sweeps_one_begins_the_probe() {
    let world = World::new();
    open_by_failures(&world.process(), START).await;
    let tokens = join_all((0..10).map(|_| world.sweep(later(60)))).await;
    assert_eq!(tokens.iter().flatten().count(), 1);
}

#[tokio::test]
async fn a_process_that_takes_it_for_closed_asks_before_it_allows_a_probe() {
    let world = World::new();
    open_by_failures(&world.process(), START).await;
    let late = world.sweep(later(60)).await;
    let current = world.sweep(later(120)).await;
    world.requests();
    let gate = world.process();
    assert_eq!(gate.permit(later(120), late.as_ref()).await, open(130));
    let current = current.as_ref();
    assert_eq!(gate.permit(later(120), current).await, Permit::Allowed);
    assert_eq!(world.requests(), 1);
}

#[tokio::test]
async fn a_probe_that_began_since_the_circuit_was_read_is_allowed() {
    let world = World::new();
    let gate = world.process();
    open_by_failures(&gate, START).await;
    assert_eq!(gate.permit(later(59), None).await, open(69));
    let probe = world.sweep(later(60)).await;
    let permit = gate.permit(later(60), probe.as_ref()).await;
    assert_eq!(permit, Permit::Allowed);
}

#[tokio::test]
async fn an_outage_of_six_hours_takes_some_thirty_probes() {
    let world = World::new();
    let (mut probes, mut longest) = (0, Duration::ZERO);
    open_by_failures(&world.process(), START).await;
    let mut last = START;
    for minute in 1..=360 {
        let now = later(60 * minute);
        let Some(probe) = world.sweep(now).await else {
            continue;
        };
        probes += 1;
        longest = longest.max(last.until(now));
        last = now;
        let gate = world.process();
        assert_eq!(gate.permit(now, Some(&probe)).await, Permit::Allowed);
        let change = gate.failed(failure("a", Some(&probe)), now).await;
        assert_eq!(change, Some(Change::ProbeFailed));
        assert_eq!(
            gate.failed(failure("a", Some(&probe)), now).await,
            None,
            "a retry"
        );
        assert_ne!(gate.permit(now, Some(&probe)).await, Permit::Allowed);
    }
    println!("{probes} probes, at most {} s apart", longest.as_secs());
    assert!((20..=30).contains(&probes), "{probes}");
    assert_eq!(longest, Duration::from_mins(15));
}

#[tokio::test]
async fn no_probe_begins_before_the_service_wants_to_be_called_again() {
    let world = World::new();
    let gate = world.process();
    let asking = |retry_after, probe| Failure {
        retry_after: Some(Duration::from_secs(retry_after)),
        ..failure("e", probe)
    };
    for brand in ["a", "b", "c", "d"] {
        gate.failed(failure(brand, None), START).await;
    }
    gate.failed(asking(3_600, None), START).await;
    assert_eq!(world.sweep(later(60)).await, None);
    assert_eq!(world.sweep(later(3_540)).await, None);
    let probe = world.sweep(later(3_600)).await;
    gate.failed(asking(7_200, probe.as_ref()), later(3_601))
        .await;
    assert_eq!(world.sweep(later(10_740)).await, None);
    assert!(world.sweep(later(10_801)).await.is_some());
}

#[tokio::test]
async fn an_operator_s_open_stays_until_an_operator_closes_it() {
    let world = World::new();
    let gate = world.process();
    open_by_failures(&gate, START).await;
    let probe = world.sweep(later(60)).await;
    let change = world
        .breaker
        .open("operate", "maintenance", later(61))
        .await
        .unwrap();
    assert_eq!(change, Some(Change::Opened));
    assert_eq!(gate.succeeded(later(62), probe.as_ref()).await, None);
    for minute in 2..200 {
        assert_eq!(world.sweep(later(60 * minute)).await, None);
        let permit = gate.permit(later(60 * minute), probe.as_ref()).await;
        assert_eq!(permit, open(60 * minute + 10));
    }
    let opening = world.circuit().await.open.unwrap();
    assert_eq!(opening.by, OpenedBy::Operator);
    assert_eq!(opening.operator.as_deref(), Some("operate"));
    assert_eq!(opening.cause, "maintenance");
    assert_eq!(opening.opened_at, later(61));

    let now = later(12_000);
    let change = world
        .breaker
        .close("operate", "it is over", now)
        .await
        .unwrap();
    assert_eq!(change, Some(Change::Closed));
    let closing = world.circuit().await.closed.unwrap();
    assert_eq!(closing.by, ClosedBy::Operator);
    assert_eq!(closing.operator.as_deref(), Some("operate"));
    assert_eq!(closing.reason.as_deref(), Some("it is over"));
    assert_eq!(closing.closed_at, now);
    let again = world.breaker.close("operate", "again", now).await.unwrap();
    assert_eq!(again, None);
    assert_eq!(gate.permit(now, None).await, Permit::Allowed);
}

#[tokio::test]
async fn closing_a_circuit_that_was_never_opened_writes_nothing() {
    let world = World::new();
    assert_eq!(
        world.breaker.close("operate", "why", START).await.unwrap(),
        None
    );
    assert_eq!(world.store.writes.load(SeqCst), 0);
    assert_eq!(world.store.requests(), 1);
}

#[tokio::test]
async fn tokens_are_drawn_from_the_source_of_randomness_that_was_passed_in() {
    let world = World::new();
    let breaker = world.breaker.clone().with_random(Arc::new(|| 7));
    breaker.open("operate", "maintenance", START).await.unwrap();
    let revision = world.circuit().await.revision.unwrap();
    assert_eq!(revision, "00000000000000070000000000000007");
}

/// What was logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_the_story_of_an_outage() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let world = World::new();
    let gate = world.process();
    open_by_failures(&gate, START).await;
    for minute in [1, 3] {
        let probe = world.sweep(later(60 * minute)).await;
        let probe = probe.as_ref();
        if minute == 1 {
            gate.failed(
                Failure {
                    cause: "502",
                    ..failure("f", probe)
                },
                later(60),
            )
            .await;
        } else {
            gate.succeeded(later(180), probe).await;
        }
    }
    world
        .breaker
        .open("operate", "maintenance", later(200))
        .await
        .unwrap();
    world
        .breaker
        .close("operate", "over", later(300))
        .await
        .unwrap();
    world.store.is_away.store(true, SeqCst);
    gate.failed(failure("a", None), later(400)).await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    let expected = [
        r#"WARN circuit opened circuit="cms" by="system" cause="503""#,
        r#"INFO probe begun circuit="cms" open_seconds=60"#,
        r#"WARN probe failed circuit="cms" cause="502" open_seconds=60 next_seconds=120"#,
        r#"INFO probe begun circuit="cms" open_seconds=180"#,
        r#"INFO circuit closed circuit="cms" by="probe" open_seconds=180"#,
        r#"WARN circuit opened circuit="cms" by="operator" operator="operate" cause="maintenance""#,
        r#"INFO circuit closed circuit="cms" by="operator" operator="operate" reason="over" open_seconds=100"#,
    ];
    let (away, lines) = lines.split_last().unwrap();
    assert_eq!(lines, expected);
    assert!(away.starts_with("WARN circuit not available: calls are allowed"));
}
