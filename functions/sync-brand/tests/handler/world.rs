//! A handler on everything in memory, with a clock that tests move, and the events that it is fed with.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use brand::{
    Action, Brand, BrandId, BrandName, BrandRow, BrandWriter, CMS_SUBSCRIBER, Changed, CloudEvent,
    Intervention, MemoryBrandStore, SUBSCRIBERS, SubscriberState, SyncDue, TakeUp, Timestamp,
    take_up,
};
use circuit::{CircuitBreaker, CircuitConfig, CircuitGate, MemoryCircuitStore, Pace};
use cms::{Cms, Faults, StubCms};
use dead_letters::DeadLetter;
use futures::{FutureExt, future::BoxFuture};
use journal::{Cancelled, cancel};
use reconcile::Conflicts;
use sync_brand::{CmsSubscriber, CmsTarget, Parking, ParkingError, Record, Subscriber, SyncBrand};
use telemetry::Trace;
use tokio::time::{Instant, sleep};
use workflow::{Engine, Environment, MemoryJournal};

pub(crate) const ONE: &str = include_str!("../../../../events/sqs-brand-created.json");
pub(crate) const MIXED: &str = include_str!("../../../../events/sqs-mixed.json");
/// The brand of both events.
pub(crate) const BRAND: &str = "019abfc0-e85e-7cc0-a1a2-0123456789ab";

/// The runtime's clock, which stands still while there is something to do.
pub(crate) struct Clock(Instant, AtomicU64);

impl Clock {
    /// Some moment in 2026.
    const START: u64 = 1_790_000_000_000;
}

impl Environment for Clock {
    fn now(&self) -> workflow::Timestamp {
        let elapsed = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        workflow::Timestamp::from_millis(Self::START + elapsed)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        sleep(duration).boxed()
    }

    fn random(&self) -> u64 {
        self.1.fetch_add(1, Ordering::Relaxed)
    }
}

/// A dead-letter queue that keeps what is parked: the message's id, kind, reason and trace.
#[derive(Clone, Default)]
pub(crate) struct DeadLetters {
    pub(crate) is_away: bool,
    pub(crate) parked: Arc<Mutex<Vec<Parked>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) reason: String,
    pub(crate) trace: Option<String>,
}

impl Parking for DeadLetters {
    async fn park(&self, letter: &DeadLetter<'_>) -> Result<(), ParkingError> {
        if self.is_away {
            return Err(ParkingError(Arc::new(std::io::Error::other("no queue"))));
        }
        self.parked.lock().unwrap().push(Parked {
            id: letter.message_id.to_owned(),
            kind: letter.kind.to_string(),
            reason: letter.reason.to_owned(),
            trace: letter.trace.map(Trace::id),
        });
        Ok(())
    }
}

pub(crate) struct World<C: Cms = StubCms> {
    pub(crate) brands: MemoryBrandStore,
    pub(crate) cms: C,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) circuits: MemoryCircuitStore,
    pub(crate) breaker: CircuitBreaker,
    pub(crate) clock: Arc<dyn Environment>,
    pub(crate) handler: SyncBrand<MemoryBrandStore, DeadLetters>,
}

impl World {
    pub(crate) fn new(faults: &str) -> Self {
        Self::with_cms(StubCms::new(None, faults.parse().unwrap()))
    }

    pub(crate) fn with_brand(faults: &str) -> Self {
        let world = Self::new(faults);
        world.brands.put(acme());
        world
    }

    /// The name that the row says the CMS holds.
    pub(crate) fn held_name(&self) -> Option<String> {
        self.state().holds.map(|held| held.name)
    }

    /// A world whose process may call the CMS so often in a second.
    pub(crate) fn with_share(faults: &str, share: f64) -> Self {
        let cms = StubCms::new(None, faults.parse().unwrap());
        let pace = Pace::new(Some(share));
        Self::paced(cms, Vec::new(), DeadLetters::default(), pace)
    }

    /// A world with that policy of an operator.
    pub(crate) fn with_conflicts(conflicts: Conflicts) -> Self {
        let cms = StubCms::new(None, Faults::default());
        let rest = (Vec::new(), DeadLetters::default(), Pace::new(None));
        let world = Self::made(cms, rest, conflicts);
        world.brands.put(acme());
        world
    }

    pub(crate) fn name_in_cms(&self) -> Option<String> {
        self.cms.brand(BRAND).map(|brand| brand.name)
    }
}

