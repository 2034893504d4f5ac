//! The state of a circuit and its transitions, without I/O: each answers what it changed, or `None` where there is nothing to write.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use workflow::Timestamp;

/// How long failures of different keys count together.
const WINDOW: Duration = Duration::from_mins(1);
/// How long a probe has for its verdict before another one may begin.
const PROBE_LEASE: Duration = Duration::from_mins(1);
/// How early a probe may begin: the sweep runs once a minute, but not to the millisecond.
const SLACK: Duration = Duration::from_secs(5);
/// The longest wait for a probe that a service may ask for with `Retry-After`. A wild value must not keep it from being called for
/// years.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// How many characters of a cause, a reason or an operator's name are kept.
const TEXT: usize = 200;

/// When a circuit opens, and how often it is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitConfig {
    /// How many different keys fail within a minute, with no success in between, before the circuit opens.
    pub failures: usize,
    /// How long after the circuit opened the first probe comes. The wait doubles with each probe that fails.
    pub probe_first: Duration,
    /// The longest wait between two probes.
    pub probe_max: Duration,
}

impl Default for CircuitConfig {
    fn default() -> Self {
        Self {
            failures: 5,
            probe_first: Duration::from_mins(1),
            probe_max: Duration::from_mins(15),
        }
    }
}

impl CircuitConfig {
    fn wait(&self, failed: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failed).unwrap_or(u32::MAX);
        self.probe_first.saturating_mul(doubled).min(self.probe_max)
    }
}

/// A circuit: closed until it has an [`Opening`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    /// Random, and another one with each write; `None` where the circuit has not been written.
    pub revision: Option<String>,
    /// Why and since when the circuit is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Opening>,
    /// The keys that failed since the last reported success, and when. An entry counts for a minute. Empty while it is open.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failing: BTreeMap<String, Timestamp>,
    /// How the circuit was closed the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closing>,
}

/// Why and since when a circuit is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The latest failure, or the operator's reason; at most 200 characters.
    pub cause: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Who opened it, and so who may close it.
    pub by: OpenedBy,
    /// Which operator opened it: a user's id, or the name of a program; at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// Who opened a circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenedBy {
    /// Failures opened it. A probe closes it, or an operator.
    System(Probing),
    /// An operator opened it, and only an operator closes it.
    Operator,
}

/// The probes of a circuit that failures have opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probing {
    /// When the next probe may begin: as [`CircuitConfig`] says, and not before the service's `Retry-After`, of which at most 24
    /// hours count.
    pub probe_at: Timestamp,
    /// The wait for it, in milliseconds. A moment that is further ahead was written by a wrong clock. An older item does not say
    /// the wait, which is at most [`CircuitConfig::probe_max`] then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_millis: Option<u64>,
    /// How many probes have failed.
    pub failed_probes: u32,
    /// The probe that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<ProbeLease>,
}

/// The right to call the service while the circuit is open, and to close it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeLease {
    /// The token of the probe that holds it.
    pub token: ProbeToken,
    /// When another probe may take it.
    pub until: Timestamp,
}

/// The random name of a probe. It travels in the message that asks for the probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProbeToken(String);

impl ProbeToken {
    /// The token of that text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ProbeToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How a circuit was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Who closed it.
    pub by: ClosedBy,
    /// Which operator closed it: a user's id, or the name of a program; at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The operator's reason, at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was closed.
    pub closed_at: Timestamp,
}

/// Who closed a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBy {
    /// A probe that succeeded.
    Probe,
    /// An operator.
    Operator,
}

/// A call that failed and may succeed later.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// What the call was for; `None` where a call for anything would have failed, since the service refused our credentials. That
    /// opens the circuit at once.
    pub key: Option<&'a str>,
    /// Why it failed.
    pub cause: &'a str,
    /// For how long the service asked not to be called. Where the failure opens the circuit or is a probe's, the next probe waits
    /// for that, up to 24 hours.
    pub retry_after: Option<Duration>,
    /// The token of the probe that made the call, if a probe made it.
    pub probe: Option<&'a ProbeToken>,
}

