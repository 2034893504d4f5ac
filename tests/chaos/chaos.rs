//! What the proxies share: the plan, the series of draws, what was injected, and whether it is time for faults at all.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::{
    fault::{Fault, Injected},
    killer::Killer,
    plan::{Plan, Target},
};

/// What is let fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everything, as planned.
    Faulty,
    /// Nothing but what the CMS refuses on its own account.
    Settling,
    /// Nothing.
    Healthy,
}

/// A kind of fault, and how often of a thousand times it befalls a request.
pub(crate) type Odds = (Fault, u32);

/// A fault that has not occurred is so much more frequent.
const NEW: u32 = 10;

pub(crate) struct Chaos {
    pub(crate) injected: Injected,
    pub(crate) killer: Killer,
    plan: Plan,
    begun: OnceLock<Instant>,
    phase: Mutex<Phase>,
    draws: Mutex<Rng>,
}

impl Chaos {
    /// Faults that go on for `window`, or for `longest` where that does not suffice.
    pub(crate) fn new(seed: u64, window: Duration, longest: Duration, killer: Killer) -> Self {
        Self {
            injected: Injected::default(),
            killer,
            plan: Plan::new(seed, window, longest),
            begun: OnceLock::new(),
            phase: Mutex::new(Phase::Healthy),
            draws: Mutex::new(Rng::with_seed(seed)),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// Whether SQS takes no message now.
    pub(crate) fn is_out(&self) -> bool {
        self.phase() == Phase::Faulty && self.plan.is_out(self.since())
    }

    /// For how long there are faults.
    pub(crate) fn since(&self) -> Duration {
        self.begun.get().map(Instant::elapsed).unwrap_or_default()
    }

    /// From now on, there are faults.
    pub(crate) fn begin(&self) {
        self.begun.get_or_init(Instant::now);
        self.enter(Phase::Faulty);
    }

    /// The kinds of faults that have not occurred. republish-brands mostly runs for a moment: it need not be met.
    pub(crate) fn missing(&self) -> impl Iterator<Item = Fault> {
        let is_missing =
            |fault: &Fault| *fault != Fault::KilledRepublishBrands && self.injected.of(*fault) == 0;
        Fault::ALL.into_iter().filter(is_missing)
    }

    /// The fault that befalls a request to that target, if any; it is counted.
    pub(crate) fn strike(&self, target: Target, odds: &[Odds]) -> Option<Fault> {
        if self.phase() != Phase::Faulty {
            return None;
        }
        let gale = self.plan.gale(target, self.since());
        let mut drawn = self.draw(0..1000);
        let fault = odds.iter().find_map(|(fault, per_mille)| {
            let is_new = self.injected.of(*fault) == 0;
            let share = per_mille * gale * if is_new { NEW } else { 1 };
            let is_it = drawn < share;
            drawn = drawn.saturating_sub(share);
            is_it.then_some(*fault)
        })?;
        // What has never befallen anybody comes sooner, and first, so that a short run has all of it.
        let missing = odds
            .iter()
            .map(|(fault, _)| *fault)
            .find(|fault| self.injected.of(*fault) == 0);
        let fault = missing.unwrap_or(fault);
        self.injected.count(fault);
        Some(fault)
    }

    /// A number of the series.
    pub(crate) fn draw(&self, range: std::ops::Range<u32>) -> u32 {
        let mut draws = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
        draws.u32(range)
    }

    /// Up to that long.
    pub(crate) fn moment(&self, most: Duration) -> Duration {
        most * self.draw(0..1001) / 1000
    }
}
