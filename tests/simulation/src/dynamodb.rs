//! A simulated DynamoDB around the stores in memory: requests take time, are throttled, lose their replies, and writes arrive late.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use brand::{
    Brand, BrandId, BrandName, BrandRow, BrandWriter, Changed, Created, DueRow, FoundRows,
    Inventory, InventoryPage, MemoryBrandStore, Outbox, Place, StoreError, SubscriberState,
    SyncStore, SyncWrite, SyncWritten, Timestamp,
};
use circuit::{
    CallStore, Calls, Circuit, CircuitError, CircuitStore, Committed, MemoryCircuitStore,
    TenMinutes, WINDOW,
};
use futures::FutureExt;
use reconcile::{
    Asked, Hint, Inbox, Reconciliation, ReconciliationError, ReconciliationStore, Request,
};
use tokio::time::sleep;

use crate::{invariants, plan::Fault, world::World};

/// The tables, as one process reaches them.
#[derive(Clone)]
pub(crate) struct DynamoDb {
    pub(crate) world: Arc<World>,
    pub(crate) caller: Arc<str>,
}

/// The request failed; a write may have been made, or may still be.
struct Unavailable;

impl From<Unavailable> for StoreError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable(Arc::new(std::fmt::Error))
    }
}

impl From<Unavailable> for CircuitError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable(Arc::new(std::fmt::Error))
    }
}

impl From<Unavailable> for ReconciliationError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable(Arc::new(std::fmt::Error))
    }
}

/// A page is short, so that a world of few brands has several.
const PAGE: u16 = 3;

impl DynamoDb {
    pub(crate) fn new(world: &Arc<World>, caller: &str) -> Self {
        Self {
            world: Arc::clone(world),
            caller: caller.into(),
        }
    }

    async fn travel(&self) -> Result<(), Unavailable> {
        let world = &self.world;
        let time = if world.strikes(Fault::StoreSlow) {
            500..4_000
        } else {
            2..12
        };
        sleep(world.chance.millis(time)).await;
        if world
            .plan
            .store_away
            .iter()
            .any(|span| world.is_within(span))
        {
            world.story.count(Fault::StoreAway);
            return Err(Unavailable);
        }
        if world.strikes(Fault::StoreThrottled) {
            return Err(Unavailable);
        }
        Ok(())
    }

    async fn read<T>(&self, read: impl Future<Output = T>) -> Result<T, Unavailable> {
        self.travel().await?;
        let answer = read.await;
        sleep(self.world.chance.millis(1..6)).await;
        Ok(answer)
    }

    /// A write that is under way is made whatever becomes of its caller.
    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.travel().await?;
        let world = &self.world;
        let (is_late, is_lost) = (
            world.strikes(Fault::StoreWriteLate),
            world.strikes(Fault::StoreReplyLost),
        );
        let arrival = world.chance.millis(if is_late { 100..1_200 } else { 0..3 });
        let made = tokio::spawn(async move {
            sleep(arrival).await;
            write()
        });
        if is_late || is_lost {
            let what = if is_late {
                "is late"
            } else {
                "loses its reply"
            };
            world.tell(&self.caller, format_args!("a write to DynamoDB {what}"));
            sleep(world.chance.millis(3..100)).await;
            return Err(Unavailable);
        }
        let answer = made.await.map_err(|_| Unavailable)?;
        sleep(world.chance.millis(1..6)).await;
        Ok(answer)
    }

    /// Writes a brand's row.
    async fn write_row<T: Send + 'static>(
        &self,
        id: BrandId,
        write: impl FnOnce(&MemoryBrandStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (world, caller) = (Arc::clone(&self.world), Arc::clone(&self.caller));
        let write = move || {
            let before = world.brands.row(id);
            let written = write(&world.brands);
            invariants::row_written(&world, &caller, id, before.as_ref());
            written
        };
        self.write(write).await?
    }
}

/// The store in memory never waits.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().unwrap()
}

impl BrandWriter for DynamoDb {
    async fn create(&self, brand: &Brand) -> Result<Created, StoreError> {
        let brand = brand.clone();
        self.write_row(brand.id, move |brands| at_once(brands.create(&brand)))
            .await
    }

    async fn update(
        &self,
        id: BrandId,
        name: &BrandName,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        let name = name.clone();
        self.write_row(id, move |brands| {
            at_once(brands.update(id, &name, expected, now))
        })
        .await
    }

    async fn delete(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        self.write_row(id, move |brands| at_once(brands.delete(id, expected, now)))
            .await
    }
}

impl SyncStore for DynamoDb {
    async fn load(&self, id: BrandId) -> Result<Option<BrandRow>, StoreError> {
        self.read(self.world.brands.load(id)).await?
    }

    async fn write(&self, write: &SyncWrite) -> Result<SyncWritten, StoreError> {
        let write = write.clone();
        self.write_row(write.id, move |brands| {
            at_once(SyncStore::write(brands, &write))
        })
        .await
    }
}

impl Inventory for DynamoDb {
    async fn page(&self, after: Option<&Place>, limit: u16) -> Result<InventoryPage, StoreError> {
        self.read(self.world.brands.page(after, limit.min(PAGE)))
            .await?
    }

