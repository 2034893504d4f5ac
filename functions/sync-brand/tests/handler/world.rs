//! A handler on everything in memory, and the events that it is fed with.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use brand::{Brand, BrandId, BrandName, BrandStore, MemoryBrandStore, MemoryBrandWrite, Timestamp};
use cms::{Cms, StubCms};
use dead_letters::DeadLetter;
use sync_brand::{App, Messages, MessagesError, SyncBrand, run_id};
use telemetry::Trace;
use workflow::{Engine, Journal, MemoryJournal, Run};

pub(crate) const ONE: &str = include_str!("../../../../events/sqs-brand-created.json");
pub(crate) const MIXED: &str = include_str!("../../../../events/sqs-mixed.json");
/// The brand of both events.
pub(crate) const BRAND: &str = "019abfc0-e85e-7cc0-a1a2-0123456789ab";
pub(crate) const MAX_RECEIVES: u32 = 5;

/// Queues that keep what is parked and postponed.
#[derive(Clone, Default)]
pub(crate) struct Queues {
    pub(crate) dead_letters_away: bool,
    pub(crate) parked: Arc<Mutex<Vec<(String, String, String)>>>,
    pub(crate) postponed: Arc<Mutex<Vec<(String, Duration)>>>,
    pub(crate) sent_anew: Arc<Mutex<Vec<(String, Duration)>>>,
    /// The traces of what was parked or sent anew.
    pub(crate) traces: Arc<Mutex<Vec<Option<String>>>>,
}

impl Messages for Queues {
    async fn park(&self, letter: &DeadLetter<'_>) -> Result<(), MessagesError> {
        if self.dead_letters_away {
            return Err(MessagesError(Arc::new(std::io::Error::other("no queue"))));
        }
        let parked = (
            letter.message_id.to_owned(),
            letter.kind.to_string(),
            letter.reason.to_owned(),
        );
        self.parked.lock().unwrap().push(parked);
        self.traces
            .lock()
            .unwrap()
            .push(letter.trace.map(Trace::id));
        Ok(())
    }

    async fn postpone(&self, receipt: &str, wait: Duration) -> Result<(), MessagesError> {
        self.postponed
            .lock()
            .unwrap()
            .push((receipt.to_owned(), wait));
        Ok(())
    }

    async fn send_anew(
        &self,
        body: &str,
        trace: Option<&Trace>,
        wait: Duration,
    ) -> Result<(), MessagesError> {
        self.traces.lock().unwrap().push(trace.map(Trace::id));
        self.sent_anew.lock().unwrap().push((body.to_owned(), wait));
        Ok(())
    }
}

pub(crate) struct World<C: Cms = StubCms> {
    pub(crate) brands: MemoryBrandStore,
    pub(crate) cms: C,
    pub(crate) queues: Queues,
    pub(crate) journal: Arc<MemoryJournal<MemoryBrandWrite>>,
    pub(crate) handler: SyncBrand<MemoryBrandStore, C, Queues>,
}

impl World {
    pub(crate) fn new(faults: &str) -> Self {
        Self::with(faults, Queues::default())
    }

    pub(crate) fn with(faults: &str, queues: Queues) -> Self {
        Self::with_cms(StubCms::new(None, faults.parse().unwrap()), queues)
    }

    pub(crate) fn with_brand(faults: &str) -> Self {
        let world = Self::new(faults);
        world.brands.put(acme());
        world
    }
}

impl<C: Cms + Clone + 'static> World<C> {
    pub(crate) fn with_cms(cms: C, queues: Queues) -> Self {
        let brands = MemoryBrandStore::new();
        let written_to = brands.clone();
        let journal = Arc::new(MemoryJournal::new(move |writes: &[_]| {
            written_to.transact(writes)
        }));
        let app = App::new(brands.clone(), cms.clone());
        let handler = SyncBrand::new(
            Engine::new(journal.clone()),
            app,
            queues.clone(),
            MAX_RECEIVES,
        );
        Self {
            brands,
            cms,
            queues,
            journal,
            handler,
        }
    }

    pub(crate) async fn brand(&self) -> Option<Brand> {
        self.brands.get(id()).await.unwrap()
    }

    pub(crate) async fn run(&self) -> Option<Run> {
        self.journal.load(&run_id(id())).await.unwrap()
    }

    /// The brands that the outbox holds.
    pub(crate) async fn to_announce(&self) -> Vec<Brand> {
        let mut brands = Vec::new();
        for shard in 0..MemoryBrandStore::SHARDS {
            let found = self.brands.to_announce(shard, Timestamp::now(), 10);
            brands.extend(found.await.unwrap().into_iter().map(Result::unwrap));
        }
        brands
    }

    pub(crate) fn parked(&self) -> Vec<(String, String, String)> {
        self.queues.parked.lock().unwrap().clone()
    }
}

pub(crate) fn id() -> BrandId {
    BRAND.parse().unwrap()
}

pub(crate) fn acme() -> Brand {
    Brand {
        id: id(),
        ..Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::from_millis(0))
    }
}

pub(crate) fn batch(text: &str) -> SqsEvent {
    serde_json::from_str(text).unwrap()
}

/// The one event, as it is delivered for the nth time.
pub(crate) fn received(times: u32) -> SqsEvent {
    let mut event = batch(ONE);
    event.records[0]
        .attributes
        .insert("ApproximateReceiveCount".to_owned(), times.to_string());
    event
}

pub(crate) fn failures(response: &SqsBatchResponse) -> Vec<&str> {
    response
        .batch_item_failures
        .iter()
        .map(|failure| failure.item_identifier.as_str())
        .collect()
}