impl Failure<'_> {
    fn asked_for(&self) -> Duration {
        self.retry_after.unwrap_or_default().min(LONGEST_WAIT)
    }
}

/// What a report or a command changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One more key is failing.
    Counted,
    /// No key is failing any more.
    Cleared,
    /// The circuit is open now, or an operator has taken it over.
    Opened,
    /// A probe has begun.
    ProbeBegun,
    /// The probe failed: the circuit stays open for longer.
    ProbeFailed,
    /// The circuit is closed now.
    Closed,
}

impl Circuit {
    /// Whether only a probe may call the service.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How long it has been open; zero for a closed circuit.
    #[must_use]
    pub fn open_for(&self, now: Timestamp) -> Duration {
        let opening = self.open.as_ref();
        opening.map_or(Duration::ZERO, |opening| opening.opened_at.until(now))
    }

    /// Whether that probe, or a caller without one, may call the service.
    pub(crate) fn allows(&self, probe: Option<&ProbeToken>) -> bool {
        self.open
            .as_ref()
            .is_none_or(|opening| opening.is_held_by(probe))
    }

    /// Whether a success would clear failures that still count.
    pub(crate) fn has_failing(&self, now: Timestamp) -> bool {
        self.failing.values().any(|at| counts(*at, now))
    }

    /// Counts a call that failed.
    ///
    /// The last failure and a success may be reported at once. The one whose write is refused decides again on what the other wrote:
    ///
    /// ```text
    /// failure: read four failing ──► open ──► stored
    /// success: read four failing ─────────────────► clear: refused; decided again: an open circuit is not cleared
    /// ```
    pub(crate) fn fail(
        &mut self,
        failure: &Failure<'_>,
        now: Timestamp,
        config: &CircuitConfig,
    ) -> Option<Change> {
        if let Some(opening) = &mut self.open {
            return opening.fail_probe(failure, now, config);
        }
        if let Some(key) = failure.key {
            self.failing.retain(|_, at| counts(*at, now));
            if self.failing.contains_key(key) {
                return None;
            }
            self.failing.insert(key.to_owned(), now);
            if self.failing.len() < config.failures {
                return Some(Change::Counted);
            }
        }
        let wait = config.wait(0).max(failure.asked_for());
        let by = OpenedBy::System(Probing {
            probe_at: now.plus(wait),
            wait_millis: Some(millis(wait)),
            failed_probes: 0,
            lease: None,
        });
        Some(self.open(by, None, failure.cause, now))
    }

    /// Notes that a call succeeded. A call that began before the circuit opened does not close it. Nor does a probe that comes too
    /// late, after another probe has begun or an operator has opened the circuit:
    ///
    /// ```text
    /// probe:    begin, token a ──► call ──────────────────► succeeds: there is no token a, nothing is changed
    /// operator:                      └──► open ──► stored
    /// ```
    pub(crate) fn succeed(&mut self, probe: Option<&ProbeToken>, now: Timestamp) -> Option<Change> {
        if self.is_open() && self.allows(probe) {
            return self.close(ClosedBy::Probe, None, None, now);
        }
        self.has_failing(now).then(|| {
            self.failing.clear();
            Change::Cleared
        })
    }

    /// Begins a probe where one is due. Two sweeps may do so at once; one of them decides again and finds the other's lease:
    ///
    /// ```text
    /// one:    read, no lease ──► lease, token a ──► stored
    /// other:  read, no lease ───────────────────────► lease, token b: refused; decided again: a's lease is in force
    /// ```
    pub(crate) fn begin_probe(
        &mut self,
        token: &ProbeToken,
        now: Timestamp,
        config: &CircuitConfig,
    ) -> Option<Change> {
        let OpenedBy::System(probing) = &mut self.open.as_mut()?.by else {
            return None;
        };
        let leased_until = probing.lease.as_ref().map(|lease| lease.until);
        let is_leased = leased_until.is_some_and(|until| is_ahead(until, PROBE_LEASE, now));
        if is_leased || is_ahead(probing.probe_at, probing.wait(config), now) {
            return None;
        }
        probing.lease = Some(ProbeLease {
            token: token.clone(),
            until: now.plus(PROBE_LEASE),
        });
        Some(Change::ProbeBegun)
    }

