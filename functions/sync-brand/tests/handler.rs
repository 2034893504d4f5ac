//! The handler, fed with real events, on everything in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use brand::{Brand, BrandId, BrandName, BrandStore, MemoryBrandStore, MemoryBrandWrite, Timestamp};
use cms::StubCms;
use sync_brand::{App, Messages, MessagesError, Parked, SyncBrand, run_id};
use workflow::{Engine, Journal, MemoryJournal, Run, RunState};

const ONE: &str = include_str!("../../../events/sqs-brand-created.json");
const MIXED: &str = include_str!("../../../events/sqs-mixed.json");
/// The brand of both events.
const BRAND: &str = "019abfc0-e85e-7cc0-a1a2-0123456789ab";
const MAX_RECEIVES: u32 = 5;

/// Queues that keep what is parked and postponed.
#[derive(Clone, Default)]
struct Queues {
    dead_letters_away: bool,
    parked: Arc<Mutex<Vec<(String, String, String)>>>,
    postponed: Arc<Mutex<Vec<(String, Duration)>>>,
}

impl Messages for Queues {
    async fn park(&self, parked: &Parked<'_>) -> Result<(), MessagesError> {
        if self.dead_letters_away {
            return Err(MessagesError(Arc::new(std::io::Error::other("no queue"))));
        }
        let parked = (
            parked.message_id.to_owned(),
            parked.kind.to_owned(),
            parked.reason.to_owned(),
        );
        self.parked.lock().unwrap().push(parked);
        Ok(())
    }

    async fn postpone(&self, receipt: &str, wait: Duration) -> Result<(), MessagesError> {
        self.postponed
            .lock()
            .unwrap()
            .push((receipt.to_owned(), wait));
        Ok(())
    }
}

struct World {
    brands: MemoryBrandStore,
    cms: StubCms,
    queues: Queues,
    journal: Arc<MemoryJournal<MemoryBrandWrite>>,
    handler: SyncBrand<MemoryBrandStore, StubCms, Queues>,
}

impl World {
    fn new(faults: &str) -> Self {
        Self::with(faults, Queues::default())
    }

    fn with(faults: &str, queues: Queues) -> Self {
        let brands = MemoryBrandStore::new();
        let cms = StubCms::new(None, faults.parse().unwrap());
        let written_to = brands.clone();
        let journal = Arc::new(MemoryJournal::new(move |writes: &[_]| {
            written_to.transact(writes)
        }));
        let app = App {
            brands: brands.clone(),
            cms: cms.clone(),
        };
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

    fn with_brand(faults: &str) -> Self {
        let world = Self::new(faults);
        world.brands.put(acme());
        world
    }

    async fn brand(&self) -> Option<Brand> {
        self.brands.get(id()).await.unwrap()
    }

    async fn run(&self) -> Option<Run> {
        self.journal
            .load(&run_id(id(), Brand::FIRST_VERSION))
            .await
            .unwrap()
    }

    fn parked(&self) -> Vec<(String, String, String)> {
        self.queues.parked.lock().unwrap().clone()
    }
}

fn id() -> BrandId {
    BRAND.parse().unwrap()
}

fn acme() -> Brand {
    Brand {
        id: id(),
        ..Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::from_millis(0))
    }
}

fn batch(text: &str) -> SqsEvent {
    serde_json::from_str(text).unwrap()
}

/// The one event, as it is delivered for the nth time.
fn received(times: u32) -> SqsEvent {
    let mut event = batch(ONE);
    event.records[0]
        .attributes
        .insert("ApproximateReceiveCount".to_owned(), times.to_string());
    event
}

fn failures(response: &SqsBatchResponse) -> Vec<&str> {
    response
        .batch_item_failures
        .iter()
        .map(|failure| failure.item_identifier.as_str())
        .collect()
}

#[tokio::test]
async fn a_brand_that_was_created_reaches_the_cms_once_and_is_marked_synced() {
    let world = World::with_brand("");
    let response = world.handler.handle(batch(ONE), None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.brands().len(), 1);
    assert_eq!(world.cms.creates(BRAND), 1);
    assert!(world.brand().await.unwrap().synced_at.is_some());
    assert_eq!(world.run().await.unwrap().state, RunState::Done);
    assert_eq!(world.parked(), []);
}

#[tokio::test]
async fn an_event_that_comes_twice_has_the_effect_of_one() {
    let world = World::with_brand("");
    for _ in 0..2 {
        let response = world.handler.handle(batch(ONE), None).await;
        assert_eq!(failures(&response), [""; 0]);
    }
    assert_eq!(world.cms.calls().creates, 1);
}

