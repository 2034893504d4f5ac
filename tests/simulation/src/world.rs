//! A world: everything that the handlers reach, one clock, and one source of chance.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use brand::{Brand, BrandId, MemoryBrandStore, Timestamp};
use circuit::{CircuitBreaker, CircuitConfig, CircuitStore, MemoryCircuitStore};
use futures::{FutureExt, future::BoxFuture};
use reconcile::{MemoryReconciliationStore, Policies};
use tokio::time::Instant;
use workflow::Environment;

use crate::{
    cms::CmsServer,
    plan::{Chance, Fault, Plan, Span},
    queue::Queue,
    search::SearchServer,
    story::Story,
};

/// Some moment in 2026.
const START: u64 = 1_790_000_000_000;

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) chance: Chance,
    pub(crate) story: Story,
    pub(crate) begun: Instant,
    /// Set once nothing goes wrong any more.
    pub(crate) is_calm: AtomicBool,
    pub(crate) brands: MemoryBrandStore,
    pub(crate) circuits: MemoryCircuitStore,
    pub(crate) reconciliations: MemoryReconciliationStore,
    /// Whether the next invocation of the reconciliation begins one.
    pub(crate) reconcile: AtomicBool,
    pub(crate) queue: Queue,
    pub(crate) cms: CmsServer,
    pub(crate) search: SearchServer,
    /// The brands by their ids, and the version that a client has had acknowledged.
    pub(crate) acknowledged: Mutex<BTreeMap<BrandId, u32>>,
    names: Mutex<BTreeMap<String, String>>,
}

impl World {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self {
            // The plan has been drawn from the seed itself.
            chance: Chance::new(plan.seed ^ 0x5eed),
            plan,
            story: Story::default(),
            begun: Instant::now(),
            is_calm: AtomicBool::new(false),
            brands: MemoryBrandStore::new(),
            circuits: MemoryCircuitStore::new(),
            reconciliations: MemoryReconciliationStore::default(),
            reconcile: AtomicBool::new(false),
            queue: Queue::default(),
            cms: CmsServer::default(),
            search: SearchServer::default(),
            acknowledged: Mutex::default(),
            names: Mutex::default(),
        })
    }

    /// How long the world has lasted.
    pub(crate) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The true time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(START + u64::try_from(self.age().as_millis()).unwrap())
    }

    pub(crate) fn tell(&self, who: impl fmt::Display, what: impl fmt::Display) {
        self.story.tell(self.age(), who, what);
    }

    pub(crate) fn break_promise(&self, what: impl fmt::Display) {
        self.story.break_promise(self.age(), &what.to_string());
    }

    /// Whether nothing goes wrong any more.
    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Relaxed)
    }

    /// What follows from what editors do.
    pub(crate) fn policies(&self) -> Policies {
        let editors = self.plan.editors.as_ref();
        editors.map(|editors| editors.policies).unwrap_or_default()
    }

    /// Whether that fault happens now.
    pub(crate) fn strikes(&self, fault: Fault) -> bool {
        let rate = self.plan.rates[fault as usize];
        let strikes = !self.is_calm() && self.chance.permille(rate);
        if strikes {
            self.story.count(fault);
        }
        strikes
    }

    /// Whether something is away now.
    pub(crate) fn is_within(&self, span: &Span) -> bool {
        span.contains(&self.age())
    }

    /// The circuit, as the sweep and an operator have it.
    pub(crate) fn breaker(self: &Arc<Self>, store: Arc<dyn CircuitStore>) -> CircuitBreaker {
        let world = Arc::clone(self);
        CircuitBreaker::new(store, brand::CMS_SUBSCRIBER, CircuitConfig::default())
            .with_random(Arc::new(move || world.chance.random()))
    }

    /// A client has had a version acknowledged.
    pub(crate) fn acknowledge(&self, brand: &Brand) {
        let mut acknowledged = self.acknowledged.lock().unwrap();
        let version = acknowledged.entry(brand.id).or_default();
        *version = brand.version.max(*version);
    }

    /// Gives a brand a short name for the story.
    pub(crate) fn name(&self, id: BrandId, name: String) {
        self.names.lock().unwrap().insert(id.to_string(), name);
    }

    /// A brand's short name.
    pub(crate) fn of(&self, id: impl fmt::Display) -> String {
        let names = self.names.lock().unwrap();
        let name = names.get(&id.to_string()).cloned();
        name.unwrap_or_else(|| "no brand".to_owned())
    }
}

/// A worker's clock, which may be off.
pub(crate) struct Clock {
    pub(crate) world: Arc<World>,
    /// By how many milliseconds it is ahead.
    ahead: i64,
}

impl Clock {
    pub(crate) fn new(world: &Arc<World>) -> Self {
        let off = world.plan.clocks_off;
        let ahead = match off {
            0 => 0,
            _ => world.chance.random() % (2 * off + 1),
        };
        let ahead = i64::try_from(ahead).unwrap() - i64::try_from(off).unwrap();
        if ahead != 0 {
            world.story.count(Fault::ClockOff);
        }
        Self {
            world: Arc::clone(world),
            ahead,
        }
    }
}

impl Environment for Clock {
    fn now(&self) -> workflow::Timestamp {
        let now = self.world.now().as_millis();
        workflow::Timestamp::from_millis(now.saturating_add_signed(self.ahead))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }

    fn random(&self) -> u64 {
        self.world.chance.random()
    }
}
