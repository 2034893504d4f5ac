//! The handler, on everything in memory.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use brand::{
    Brand, BrandEvents, BrandId, BrandName, BrandStore, BrandVersion, EventError, MemoryBrandStore,
    SyncFailure, Timestamp,
};
use republish_brands::{Limits, Report, RepublishBrands};
use telemetry::Trace;

const AGE: Duration = Duration::from_mins(1);

/// Announces all brands but those that it refuses.
#[derive(Clone, Default)]
struct Events {
    refused: BTreeSet<BrandId>,
    announced: Arc<Mutex<Vec<BrandId>>>,
}

impl BrandEvents for Events {
    async fn announce(&self, brand: &Brand, _: &Trace) -> Result<(), EventError> {
        if self.refused.contains(&brand.id) {
            return Err(EventError(Arc::new(std::io::Error::other("refused"))));
        }
        self.announced.lock().unwrap().push(brand.id);
        Ok(())
    }

    async fn announce_all(&self, brands: &[Brand], trace: &Trace) -> Vec<Result<(), EventError>> {
        let mut outcomes = Vec::new();
        for brand in brands {
            outcomes.push(self.announce(brand, trace).await);
        }
        outcomes
    }
}

/// A brand that is to be synced since so long ago.
fn waiting(store: &MemoryBrandStore, time: Duration) -> Brand {
    let brand = Brand::new(
        BrandName::parse("Acme").unwrap(),
        Timestamp::now().minus(time),
    );
    store.put(brand.clone());
    brand
}

async fn republish(store: &MemoryBrandStore, events: &Events, brands: u16) -> Report {
    let limits = Limits { age: AGE, brands };
    let handler = RepublishBrands::new(store.clone(), events.clone(), limits);
    handler
        .handle(&Trace::of_request(None, None), None)
        .await
        .unwrap()
}

fn announced(events: &Events) -> Vec<BrandId> {
    std::mem::take(&mut *events.announced.lock().unwrap())
}

#[tokio::test]
async fn only_what_has_waited_too_long_is_announced_again() {
    let (store, events) = (MemoryBrandStore::new(), Events::default());
    let old = waiting(&store, AGE * 2);
    waiting(&store, AGE / 2);
    let report = republish(&store, &events, 10).await;
    assert_eq!(report.republished, 1);
    assert_eq!(announced(&events), [old.id]);
}

#[tokio::test]
async fn what_is_synced_or_given_up_is_not_announced_again() {
    let (store, events) = (MemoryBrandStore::new(), Events::default());
    let synced = waiting(&store, AGE * 2);
    store
        .transact(&[store.mark_synced(&synced, Timestamp::now())])
        .unwrap();
    let given_up = waiting(&store, AGE * 2);
    let failure = SyncFailure::new("reverted", "the CMS refuses it", Timestamp::now());
    let given_up = store.give_up_sync(BrandVersion::of(&given_up), &failure);
    store.transact(&[given_up]).unwrap();
    assert_eq!(republish(&store, &events, 10).await, Report::default());
}

#[tokio::test]
async fn what_was_announced_again_waits_about_as_long_as_it_has_waited() {
    let (store, events) = (MemoryBrandStore::new(), Events::default());
    let brand = waiting(&store, AGE * 4);
    republish(&store, &events, 10).await;
    assert_eq!(announced(&events), [brand.id]);
    republish(&store, &events, 10).await;
    assert_eq!(announced(&events), [], "not at every turn");
    let shard = brand.id.shard(MemoryBrandStore::SHARDS);
    let in_time = async |time: Duration| {
        let by = Timestamp::now().plus(time).minus(AGE);
        store.to_announce(shard, by, 10).await.unwrap().len()
    };
    assert_eq!(in_time(AGE * 3).await, 0);
    assert_eq!(in_time(AGE * 5).await, 1);
}

#[tokio::test]
async fn more_than_an_invocation_takes_are_announced_by_the_next_ones() {
    let (store, events) = (MemoryBrandStore::new(), Events::default());
    let all: BTreeSet<BrandId> = (0..50).map(|_| waiting(&store, AGE * 2).id).collect();
    let mut seen = BTreeSet::new();
    let mut turns = 0;
    while seen.len() < all.len() {
        let report = republish(&store, &events, 10).await;
        assert!((1..=10).contains(&report.republished), "{report:?}");
        seen.extend(announced(&events));
        turns += 1;
    }
    assert_eq!(seen, all);
    assert!(turns >= 5);
}

#[tokio::test]
async fn what_could_not_be_announced_is_tried_at_the_next_turn_and_keeps_no_other() {
    let (store, mut events) = (MemoryBrandStore::new(), Events::default());
    let (good, bad) = (waiting(&store, AGE * 2), waiting(&store, AGE * 2));
    events.refused.insert(bad.id);
    let report = republish(&store, &events, 10).await;
    assert_eq!((report.republished, report.failed), (1, 1));
    assert_eq!(announced(&events), [good.id]);
    events.refused.clear();
    republish(&store, &events, 10).await;
    assert_eq!(announced(&events), [bad.id]);
}

#[tokio::test]
async fn an_invocation_whose_time_is_over_leaves_all_to_the_next() {
    let (store, events) = (MemoryBrandStore::new(), Events::default());
    waiting(&store, AGE * 2);
    let limits = Limits {
        age: AGE,
        brands: 10,
    };
    let handler = RepublishBrands::new(store.clone(), events.clone(), limits);
    let report = handler
        .handle(&Trace::of_request(None, None), Some(1_000_000_000_000))
        .await
        .unwrap();
    assert_eq!(report.republished, 0);
    assert_eq!(
        report.oldest_unsynced_age,
        Some((AGE * 2).as_secs()),
        "it is found all the same"
    );
    assert_eq!(announced(&events), []);
}