    pub(crate) fn open(
        &mut self,
        by: OpenedBy,
        operator: Option<&str>,
        cause: &str,
        now: Timestamp,
    ) -> Change {
        self.failing.clear();
        self.open = Some(Opening {
            by,
            operator: operator.map(cut),
            cause: cut(cause),
            opened_at: now,
        });
        Change::Opened
    }

    pub(crate) fn close(
        &mut self,
        by: ClosedBy,
        operator: Option<&str>,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Option<Change> {
        self.open.take()?;
        self.closed = Some(Closing {
            by,
            operator: operator.map(cut),
            reason: reason.map(cut),
            closed_at: now,
        });
        Some(Change::Closed)
    }
}

impl Opening {
    /// The probes; `None` where an operator opened the circuit.
    #[must_use]
    pub const fn probing(&self) -> Option<&Probing> {
        match &self.by {
            OpenedBy::System(probing) => Some(probing),
            OpenedBy::Operator => None,
        }
    }

    /// Whether that token is the current probe's.
    fn is_held_by(&self, probe: Option<&ProbeToken>) -> bool {
        let lease = self.probing().and_then(|probing| probing.lease.as_ref());
        lease.is_some_and(|lease| Some(&lease.token) == probe)
    }

    /// Lengthens the wait for the next probe. A probe may fail long after its lease ran out, when another one is under way:
    ///
    /// ```text
    /// first:   begin, token a ──► call … lease over ────────────────► fails: the token is b, nothing is changed
    /// second:                                   └──► begin, token b ──► call ──► succeeds: closed
    /// ```
    fn fail_probe(
        &mut self,
        failure: &Failure<'_>,
        now: Timestamp,
        config: &CircuitConfig,
    ) -> Option<Change> {
        let OpenedBy::System(probing) = &mut self.by else {
            return None;
        };
        let is_current = |lease: &mut ProbeLease| Some(&lease.token) == failure.probe;
        let lease = probing.lease.take_if(is_current)?;
        probing.failed_probes = probing.failed_probes.saturating_add(1);
        // From when the probe began: one that waited for its time-out would miss the sweep's minute, and the next one.
        let begun_at = lease.until.minus(PROBE_LEASE);
        let (wait, asked_for) = (config.wait(probing.failed_probes), failure.asked_for());
        probing.probe_at = begun_at.plus(wait).max(now.plus(asked_for));
        probing.wait_millis = Some(millis(wait.max(asked_for)));
        self.cause = cut(failure.cause);
        Some(Change::ProbeFailed)
    }
}

impl Probing {
    /// The longest time for which `probe_at` can be ahead.
    fn wait(&self, config: &CircuitConfig) -> Duration {
        self.wait_millis
            .map_or(config.probe_max, Duration::from_millis)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether a failure is at most a minute old. A wrong clock wrote one that lies further in the future.
fn counts(at: Timestamp, now: Timestamp) -> bool {
    at.until(now) <= WINDOW && now.until(at) <= WINDOW
}

/// Whether a moment is still ahead. One further ahead than `longest` was written by a wrong clock and counts as past, so that a
/// clock which is a year ahead does not hold the circuit open for a year.
fn is_ahead(moment: Timestamp, longest: Duration, now: Timestamp) -> bool {
    let ahead = now.until(moment);
    ahead > SLACK && ahead <= longest.saturating_add(SLACK)
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

#[cfg(test)]
mod tests;