impl<C: Cms + Clone + 'static> World<C> {
    pub(crate) fn with_cms(cms: C) -> Self {
        Self::with(cms, Vec::new(), DeadLetters::default())
    }

    /// A world with further subscribers beside the CMS.
    pub(crate) fn with(
        cms: C,
        others: Vec<Arc<dyn Subscriber>>,
        dead_letters: DeadLetters,
    ) -> Self {
        Self::paced(cms, others, dead_letters, Pace::new(None))
    }

    fn paced(
        cms: C,
        others: Vec<Arc<dyn Subscriber>>,
        dead_letters: DeadLetters,
        pace: Pace,
    ) -> Self {
        Self::made(cms, (others, dead_letters, pace), Conflicts::Report)
    }

    fn made(
        cms: C,
        (others, dead_letters, pace): (Vec<Arc<dyn Subscriber>>, DeadLetters, Pace),
        conflicts: Conflicts,
    ) -> Self {
        let brands = MemoryBrandStore::new();
        let clock: Arc<dyn Environment> = Arc::new(Clock(Instant::now(), AtomicU64::default()));
        let circuits = MemoryCircuitStore::new();
        let shared = Arc::new(circuits.clone());
        let breaker = CircuitBreaker::new(shared, CMS_SUBSCRIBER, CircuitConfig::default());
        let (gate, record) = (
            CircuitGate::new(breaker.clone()),
            Arc::new(Record::default()),
        );
        let target = CmsTarget::new(
            cms.clone(),
            gate,
            pace,
            clock.clone(),
            record.clone(),
            Duration::from_secs(5),
        );
        let mut subscribers: Vec<Arc<dyn Subscriber>> =
            vec![Arc::new(CmsSubscriber::new(target, conflicts))];
        subscribers.extend(others);
        let engine = Engine::new(Arc::new(MemoryJournal::default()));
        let handler = SyncBrand::new(
            brands.clone(),
            dead_letters.clone(),
            subscribers,
            engine,
            clock.clone(),
            record,
        );
        Self {
            brands,
            cms,
            dead_letters,
            circuits,
            breaker,
            clock,
            handler,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now().as_millis())
    }

    pub(crate) fn row(&self) -> BrandRow {
        self.brands.row(id()).unwrap()
    }

    /// What the CMS subscriber keeps in the row.
    pub(crate) fn state(&self) -> SubscriberState {
        self.row().subscriber(CMS_SUBSCRIBER)
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.state().reached == self.row().brand.version && self.row().due_at.is_none()
    }

    /// The word for the current version's mark.
    pub(crate) fn mark(&self) -> Option<&'static str> {
        let state = self.state();
        Some(state.mark_of(self.row().brand.version)?.kind.as_str())
    }

    pub(crate) fn parked(&self) -> Vec<Parked> {
        self.dead_letters.parked.lock().unwrap().clone()
    }

    pub(crate) async fn rename(&self, name: &str) -> Brand {
        let name = BrandName::parse(name).unwrap();
        match self.brands.update(id(), &name, None, self.now()).await {
            Ok(Changed::Done(brand)) => *brand,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn delete(&self) -> Brand {
        match self.brands.delete(id(), None, self.now()).await {
            Ok(Changed::Done(brand)) => *brand,
            other => panic!("{other:?}"),
        }
    }

    /// Delivers an event about that brand; it has to be acknowledged.
    pub(crate) async fn hear_of(&self, brand: &Brand) {
        self.deliver(&serde_json::to_string(&CloudEvent::about(brand)).unwrap())
            .await;
    }

    /// Delivers a reminder that the row is due, as the sweep sends it.
    pub(crate) async fn remind(&self, probe: Option<String>) {
        let due = SyncDue {
            id: Some(id()),
            probe,
        };
        let event = CloudEvent::reminding(&due, self.now());
        self.deliver(&serde_json::to_string(&event).unwrap()).await;
    }

    async fn deliver(&self, body: &str) {
        self.deliver_batch(message(body)).await;
    }

    /// Delivers a batch; all of it has to be acknowledged.
    pub(crate) async fn deliver_batch(&self, batch: SqsEvent) {
        let response = self.handler.handle(batch, Some(self.deadline())).await;
        assert_eq!(failures(&response), [""; 0]);
    }

    /// Half a minute from now, as Lambda would give it.
    pub(crate) fn deadline(&self) -> u64 {
        self.clock.now().plus(Duration::from_secs(30)).as_millis()
    }

    /// An administrator cancels the run.
    pub(crate) async fn cancel(&self) -> Cancelled {
        let (reason, now) = (Some("a mistake".to_owned()), self.now());
        let asked = Intervention::new(Action::Cancel, "user_1", reason, now);
        let run = (id(), CMS_SUBSCRIBER);
        let cancelled = cancel(&self.brands, run, SUBSCRIBERS, "admin", (&asked, now));
        cancelled.await.unwrap()
    }

    /// An operator's `sync`.
    pub(crate) async fn take_up(&self, scope: TakeUp) {
        let now = self.now();
        let taken_up = take_up(&self.brands, (id(), scope), SUBSCRIBERS, "operator", now);
        taken_up.await.unwrap();
    }
}

pub(crate) fn id() -> BrandId {
    BRAND.parse().unwrap()
}

pub(crate) fn acme() -> Brand {
    Brand {
        id: id(),
        ..Brand::new(
            BrandName::parse("Acme").unwrap(),
            Timestamp::from_millis(Clock::START),
        )
    }
}

pub(crate) fn batch(text: &str) -> SqsEvent {
    serde_json::from_str(text).unwrap()
}

/// The one message, with that body.
pub(crate) fn message(body: &str) -> SqsEvent {
    let mut event = batch(ONE);
    event.records[0].body = Some(body.to_owned());
    event
}

pub(crate) fn failures(response: &SqsBatchResponse) -> Vec<&str> {
    response
        .batch_item_failures
        .iter()
        .map(|failure| failure.item_identifier.as_str())
        .collect()
}
