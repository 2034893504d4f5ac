//! Everything in memory, and a sync that does what sync-brand does.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use brand::{
    Brand, BrandId, BrandName, BrandRow, BrandWriter, CMS_SUBSCRIBER, Changed, Created, Mark,
    MarkKind, MemoryBrandStore, Schedule, SubscriberState, Timestamp, WriteScope,
};
use circuit::{CircuitBreaker, CircuitConfig, CircuitGate, MemoryCircuitStore, Pace};
use cms::{Cms, CmsBrand, CmsEntry, CmsError, CmsPage, EntryRef, Faults, StubCms, UnlinkedPage};
use futures::{FutureExt, future::BoxFuture};
use reconcile::{
    Class, Conflicts, Edits, Inbox, Made, MemoryReconciliationStore, Orphans, Policies,
    ReconciliationStore, Report, Request,
};
use reconcile_brands::{Answer, CmsCaller, Event, ReconcileBrands};
use tokio::time::{Instant, sleep};
use workflow::Environment;

use crate::sync::{sync_one, write};

/// The runtime's clock.
pub(crate) struct Clock(Instant, AtomicU64);

impl Clock {
    /// Some moment in 2026.
    const START: u64 = 1_795_000_000_000;
}

impl Environment for Clock {
    fn now(&self) -> workflow::Timestamp {
        workflow::Timestamp::from_millis(Self::START).plus(self.0.elapsed())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        sleep(duration).boxed()
    }

    fn random(&self) -> u64 {
        self.1.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed)
    }
}

type OnRead = Box<dyn Fn(u64) + Send + Sync>;

/// The stub, whose answers take time, and during whose reads something may happen.
#[derive(Clone)]
pub(crate) struct SlowCms {
    stub: StubCms,
    takes: Arc<Mutex<Duration>>,
    reads: Arc<AtomicU64>,
    on_read: Arc<Mutex<Option<OnRead>>>,
}

impl SlowCms {
    async fn read(&self) {
        let number = self.reads.fetch_add(1, Relaxed) + 1;
        let takes = *self.takes.lock().unwrap();
        sleep(takes).await;
        if let Some(on_read) = &*self.on_read.lock().unwrap() {
            on_read(number);
        }
    }
}

#[async_trait]
impl Cms for SlowCms {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        self.stub.get_brand(id).await
    }

    async fn get_brands(&self, ids: &[String]) -> Result<Vec<CmsEntry>, CmsError> {
        let found = self.stub.get_brands(ids).await;
        self.read().await;
        found
    }

    async fn create_brand(&self, brand: &CmsBrand, key: &str) -> Result<CmsEntry, CmsError> {
        self.stub.create_brand(brand, key).await
    }

    async fn update_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        self.stub.update_brand(brand, entry, key).await
    }

    async fn delete_brand(&self, id: &str, key: &str) -> Result<(), CmsError> {
        self.stub.delete_brand(id, key).await
    }

    async fn list_brands(&self, after: Option<&str>, limit: u16) -> Result<CmsPage, CmsError> {
        let page = self.stub.list_brands(after, limit).await;
        self.read().await;
        page
    }

    async fn list_unlinked(
        &self,
        after: Option<&str>,
        limit: u16,
    ) -> Result<UnlinkedPage, CmsError> {
        let page = self.stub.list_unlinked(after, limit).await;
        self.read().await;
        page
    }
}

pub(crate) fn all_for_the_cms() -> Policies {
    Policies {
        edits: Edits::Accept,
        conflicts: Conflicts::Theirs,
        made: Made::Create,
        orphans: Orphans::Delete,
    }
}

pub(crate) fn all_for_us() -> Policies {
    Policies {
        edits: Edits::Overwrite,
        conflicts: Conflicts::Ours,
        ..all_for_the_cms()
    }
}

pub(crate) fn count(report: &Report, class: Class) -> u64 {
    report.counts.get(&class).copied().unwrap_or_default()
}

pub(crate) struct World {
    pub(crate) brands: MemoryBrandStore,
    pub(crate) cms: StubCms,
    pub(crate) slow: SlowCms,
    pub(crate) kept: Arc<MemoryReconciliationStore>,
    pub(crate) handler: Arc<ReconcileBrands<MemoryBrandStore>>,
    clock: Arc<Clock>,
}

