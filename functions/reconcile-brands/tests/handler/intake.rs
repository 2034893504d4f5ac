//! The workflow `sync-brands-from-cms`: each step and its undo.

use std::sync::Arc;

use brand::{
    Brand, BrandId, BrandName, BrandRow, BrandWriter, CMS_SUBSCRIBER, Changed, Created, FoundRows,
    Held, Inventory, InventoryPage, MemoryBrandStore, Place, StoreError, SubscriberState,
    SyncStore, SyncWrite, SyncWritten, Timestamp, take_up_seen,
};
use reconcile_brands::{
    CreateBrand, Intake, IntakeContext, RenameBrand, Renaming, Seen, SyncBrandsFromCms,
};
use workflow::{
    Engine, Flow, Invocation, MemoryJournal, Outcome, RunId, StepError, Steps, Workflow,
};

/// A table that takes no sync state, but for a lease.
#[derive(Clone)]
struct Refusing(MemoryBrandStore);

fn refused() -> StoreError {
    StoreError::Refused(Arc::new(std::io::Error::other("no")))
}

impl SyncStore for Refusing {
    async fn load(&self, id: BrandId) -> Result<Option<BrandRow>, StoreError> {
        self.0.load(id).await
    }

    async fn write(&self, write: &SyncWrite) -> Result<SyncWritten, StoreError> {
        if write.subscribers.is_empty() {
            return self.0.write(write).await;
        }
        Err(refused())
    }
}

impl BrandWriter for Refusing {
    async fn create(&self, brand: &Brand) -> Result<Created, StoreError> {
        self.0.create(brand).await
    }

    async fn update(
        &self,
        id: BrandId,
        name: &BrandName,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        self.0.update(id, name, expected, now).await
    }

    async fn delete(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        self.0.delete(id, expected, now).await
    }
}

impl Inventory for Refusing {
    async fn page(&self, after: Option<&Place>, limit: u16) -> Result<InventoryPage, StoreError> {
        self.0.page(after, limit).await
    }

    async fn rows(&self, ids: &[BrandId]) -> Result<FoundRows, StoreError> {
        self.0.rows(ids).await
    }

    async fn insert(
        &self,
        brand: &Brand,
        subscriber: (&str, &SubscriberState),
    ) -> Result<Created, StoreError> {
        self.0.insert(brand, subscriber).await
    }
}

async fn run<S, W>(brands: S, workflow: &W, input: &W::Input) -> Outcome<()>
where
    S: Clone + Send + Sync + 'static,
    W: Workflow<IntakeContext<S>, Output = ()>,
{
    let engine = Engine::new(Arc::new(MemoryJournal::default()));
    let context = IntakeContext { brands };
    let (id, invocation) = (RunId::new("run"), Invocation::default());
    let ran = engine.run(workflow, &context, &id, input, invocation);
    ran.await.unwrap()
}

async fn stored(store: &MemoryBrandStore) -> Brand {
    let brand = Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::now());
    assert_eq!(store.create(&brand).await.unwrap(), Created::New);
    brand
}

fn seen(brand: &Brand) -> Seen {
    Seen {
        id: brand.id,
        version: brand.version,
        lease: None,
    }
}

fn renaming(brand: &Brand) -> Renaming {
    Renaming {
        seen: seen(brand),
        from: brand.name.clone(),
        to: BrandName::parse("Edited").unwrap(),
        holds: Held::named("Edited"),
    }
}

#[tokio::test]
async fn a_rename_that_cannot_be_noted_is_undone() {
    let store = MemoryBrandStore::new();
    let brand = stored(&store).await;
    let intake = Intake::Rename(renaming(&brand));
    let outcome = run(Refusing(store.clone()), &SyncBrandsFromCms, &intake).await;
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    let row = store.row(brand.id).unwrap();
    assert_eq!((row.brand.name, row.brand.version), (brand.name, 3));
    assert_eq!(row.subscribers.len(), 0);
}

#[tokio::test]
async fn a_rename_that_came_too_late_undoes_nothing() {
    let store = MemoryBrandStore::new();
    let brand = stored(&store).await;
    let late = renaming(&brand);
    // A client has given it the very same name.
    let changed = store
        .update(brand.id, &late.to, None, Timestamp::now())
        .await;
    assert!(matches!(changed.unwrap(), Changed::Done(_)));
    let outcome = run(
        store.clone(),
        &SyncBrandsFromCms,
        &Intake::Rename(late.clone()),
    )
    .await;
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    let row = store.row(brand.id).unwrap();
    assert_eq!((row.brand.name, row.brand.version), (late.to, 2));
}