#[tokio::test]
async fn an_event_that_comes_twice_at_once_has_the_effect_of_one() {
    let world = World::with_brand("");
    let (one, other) = futures::join!(
        world.handler.handle(batch(ONE), None),
        world.handler.handle(batch(ONE), None)
    );
    assert!(failures(&one).len() + failures(&other).len() <= 1);
    assert_eq!(world.cms.creates(BRAND), 1);
    assert!(world.brand().await.unwrap().synced_at.is_some());
}

#[tokio::test]
async fn a_brand_that_is_missing_is_parked_with_its_id() {
    let world = World::new("");
    let response = world.handler.handle(batch(ONE), None).await;
    assert_eq!(failures(&response), [""; 0]);
    let parked = world.parked();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].1, "reverted");
    assert!(
        parked[0]
            .2
            .contains(&format!("brand with id {BRAND} was not found")),
        "{}",
        parked[0].2
    );
    assert_eq!(world.cms.calls().creates, 0);
}

#[tokio::test]
async fn a_cms_that_fails_for_good_after_acting_keeps_nothing() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"permanent","when":"after"}]"#);
    let response = world.handler.handle(batch(ONE), None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.creates(BRAND), 1, "the CMS has acted");
    assert_eq!(world.cms.brands(), []);
    assert_eq!(world.run().await.unwrap().state, RunState::Reverted);
    assert_eq!(world.brand().await.unwrap().synced_at, None);
    assert_eq!(world.parked()[0].1, "reverted");
}

#[tokio::test(start_paused = true)]
async fn a_cms_that_is_away_postpones_the_message_and_the_next_delivery_goes_on() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"before","times":3}]"#,
    );
    let response = world.handler.handle(batch(ONE), None).await;
    assert_eq!(
        failures(&response),
        ["059f36b4-87a3-44ab-83d2-661975830a7d"]
    );
    assert_eq!(world.queues.postponed.lock().unwrap().len(), 1);
    assert_eq!(world.parked(), []);
    let run = world.run().await.unwrap();
    assert_eq!((run.state, run.lease_until), (RunState::Invoking, None));

    let response = world.handler.handle(received(2), None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.creates(BRAND), 1);
    assert_eq!(world.run().await.unwrap().state, RunState::Done);
}

#[tokio::test(start_paused = true)]
async fn the_last_delivery_reverts_and_parks_what_cannot_be_finished() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"transient","when":"after"}]"#);
    let response = world.handler.handle(received(MAX_RECEIVES), None).await;
    assert_eq!(failures(&response), [""; 0]);
    assert_eq!(world.cms.brands(), []);
    assert_eq!(world.run().await.unwrap().state, RunState::Reverted);
    assert_eq!(world.parked()[0].1, "reverted");
}

#[tokio::test]
async fn an_event_that_is_sent_again_after_its_run_was_reverted_starts_afresh() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"permanent","when":"after","times":1}]"#,
    );
    world.handler.handle(batch(ONE), None).await;
    assert_eq!(world.cms.brands(), []);
    world.handler.handle(batch(ONE), None).await;
    assert_eq!(world.cms.brands().len(), 1);
    let run = world.run().await.unwrap();
    assert_eq!((run.state, run.attempt), (RunState::Done, 2));
}

#[tokio::test]
async fn one_bad_message_harms_no_other() {
    let world = World::new("");
    world.brands.put(acme());
    let response = world.handler.handle(batch(MIXED), None).await;
    assert_eq!(
        failures(&response),
        [""; 0],
        "all are acknowledged: done, or parked"
    );
    assert_eq!(world.cms.brands().len(), 1);
    let mut parked = world.parked();
    parked.sort();
    let kinds: Vec<(&str, &str)> = parked
        .iter()
        .map(|(id, kind, _)| (&id[..8], kind.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("00000002", "malformed"),
            ("00000003", "unknown_type"),
            ("00000004", "malformed")
        ]
    );
    assert!(
        parked[1]
            .2
            .contains(r#"no event is of type "product.created""#),
        "{}",
        parked[1].2
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_parked_is_not_acknowledged() {
    let queues = Queues {
        dead_letters_away: true,
        ..Queues::default()
    };
    let world = World::with("", queues);
    let response = world.handler.handle(batch(MIXED), None).await;
    assert_eq!(response.batch_item_failures.len(), 4);
}

#[tokio::test]
async fn a_message_without_an_id_fails_the_whole_batch() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"before","retry_after_seconds":1}]"#,
    );
    let mut event = received(1);
    event.records[0].message_id = None;
    // The engine gives up when the invocation ends, which it has.
    let response = world.handler.handle(event, Some(1_000_000_000_000)).await;
    assert_eq!(failures(&response), [""]);
}