impl World {
    pub(crate) fn new(policies: Policies) -> Self {
        Self::paced(policies, None)
    }

    pub(crate) fn paced(policies: Policies, rate: Option<f64>) -> Self {
        let cms = StubCms::new(None, Faults::default());
        Self::on(cms, policies, rate)
    }

    pub(crate) fn on(cms: StubCms, policies: Policies, rate: Option<f64>) -> Self {
        let clock = Arc::new(Clock(Instant::now(), AtomicU64::new(7)));
        let slow = SlowCms {
            stub: cms.clone(),
            takes: Arc::default(),
            reads: Arc::default(),
            on_read: Arc::default(),
        };
        let brands = MemoryBrandStore::new();
        let kept = Arc::new(MemoryReconciliationStore::default());
        let circuits = Arc::new(MemoryCircuitStore::default());
        let breaker = CircuitBreaker::new(circuits, CMS_SUBSCRIBER, CircuitConfig::default());
        let handler = ReconcileBrands {
            brands: brands.clone(),
            caller: CmsCaller {
                cms: Arc::new(slow.clone()),
                gate: CircuitGate::new(breaker),
                pace: Pace::new(rate),
                reports: None,
                timeout: Duration::from_secs(5),
                environment: clock.clone(),
            },
            kept: kept.clone(),
            inbox: kept.clone(),
            policies,
            target: "https://cms.example".to_owned(),
            absent_is_deleted: true,
        };
        Self {
            brands,
            cms,
            slow,
            kept,
            handler: Arc::new(handler),
            clock,
        }
    }

    /// With the same data, another policy.
    pub(crate) fn with_policies(self, policies: Policies) -> Self {
        self.with(|handler| handler.policies = policies)
    }

    pub(crate) fn where_absent_may_be_unpublished(self) -> Self {
        self.with(|handler| handler.absent_is_deleted = false)
    }