#[tokio::test]
async fn a_deletion_is_of_the_version_that_was_seen() {
    let store = MemoryBrandStore::new();
    let brand = stored(&store).await;
    let delete = |version| {
        Intake::Delete(Seen {
            version,
            ..seen(&brand)
        })
    };
    let outcome = run(store.clone(), &SyncBrandsFromCms, &delete(2)).await;
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    assert_eq!(store.row(brand.id).unwrap().brand, brand);
    let outcome = run(store.clone(), &SyncBrandsFromCms, &delete(1)).await;
    assert_eq!(outcome, Outcome::Done(()));
    assert!(store.row(brand.id).unwrap().brand.deleted_at.is_some());
}

/// A workflow that creates a brand and then fails, as one that does more with it might.
struct CreateAndFail;

impl<S: BrandWriter + Inventory + 'static> Workflow<IntakeContext<S>> for CreateAndFail {
    const NAME: &'static str = "create-and-fail";
    type Input = (Brand, Held);
    type Output = ();

    fn steps(&self) -> Steps<IntakeContext<S>> {
        Steps::new().with(CreateBrand)
    }

    async fn run(
        &self,
        flow: &Flow<'_, IntakeContext<S>>,
        new: &(Brand, Held),
    ) -> Result<(), StepError> {
        flow.step(&CreateBrand, new).await?;
        Err(StepError::permanent("it fails"))
    }
}

#[tokio::test]
async fn creating_is_undone_and_a_brand_that_was_there_before_stays() {
    let store = MemoryBrandStore::new();
    let new = Brand::new(BrandName::parse("Made").unwrap(), Timestamp::now());
    let holds = Held {
        unlinked: true,
        ..Held::named("Made")
    };
    let outcome = run(store.clone(), &CreateAndFail, &(new.clone(), holds.clone())).await;
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    let row = store.row(new.id).unwrap();
    assert!(row.brand.deleted_at.is_some());
    assert_eq!(row.subscriber(CMS_SUBSCRIBER).holds.as_ref(), Some(&holds));

    let before = stored(&store).await;
    let other = Brand {
        created_at: Timestamp::from_millis(7),
        ..before.clone()
    };
    let intake = Intake::Create {
        brand: other,
        holds,
    };
    let outcome = run(store.clone(), &SyncBrandsFromCms, &intake).await;
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    assert_eq!(store.row(before.id).unwrap().brand, before);
}

/// One that renames a brand and then fails.
struct RenameAndFail;

impl<S: BrandWriter + 'static> Workflow<IntakeContext<S>> for RenameAndFail {
    const NAME: &'static str = "rename-and-fail";
    type Input = Renaming;
    type Output = ();

    fn steps(&self) -> Steps<IntakeContext<S>> {
        Steps::new().with(RenameBrand)
    }

    async fn run(
        &self,
        flow: &Flow<'_, IntakeContext<S>>,
        renaming: &Renaming,
    ) -> Result<(), StepError> {
        let version = flow.step(&RenameBrand, renaming).await?;
        Err(StepError::permanent(format!(
            "it fails after version {version}"
        )))
    }
}

#[tokio::test]
async fn a_rename_is_undone() {
    let store = MemoryBrandStore::new();
    let brand = stored(&store).await;
    let outcome = run(store.clone(), &RenameAndFail, &renaming(&brand)).await;
    assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
    assert_eq!(store.row(brand.id).unwrap().brand.name, brand.name);
}

#[tokio::test]
async fn a_row_that_was_written_to_since_is_left_alone() {
    let store = MemoryBrandStore::new();
    let brand = stored(&store).await;
    let rename = Intake::Rename(renaming(&brand));
    let delete = Intake::Delete(seen(&brand));
    // An operator has it synced again.
    let row = store.row(brand.id).unwrap();
    let now = Timestamp::now();
    let is_due = take_up_seen(&store, &row, CMS_SUBSCRIBER, "operator", now).await;
    assert!(is_due.unwrap());
    for intake in [rename, delete] {
        let outcome = run(store.clone(), &SyncBrandsFromCms, &intake).await;
        assert!(matches!(outcome, Outcome::Reverted { .. }), "{outcome:?}");
        assert_eq!(store.row(brand.id).unwrap().brand, brand);
    }
}
