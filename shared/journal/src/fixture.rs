//! Rows in a store of brands, for the engine's conformance cases.

#![expect(clippy::unwrap_used, reason = "it is for tests")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use brand::{Brand, BrandId, BrandName, BrandWriter, Held, SyncStore, Timestamp};
use workflow::{Journal, Run, RunId, SystemEnvironment, conformance::Fixture};

use crate::{Participant, Projection, Visit};

/// A journal whose runs are those of one subscriber in the rows of a store.
pub struct Rows<S> {
    store: S,
    workers: AtomicU64,
}

impl<S> Rows<S> {
    /// Rows of that store.
    pub const fn new(store: S) -> Self {
        Self {
            store,
            workers: AtomicU64::new(0),
        }
    }
}

struct Unchanged;

impl Projection for Unchanged {
    fn holds(&self, _: &Run, held: Option<Held>) -> Option<Held> {
        held
    }
}

impl<S: BrandWriter + SyncStore + Clone + 'static> Fixture for Rows<S> {
    async fn new_run(&self) -> RunId {
        let brand = Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::now());
        self.store.create(&brand).await.unwrap();
        RunId::new(brand.id.to_string())
    }

    async fn journal(&self, id: &RunId) -> Arc<dyn Journal> {
        let id: BrandId = id.as_str().parse().unwrap();
        let row = self.store.load(id).await.unwrap().unwrap();
        let participant = Participant {
            name: "test",
            workflow_version: 7, // that of the cases
            projection: Arc::new(Unchanged),
        };
        let worker = self.workers.fetch_add(1, Ordering::Relaxed);
        let token = format!("{worker}-{}", fastrand::u64(..));
        let store = (self.store.clone(), Arc::new(SystemEnvironment) as Arc<_>);
        Visit::new(store, row, token, vec![participant.clone()]).journal(&participant)
    }
}
