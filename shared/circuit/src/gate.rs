//! The gate that the tasks of a process share.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::warn;
use workflow::Timestamp;

use crate::{
    Change, Circuit, CircuitBreaker, CircuitError, Failure, ProbeToken,
    breaker::{Seen, is_recent},
};

/// What a process asks before each call of the service, and reports to after it. It never fails: where the store is not available, it
/// allows calls, drops reports, and asks the store again ten seconds later.
pub struct CircuitGate {
    breaker: CircuitBreaker,
    known: Mutex<Known>,
    /// Held for each request to the store: the tasks of a process do not race each other, and one read serves all of them.
    turn: tokio::sync::Mutex<()>,
}

/// How often a process looks whether an operator has opened the circuit, while it takes it for closed.
const LOOK: Duration = Duration::from_mins(1);

#[derive(Default)]
struct Known {
    seen: Seen,
    /// When the circuit was last read, or first taken for closed.
    looked_at: Option<Timestamp>,
    /// When the store failed the last time.
    store_failed_at: Option<Timestamp>,
}

/// Whether the service may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Allowed,
    /// It must not: the circuit is open.
    Open {
        /// When the gate will read the circuit again.
        until: Timestamp,
    },
}

impl Known {
    fn permit(&self, now: Timestamp, probe: Option<&ProbeToken>) -> Permit {
        if self.seen.circuit.allows(probe) {
            return Permit::Allowed;
        }
        // Where the store cannot be asked, an old "open" does not hold calls back.
        let until = self.seen.trusted_until(now);
        until.map_or(Permit::Allowed, |until| Permit::Open { until })
    }

    /// Whether the store need not be asked: the circuit was closed a minute ago at most, or open a moment ago. A probe may have begun
    /// since then, so the store is asked before one is turned away.
    fn is_certain(&self, now: Timestamp, probe: Option<&ProbeToken>) -> bool {
        let is_trusted = self.seen.trusted_until(now).is_some();
        let is_allowed = self.seen.circuit.allows(probe);
        match probe {
            None => is_allowed && !self.is_look_due(now) || is_trusted,
            Some(_) => is_allowed && is_trusted,
        }
    }

    fn is_look_due(&self, now: Timestamp) -> bool {
        self.looked_at.is_some_and(|at| at.until(now) >= LOOK)
    }

    fn is_store_away(&self, now: Timestamp) -> bool {
        self.store_failed_at.is_some_and(|at| is_recent(at, now))
    }
}

impl CircuitGate {
    /// How long after the circuit opened the first probe comes.
    #[must_use]
    pub const fn first_probe_after(&self) -> Duration {
        self.breaker.config().probe_first
    }

    /// The gate to the circuit, which it takes for closed.
    #[must_use]
    pub fn new(breaker: CircuitBreaker) -> Self {
        Self {
            breaker,
            known: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Whether the service may be called now. A process that takes the circuit for closed reads it once a minute, and not at its
    /// start; one that knows it to be open, once in ten seconds.
    pub async fn permit(&self, now: Timestamp, probe: Option<&ProbeToken>) -> Permit {
        if let Some(permit) = self.known_permit(now, probe) {
            return permit;
        }
        let _turn = self.turn.lock().await;
        // Another task may have read it meanwhile.
        if let Some(permit) = self.known_permit(now, probe) {
            return permit;
        }
        let looked = self.breaker.load().await;
        self.known().looked_at = Some(now);
        match looked {
            Ok(circuit) => self.known().seen = Seen::at(circuit, now),
            Err(error) => self.note(&error, now),
        }
        self.known().permit(now, probe)
    }

    /// Report each attempt at a call that failed and may succeed later, as soon as it has failed.
    pub async fn failed(&self, failure: Failure<'_>, now: Timestamp) -> Option<Change> {
        let config = self.breaker.config();
        self.change(now, |circuit| circuit.fail(&failure, now, config))
            .await
    }

    /// Report that the service answered. A refusal is an answer, too: it shows that the service is there. No request while this
    /// process knows of no failure.
    pub async fn succeeded(&self, now: Timestamp, probe: Option<&ProbeToken>) -> Option<Change> {
        if probe.is_none() && !self.known().seen.circuit.has_failing(now) {
            return None;
        }
        self.change(now, |circuit| circuit.succeed(probe, now))
            .await
    }

    async fn change(
        &self,
        now: Timestamp,
        transition: impl Fn(&mut Circuit) -> Option<Change> + Send + Sync,
    ) -> Option<Change> {
        let _turn = self.turn.lock().await;
        if self.known().is_store_away(now) {
            return None;
        }
        let mut seen = self.known().seen.clone();
        let change = self.breaker.change(&mut seen, now, transition).await;
        self.known().seen = seen;
        change.unwrap_or_else(|error| {
            self.note(&error, now);
            None
        })
    }

    fn known_permit(&self, now: Timestamp, probe: Option<&ProbeToken>) -> Option<Permit> {
        let mut known = self.known();
        known.looked_at.get_or_insert(now);
        let is_known = known.is_certain(now, probe) || known.is_store_away(now);
        is_known.then(|| known.permit(now, probe))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, error: &CircuitError, now: Timestamp) {
        let (circuit, error) = (self.breaker.id(), telemetry::chain(error));
        warn!(
            circuit,
            error, "circuit not available: calls are allowed, reports are lost"
        );
        self.known().store_failed_at = Some(now);
    }
}

#[cfg(test)]
mod tests;