    async fn rows(&self, ids: &[BrandId]) -> Result<FoundRows, StoreError> {
        self.read(self.world.brands.rows(ids)).await?
    }

    async fn insert(
        &self,
        brand: &Brand,
        (subscriber, state): (&str, &SubscriberState),
    ) -> Result<Created, StoreError> {
        let (brand, subscriber, state) = (brand.clone(), subscriber.to_owned(), state.clone());
        self.write_row(brand.id, move |brands| {
            at_once(brands.insert(&brand, (&subscriber, &state)))
        })
        .await
    }
}

#[async_trait]
impl ReconciliationStore for DynamoDb {
    async fn load(&self, target: &str) -> Result<Reconciliation, ReconciliationError> {
        let kept = &self.world.reconciliations;
        self.read(ReconciliationStore::load(kept, target)).await?
    }

    async fn commit(
        &self,
        target: &str,
        next: &Reconciliation,
        expected: Option<&str>,
    ) -> Result<bool, ReconciliationError> {
        let (target, next) = (target.to_owned(), next.clone());
        let expected = expected.map(str::to_owned);
        let world = Arc::clone(&self.world);
        let write = move || {
            let kept = &world.reconciliations;
            at_once(ReconciliationStore::commit(
                kept,
                &target,
                &next,
                expected.as_deref(),
            ))
        };
        self.write(write).await?
    }
}

#[async_trait]
impl Inbox for DynamoDb {
    async fn ask(&self, target: &str, request: &Request) -> Result<(), ReconciliationError> {
        let (world, target) = (Arc::clone(&self.world), target.to_owned());
        let request = request.clone();
        let write = move || at_once(world.reconciliations.ask(&target, &request));
        self.write(write).await?
    }

    async fn hint(&self, target: &str, hint: &Hint) -> Result<bool, ReconciliationError> {
        let (world, target) = (Arc::clone(&self.world), target.to_owned());
        let hint = hint.clone();
        let write = move || at_once(world.reconciliations.hint(&target, &hint));
        self.write(write).await?
    }

    async fn look(&self, target: &str) -> Result<Asked, ReconciliationError> {
        self.read(self.world.reconciliations.look(target)).await?
    }

    async fn take(&self, target: &str, asked: &Asked) -> Result<(), ReconciliationError> {
        let (world, target) = (Arc::clone(&self.world), target.to_owned());
        let asked = asked.clone();
        let write = move || at_once(world.reconciliations.take(&target, &asked));
        self.write(write).await?
    }
}

impl Outbox for DynamoDb {
    async fn due(&self, shard: u8, now: Timestamp, limit: u16) -> Result<Vec<DueRow>, StoreError> {
        self.read(self.world.brands.due(shard, now, limit)).await?
    }

    async fn postpone(&self, row: &DueRow, due_at: Timestamp) -> Result<(), StoreError> {
        let (id, row) = (row.id.parse().unwrap(), row.clone());
        self.write_row(id, move |brands| at_once(brands.postpone(&row, due_at)))
            .await
    }

    async fn count_attention(&self, shard: u8) -> Result<u64, StoreError> {
        self.read(self.world.brands.count_attention(shard)).await?
    }
}

#[async_trait]
impl CircuitStore for DynamoDb {
    async fn load(&self, id: &str) -> Result<Circuit, CircuitError> {
        self.read(CircuitStore::load(&self.world.circuits, id))
            .await?
    }

    async fn commit(
        &self,
        id: &str,
        next: &Circuit,
        expected: Option<&str>,
    ) -> Result<Committed, CircuitError> {
        let circuits: MemoryCircuitStore = self.world.circuits.clone();
        let (id, next, expected) = (id.to_owned(), next.clone(), expected.map(str::to_owned));
        let (world, caller) = (Arc::clone(&self.world), Arc::clone(&self.caller));
        let write = move || {
            let before = at_once(circuits.load(&id));
            let committed = at_once(circuits.commit(&id, &next, expected.as_deref()));
            let is_open = |circuit: &Circuit| circuit.is_open();
            let was_open = before.as_ref().is_ok_and(is_open);
            if let Ok(Committed::Applied) = committed
                && was_open != next.is_open()
            {
                let what = if was_open { "closes" } else { "opens" };
                world.tell(caller, format_args!("{what} the circuit"));
            }
            committed
        };
        self.write(write).await?
    }
}

#[async_trait]
impl CallStore for DynamoDb {
    async fn add(
        &self,
        service: &str,
        window: TenMinutes,
        counted: &[Calls; WINDOW],
    ) -> Result<(), CircuitError> {
        let (world, caller) = (Arc::clone(&self.world), Arc::clone(&self.caller));
        let (service, counted) = (service.to_owned(), *counted);
        let write = move || {
            let calls: u64 = counted.iter().map(|counted| counted.calls).sum();
            world.tell(caller, format_args!("reports {calls} calls"));
            at_once(world.circuits.add(&service, window, &counted))
        };
        self.write(write).await?
    }

    async fn read(
        &self,
        service: &str,
        windows: &[TenMinutes],
    ) -> Result<BTreeMap<TenMinutes, [Calls; WINDOW]>, CircuitError> {
        self.read(CallStore::read(&self.world.circuits, service, windows))
            .await?
    }
}
