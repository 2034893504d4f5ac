//! Changes to the circuit that all processes share: decide, write on condition, and decide again if another process was faster.

use std::{sync::Arc, time::Duration};

use tracing::{info, warn};
use workflow::Timestamp;

use crate::{
    Change, Circuit, CircuitConfig, CircuitError, CircuitStore, ClosedBy, Committed, OpenedBy,
    ProbeToken,
};

/// How long a process trusts what it has read, and leaves alone a store that has failed.
const TRUST: Duration = Duration::from_secs(10);
/// How many times a change is decided before it is given up. Each conflict means that another process has written its change, and
/// a few of those open the circuit.
const DECISIONS: usize = 10;

/// The circuit of one service, for the sweep and for operators.
#[derive(Clone)]
pub struct CircuitBreaker {
    store: Arc<dyn CircuitStore>,
    id: Arc<str>,
    config: CircuitConfig,
    random: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// What a process knows of the circuit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) circuit: Circuit,
    /// When it was read or written; `None` where it is only assumed.
    at: Option<Timestamp>,
}

impl Seen {
    pub(crate) const fn at(circuit: Circuit, at: Timestamp) -> Self {
        Self {
            circuit,
            at: Some(at),
        }
    }

    /// When the trust in it ends; `None` if it has ended.
    pub(crate) fn trusted_until(&self, now: Timestamp) -> Option<Timestamp> {
        let at = self.at?;
        is_recent(at, now).then(|| at.plus(TRUST))
    }
}

/// Whether a moment is less than ten seconds away. One that lies ahead was noted by a task that began a little later.
pub(crate) fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    at.until(now) < TRUST && now.until(at) < TRUST
}

impl CircuitBreaker {
    /// The circuit of that name in the store.
    #[must_use]
    pub fn new(
        store: Arc<dyn CircuitStore>,
        id: impl Into<Arc<str>>,
        config: CircuitConfig,
    ) -> Self {
        Self {
            store,
            id: id.into(),
            config,
            random: Arc::new(|| fastrand::u64(..)),
        }
    }

    /// Takes the randomness for tokens from another source.
    #[must_use]
    pub fn with_random(self, random: Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self { random, ..self }
    }

    /// The circuit as it is. One request.
    pub async fn load(&self) -> Result<Circuit, CircuitError> {
        self.store.load(&self.id).await
    }

    /// Begins a probe if one is due: the holder of the token may call the service, and closes the circuit. Pass the circuit that has
    /// just been loaded. One request if a probe is due, else none.
    pub async fn begin_probe(
        &self,
        circuit: &Circuit,
        now: Timestamp,
    ) -> Result<Option<ProbeToken>, CircuitError> {
        let token = ProbeToken::new(self.token());
        let mut seen = Seen::at(circuit.clone(), now);
        let begin = |circuit: &mut Circuit| circuit.begin_probe(&token, now, &self.config);
        let change = self.change(&mut seen, now, begin).await?;
        Ok(change.map(|_| token))
    }

    /// Opens the circuit until an operator closes it, also where failures had opened it. `operator` says who does it.
    pub async fn open(
        &self,
        operator: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<Change>, CircuitError> {
        let by = OpenedBy::Operator;
        let open =
            |circuit: &mut Circuit| Some(circuit.open(by.clone(), Some(operator), reason, now));
        self.change(&mut Seen::default(), now, open).await
    }

    /// Closes the circuit, also one that an operator opened. `operator` says who does it. `None`: it was closed already.
    pub async fn close(
        &self,
        operator: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<Change>, CircuitError> {
        let by = ClosedBy::Operator;
        let close = |circuit: &mut Circuit| circuit.close(by, Some(operator), Some(reason), now);
        self.change(&mut Seen::default(), now, close).await
    }

    pub(crate) const fn config(&self) -> &CircuitConfig {
        &self.config
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Changes the circuit and answers what was changed. The first decision may rest on old knowledge, since the write is conditional;
    /// the decision to write nothing rests on fresh knowledge only.
    pub(crate) async fn change(
        &self,
        seen: &mut Seen,
        now: Timestamp,
        transition: impl Fn(&mut Circuit) -> Option<Change> + Send + Sync,
    ) -> Result<Option<Change>, CircuitError> {
        for _ in 0..DECISIONS {
            let mut next = seen.circuit.clone();
            let Some(change) = transition(&mut next) else {
                if seen.trusted_until(now).is_some() {
                    return Ok(None);
                }
                *seen = Seen::at(self.load().await?, now);
                continue;
            };
            next.revision = Some(self.token());
            let expected = seen.circuit.revision.as_deref();
            match self.store.commit(&self.id, &next, expected).await? {
                Committed::Applied => {
                    self.log(change, &seen.circuit, &next, now);
                    *seen = Seen::at(next, now);
                    return Ok(Some(change));
                }
                Committed::Conflict(found) => *seen = Seen::at(*found, now),
            }
        }
        Err(CircuitError::Contended)
    }

    fn log(&self, change: Change, before: &Circuit, after: &Circuit, now: Timestamp) {
        let circuit = &*self.id;
        let open_seconds = before.open_for(now).as_secs();
        match (change, &after.open, &after.closed) {
            (Change::Opened, Some(opening), _) => {
                let by = opening.probing().map_or("operator", |_| "system");
                let (operator, cause) = (opening.operator.as_deref(), &opening.cause);
                warn!(circuit, by, operator, cause, "circuit opened");
            }
            (Change::ProbeFailed, Some(opening), _) => {
                let probe_at = opening.probing().map(|probing| probing.probe_at);
                let next_seconds = probe_at.map(|at| now.until(at).as_secs());
                let cause = &opening.cause;
                warn!(circuit, cause, open_seconds, next_seconds, "probe failed");
            }
            (Change::ProbeBegun, ..) => info!(circuit, open_seconds, "probe begun"),
            (Change::Closed, _, Some(closing)) => {
                let by = match closing.by {
                    ClosedBy::Probe => "probe",
                    ClosedBy::Operator => "operator",
                };
                let (operator, reason) = (closing.operator.as_deref(), closing.reason.as_deref());
                info!(
                    circuit,
                    by, operator, reason, open_seconds, "circuit closed"
                );
            }
            _ => {}
        }
    }

    /// 128 random bits.
    fn token(&self) -> String {
        format!("{:016x}{:016x}", (self.random)(), (self.random)())
    }
}