    fn with(mut self, change: impl FnOnce(&mut ReconcileBrands<MemoryBrandStore>)) -> Self {
        change(Arc::get_mut(&mut self.handler).unwrap());
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now().as_millis())
    }

    /// How long a read of the CMS takes.
    pub(crate) fn reads_take(&self, time: Duration) {
        *self.slow.takes.lock().unwrap() = time;
    }

    /// What happens at the end of each read, whose number it gets.
    pub(crate) fn on_read(&self, happens: impl Fn(u64) + Send + Sync + 'static) {
        *self.slow.on_read.lock().unwrap() = Some(Box::new(happens));
    }

    pub(crate) fn forget_on_read(&self) {
        *self.slow.on_read.lock().unwrap() = None;
    }

    pub(crate) fn reads(&self) -> u64 {
        self.slow.reads.load(Relaxed)
    }

    async fn invoke(&self, begin: bool) -> Answer {
        let deadline = self.now().plus(Duration::from_secs(55)).as_millis();
        let answer = self.handler.handle(Event { begin }, Some(deadline)).await;
        answer.unwrap()
    }

    /// The invocation of each minute.
    pub(crate) async fn tick(&self) -> Answer {
        self.invoke(false).await
    }

    /// That of the schedule, and those that go on with it.
    pub(crate) async fn reconcile(&self) -> Answer {
        let mut answer = self.invoke(true).await;
        for _ in 0..1_000 {
            if answer != Answer::UnderWay {
                return answer;
            }
            sleep(Duration::from_secs(10)).await;
            answer = self.tick().await;
        }
        panic!("it does not end")
    }

    pub(crate) async fn begin_or_tick(&self, begin: bool) -> Answer {
        self.invoke(begin).await
    }

    pub(crate) async fn begin(&self) -> Answer {
        self.invoke(true).await
    }

    pub(crate) async fn ask(&self, by: &str, dry_run: bool) {
        let request = Request {
            by: by.to_owned(),
            at: self.now(),
            dry_run,
        };
        self.kept.ask(CMS_SUBSCRIBER, &request).await.unwrap();
    }

    pub(crate) async fn report(&self) -> Report {
        let kept = self.kept.load(CMS_SUBSCRIBER).await.unwrap();
        kept.report.unwrap()
    }

    pub(crate) fn row(&self, id: BrandId) -> BrandRow {
        self.brands.row(id).unwrap()
    }

    pub(crate) fn name(&self, id: BrandId) -> String {
        self.row(id).brand.name.to_string()
    }

    /// So many brands, `Brand 0`, `Brand 1` …, that the CMS holds.
    pub(crate) async fn synced_brands(&self, count: usize) -> Vec<BrandId> {
        let mut ids = Vec::new();
        for number in 0..count {
            let name = BrandName::parse(format!("Brand {number}")).unwrap();
            let brand = Brand::new(name, self.now());
            assert_eq!(self.brands.create(&brand).await.unwrap(), Created::New);
            ids.push(brand.id);
        }
        self.sync().await;
        ids
    }

    pub(crate) async fn rename(&self, id: BrandId, name: &str) {
        let name = BrandName::parse(name).unwrap();
        let renamed = self.brands.update(id, &name, None, self.now()).await;
        assert!(matches!(renamed.unwrap(), Changed::Done(_)));
    }

    /// The brand is renamed here, and the CMS refuses that.
    pub(crate) async fn rename_refused(&self, id: BrandId) {
        self.rename(id, "Refused").await;
        self.refuse(id).await;
    }

    /// The CMS refuses the brand as it is.
    pub(crate) async fn refuse(&self, id: BrandId) {
        let row = self.row(id);
        let (version, now) = (row.brand.version, self.now());
        let mark = Mark::new(
            MarkKind::Refused,
            "the CMS refused it".to_owned(),
            now,
            version,
        );
        let state = SubscriberState {
            mark: Some(mark),
            ..row.subscriber(CMS_SUBSCRIBER)
        };
        let schedule = Schedule {
            attention_since: Some(now),
            ..Schedule::default()
        };
        self.write(&row, state, WriteScope::Schedule(version, schedule), None)
            .await;
    }

    /// The brand is deleted here, and its deletion synced; then the entry comes back, as a late create would make it.
    pub(crate) async fn delete_and_leave_there(&self, id: BrandId) {
        let deleted = self.brands.delete(id, None, self.now()).await.unwrap();
        assert!(matches!(deleted, Changed::Done(_)));
        self.sync_one(id).await;
        self.cms.add_entry("Late", Some(&id.to_string()));
    }

    /// An entry that bears the id of a brand which never was.
    pub(crate) fn orphan(&self, number: usize) -> BrandId {
        let id = BrandId::new(self.now());
        let name = format!("Orphan {number}");
        assert_eq!(
            self.cms.add_entry(&name, Some(&id.to_string())),
            id.to_string()
        );
        id
    }

    /// A worker is at the row.
    pub(crate) async fn lease(&self, id: BrandId) {
        let row = self.row(id);
        let until = self.now().plus(Duration::from_mins(1));
        let state = row.subscriber(CMS_SUBSCRIBER);
        self.write(&row, state, WriteScope::AnyVersion, Some(until))
            .await;
    }

    /// The sync has still to find out what the CMS holds.
    pub(crate) async fn doubt(&self, id: BrandId) {
        let row = self.row(id);
        let state = SubscriberState {
            in_doubt: true,
            reached: 0,
            ..row.subscriber(CMS_SUBSCRIBER)
        };
        self.write(&row, state, WriteScope::AnyVersion, None).await;
    }

    async fn write(
        &self,
        row: &BrandRow,
        state: SubscriberState,
        scope: WriteScope,
        until: Option<Timestamp>,
    ) {
        let token = self.clock.token();
        write(&self.brands, row, state, scope, (&token, until)).await;
    }

    /// Syncs every row that is due, as sync-brand does.
    pub(crate) async fn sync(&self) {
        for row in self.brands.all_rows() {
            if row.due_at.is_some() {
                self.sync_one(row.brand.id).await;
            }
        }
    }

    pub(crate) async fn sync_one(&self, id: BrandId) {
        sync_one(&self.brands, &self.cms, id, &self.clock.token()).await;
    }
}
