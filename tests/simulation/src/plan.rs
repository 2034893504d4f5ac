//! What goes wrong in a world, and how often: drawn from the seed, or nothing at all.

use std::{ops::Range, sync::Mutex, time::Duration};

use reconcile::{Conflicts, Edits, Made, Orphans, Policies};

/// The one source of chance.
pub(crate) struct Chance(Mutex<fastrand::Rng>);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    pub(crate) fn random(&self) -> u64 {
        self.0.lock().unwrap().u64(..)
    }

    pub(crate) fn below(&self, limit: usize) -> usize {
        self.0.lock().unwrap().usize(..limit)
    }

    pub(crate) fn permille(&self, rate: usize) -> bool {
        rate > 0 && self.below(1000) < rate
    }

    pub(crate) fn millis(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.0.lock().unwrap().u64(range))
    }

    pub(crate) fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

macro_rules! faults {
    ($($name:ident: $most:literal, $text:literal;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault { $($name),* }

        impl Fault {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// How often it happens at most, in 1,000 occasions.
            const fn most(self) -> usize {
                match self { $(Self::$name => $most),* }
            }
        }
    };
}

faults! {
    MessageLost: 500, "message lost";
    MessageDoubled: 500, "message doubled";
    MessageOutOfOrder: 1000, "message out of order";
    MessageLate: 300, "message late by minutes";
    MessageWeekLate: 100, "message late by a week";
    MessageRedelivered: 300, "acknowledged message delivered again";
    SendUnanswered: 300, "sending a message not answered";
    ParkingFailed: 300, "dead-letter queue not available";
    Poison: 200, "message that is not an event";
    DeadLettered: 0, "message dead-lettered after five crashes";
    StoreThrottled: 150, "DynamoDB throttled";
    StoreReplyLost: 150, "DynamoDB write made, reply lost";
    StoreWriteLate: 100, "DynamoDB write made after its error";
    StoreSlow: 100, "DynamoDB slow";
    StoreAway: 0, "DynamoDB away";
    CmsAway: 0, "CMS away";
    CmsFailed: 300, "CMS answered with a failure, kept under its key";
    CmsFailureReplayed: 0, "CMS repeated the failure of a key";
    CmsFailedAfterActing: 150, "CMS acted and answered with a failure";
    CmsLimited: 150, "CMS limited the rate";
    CmsBeyondLimit: 0, "CMS refused a request beyond its limit";
    CmsRequestLost: 200, "CMS never got the request";
    CmsReplyLost: 200, "CMS acted, answer lost";
    CmsLateEffect: 200, "CMS acted after its caller gave up";
    CmsSlow: 200, "CMS slow";
    CmsHung: 150, "CMS did not answer";
    CmsPage: 150, "CMS answered with a maintenance page";
    CmsEdited: 200, "editor changed an entry of the CMS";
    CmsConflict: 0, "CMS held another state than supposed";
    CmsNameTaken: 100, "CMS refused a name that another entry has";
    CmsForbidden: 100, "CMS forbade a request";
    CmsRefused: 150, "CMS refused a request";
    CmsRefusedUndo: 900, "CMS refused a compensation";
    SearchFailed: 300, "second subscriber failed";
    SearchRefused: 100, "second subscriber refused";
    ProcessKilled: 400, "process killed";
    ProcessStoodStill: 200, "process stood still past its lease";
    ClockOff: 0, "worker with a wrong clock";
    OperatorCircuit: 0, "circuit opened and closed by hand";
    OperatorTakesUp: 0, "brand taken up by hand meanwhile";
    EditorRenamed: 0, "editor renamed an entry";
    EditorDeleted: 0, "editor deleted an entry";
    EditorMade: 0, "editor made an entry";
    EditorRestored: 0, "editor restored a deleted entry";
    WebhookLost: 500, "webhook of the CMS lost";
    CmsOverwriteAverted: 0, "CMS kept an editor's change from a request that came later";
    ReconcilerKilled: 300, "reconciliation killed";
    ReconcilerStoodStill: 200, "reconciliation stood still past its lease";
    ReconciliationStopped: 0, "reconciliation stopped by a guard";
    Repaired: 0, "difference mended";
}

/// What a simulated CMS that is away does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    Unreachable,
    Unavailable,
    Hanging,
    Unauthorized,
    /// 500 for everything, kept under the key.
    Failing,
    /// A maintenance page for everything.
    Page,
    /// 503 for every write; reads are answered.
    ReadOnly,
}

/// A time span, from the world's beginning.
pub(crate) type Span = Range<Duration>;

/// What a world is like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// How often each fault happens, in 1,000 occasions.
    pub(crate) rates: Vec<usize>,
    pub(crate) brands: usize,
    /// In what time clients do all that they do.
    pub(crate) busy: Duration,
    pub(crate) workers: usize,
    pub(crate) has_second_subscriber: bool,
    /// By how much a worker's clock is off at most, in milliseconds.
    pub(crate) clocks_off: u64,
    /// How long after its caller has given up a request to the CMS still acts, at most.
    pub(crate) late: Duration,
    /// How many requests the CMS takes in any second, if it has a limit.
    pub(crate) cms_limit: Option<usize>,
    /// `CmsRequestsPerSecond`, if it is set.
    pub(crate) configured_rate: Option<u32>,
    pub(crate) cms_away: Vec<(Span, Away)>,
    pub(crate) store_away: Vec<Span>,
    /// When within its minute the sweep runs.
    pub(crate) sweep_at: Duration,
    /// Whether clients change and delete brands, and use names that the CMS refuses.
    pub(crate) clients_change: bool,
    pub(crate) operator_meddles: bool,
    /// What editors of the CMS do meanwhile, if there are any.
    pub(crate) editors: Option<Editors>,
    /// By what the CMS sees that an entry is another than a request supposes.
    pub(crate) cms_compares: Compares,
}

/// By what a CMS tells two states of an entry apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compares {
    /// Each has a revision of its own.
    Revisions,
    Names,
    /// It does not: a mistake that tests make.
    Nothing,
}

/// Editors of the CMS, and what follows from what they do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Editors {
    /// How many changes they make.
    pub(crate) acts: usize,
    pub(crate) policies: Policies,
    /// A mistake that tests make: the reconciliation follows these policies instead.
    pub(crate) reconciler: Option<Policies>,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

impl Plan {
    /// A world in which nothing goes wrong.
    #[cfg(test)]
    pub(crate) fn calm(seed: u64) -> Self {
        let chance = Chance::new(seed);
        Self {
            seed,
            rates: vec![0; Fault::ALL.len()],
            brands: 0,
            busy: Duration::from_secs(1),
            workers: 3,
            has_second_subscriber: false,
            clocks_off: 0,
            late: Duration::from_secs(1),
            cms_limit: None,
            configured_rate: None,
            cms_away: Vec::new(),
            store_away: Vec::new(),
            sweep_at: chance.millis(0..60_000),
            clients_change: false,
            operator_meddles: false,
            editors: None,
            cms_compares: Compares::Revisions,
        }
    }

    /// A worker's share of the configured rate.
    pub(crate) fn share_of_rate(&self) -> Option<f64> {
        let workers = f64::from(u32::try_from(self.workers).unwrap());
        self.configured_rate.map(|rate| f64::from(rate) / workers)
    }

    /// The world of that seed. Each has some of the faults, so that rare meetings of two of them are not drowned by the rest.
    pub(crate) fn of_seed(seed: u64) -> Self {
        let chance = Chance::new(seed);
        let rates = Fault::ALL.iter().map(|fault| {
            let share = chance.one_of(&[0, 0, 1, 3, 10]);
            (fault.most() * share).div_ceil(10)
        });
        let mut rates: Vec<usize> = rates.collect();
        // A week is long: few worlds have one.
        if !chance.permille(15) {
            rates[Fault::MessageWeekLate as usize] = 0;
        }
        let busy = chance.one_of(&[5, 2 * MINUTE, 20 * MINUTE, 2 * HOUR]);
        let span = |lengths: &[u64]| {
            let from = chance.millis(0..busy * 1000);
            let length = chance.one_of(lengths);
            from..from + Duration::from_secs(length)
        };
        let away = chance.one_of(&[
            Away::Unreachable,
            Away::Unavailable,
            Away::Hanging,
            Away::Unauthorized,
            Away::Failing,
            Away::Page,
            Away::ReadOnly,
        ]);
        let lengths: &[u64] = if chance.permille(15) {
            &[24 * HOUR, 80 * HOUR]
        } else {
            &[20, 2 * MINUTE, 20 * MINUTE, 3 * HOUR]
        };
        let cms_away = chance.permille(400).then(|| (span(lengths), away));
        let editors = chance.permille(500).then(|| Editors {
            acts: 1 + chance.below(8),
            policies: Policies {
                edits: chance.one_of(Edits::ALL),
                conflicts: chance.one_of(Conflicts::ALL),
                made: chance.one_of(Made::ALL),
                orphans: chance.one_of(Orphans::ALL),
            },
            reconciler: None,
        });
        let store_away = chance.permille(150).then(|| span(&[10, MINUTE, HOUR]));
        // Margins cover the difference between two clocks and late effects together: five seconds.
        let clocks_off = chance.one_of(&[0, 1000, 2000]);
        // A write that an editor was faster than takes a read before it and one behind it. A process that makes fewer than one call
        // a second never gets to the last one: it would not come to rest.
        let (least, least_rate) = if editors.is_some() { (5, 10) } else { (1, 1) };
        Self {
            seed,
            brands: 1 + chance.below(8),
            busy: Duration::from_secs(busy),
            workers: 2 + chance.below(3),
            has_second_subscriber: chance.permille(300),
            clocks_off,
            late: Duration::from_millis(4_900 - 2 * clocks_off),
            cms_limit: chance.one_of(&[None, None, None, Some(least), Some(5)]),
            configured_rate: chance.one_of(&[None, None, None, Some(least_rate), Some(10)]),
            cms_away: cms_away.into_iter().collect(),
            store_away: store_away.into_iter().collect(),
            sweep_at: chance.millis(0..60_000),
            clients_change: true,
            operator_meddles: chance.permille(200),
            editors,
            cms_compares: if editors.is_some() && chance.permille(400) {
                Compares::Names
            } else {
                Compares::Revisions
            },
            rates,
        }
    }
}
