//! How it stands with a service, for a person: as the API shows it.

use serde::Serialize;
use workflow::Timestamp;

use crate::{
    CallStore, Calls, Circuit, CircuitBreaker, CircuitError, ClosedBy, Minute, calls::last_hour,
};

/// A service's circuit, and the calls of the last hour as far as processes have reported them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// The circuit.
    pub circuit: CircuitView,
    /// The minutes that have calls, the oldest first.
    pub calls: Vec<MinuteView>,
}

impl ServiceStatus {
    /// How it stands with the service of that circuit. Two requests.
    pub async fn read(
        breaker: &CircuitBreaker,
        calls: &dyn CallStore,
        now: Timestamp,
    ) -> Result<Self, CircuitError> {
        let calls = last_hour(calls, breaker.id(), now);
        let (circuit, calls) = tokio::join!(breaker.load(), calls);
        let calls = calls.unwrap_or_else(|cause| {
            let error = telemetry::chain(&cause);
            tracing::warn!(error, "the reported calls could not be read");
            Vec::new()
        });
        Ok(Self {
            circuit: CircuitView::of(&circuit?),
            calls: calls.into_iter().map(MinuteView::of).collect(),
        })
    }
}

/// A circuit in words. Times are RFC 3339 in UTC, with milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CircuitView {
    /// `open` or `closed`.
    pub state: &'static str,
    /// Who opened it, or closed it last: `system` or `operator`; none where it was never open.
    pub by: Option<&'static str>,
    /// Since when it is open or closed.
    pub since: Option<String>,
    /// The latest failure, or the operator's reason.
    pub reason: Option<String>,
    /// How many probes have failed; none where no probes are made.
    pub failed_probes: Option<u32>,
    /// When the next probe may begin; it is past where one is under way.
    pub next_probe_at: Option<String>,
    /// Which operator opened or closed it: a user's id, or the name of a program.
    pub changed_by: Option<String>,
}

const SYSTEM: &str = "system";
const OPERATOR: &str = "operator";

impl CircuitView {
    /// That circuit in words.
    #[must_use]
    pub fn of(circuit: &Circuit) -> Self {
        if let Some(opening) = &circuit.open {
            let probing = opening.probing();
            return Self {
                state: "open",
                by: Some(probing.map_or(OPERATOR, |_| SYSTEM)),
                since: Some(opening.opened_at.to_string()),
                reason: Some(opening.cause.clone()),
                failed_probes: probing.map(|probing| probing.failed_probes),
                next_probe_at: probing.map(|probing| probing.probe_at.to_string()),
                changed_by: opening.operator.clone(),
            };
        }
        let closing = circuit.closed.as_ref();
        Self {
            state: "closed",
            by: closing.map(|closing| match closing.by {
                ClosedBy::Probe => SYSTEM,
                ClosedBy::Operator => OPERATOR,
            }),
            since: closing.map(|closing| closing.closed_at.to_string()),
            reason: closing.and_then(|closing| closing.reason.clone()),
            failed_probes: None,
            next_probe_at: None,
            changed_by: closing.and_then(|closing| closing.operator.clone()),
        }
    }
}

/// The calls of a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MinuteView {
    /// When the minute begins: RFC 3339 in UTC, with milliseconds.
    pub minute: String,
    /// How many calls were made.
    pub calls: u64,
    /// How many of them did not succeed.
    pub errors: u64,
    /// How many of those were beyond the service's limit (429).
    pub limited: u64,
    /// How long a call took, in milliseconds: the mean.
    pub latency_ms: u64,
}

impl MinuteView {
    fn of((minute, made): (Minute, Calls)) -> Self {
        let Calls {
            calls,
            errors,
            limited,
            latency_millis,
        } = made;
        Self {
            minute: minute.begins_at().to_string(),
            calls,
            errors,
            limited,
            latency_ms: latency_millis.checked_div(calls).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};
    use workflow::Timestamp;

    use super::ServiceStatus;
    use crate::{
        CallStore, Calls, CircuitBreaker, CircuitConfig, CircuitGate, Failure, MemoryCircuitStore,
        Minute, WINDOW,
    };

    const START: Timestamp = Timestamp::from_millis(1_795_427_107_966);

    #[tokio::test]
    async fn a_status_says_how_the_circuit_was_opened_and_closed_last() {
        let store = MemoryCircuitStore::new();
        let config = CircuitConfig::default();
        let breaker = CircuitBreaker::new(Arc::new(store.clone()), "cms", config);
        let gate = CircuitGate::new(breaker.clone());
        let circuit = async || {
            let status = ServiceStatus::read(&breaker, &store, START).await.unwrap();
            serde_json::to_value(&status).unwrap()["circuit"].take()
        };
        let view = |state: &str, by: Option<&str>, since: Option<&str>| {
            json!({
                "state": state, "by": by, "since": since, "reason": null,
                "failed_probes": null, "next_probe_at": null, "changed_by": null
            })
        };
        let with = |mut view: Value, more: &[(&str, Value)]| {
            for (name, value) in more {
                view[name] = value.clone();
            }
            view
        };
        assert_eq!(circuit().await, view("closed", None, None));

        let at = Some("2026-11-23T09:45:07.966Z");
        let refused = Failure {
            key: None,
            cause: "401",
            retry_after: None,
            probe: None,
        };
        gate.failed(refused, START).await;
        let opened = [
            ("reason", json!("401")),
            ("failed_probes", json!(0)),
            ("next_probe_at", json!("2026-11-23T09:46:07.966Z")),
        ];
        let expected = with(view("open", Some("system"), at), &opened);
        assert_eq!(circuit().await, expected);

        let by = |reason: &str| [("reason", json!(reason)), ("changed_by", json!("user_01"))];
        breaker.open("user_01", "maintenance", START).await.unwrap();
        let expected = with(view("open", Some("operator"), at), &by("maintenance"));
        assert_eq!(circuit().await, expected);
        breaker.close("user_01", "it is over", START).await.unwrap();
        let expected = with(view("closed", Some("operator"), at), &by("it is over"));
        assert_eq!(circuit().await, expected);

        let gate = CircuitGate::new(breaker.clone());
        gate.failed(refused, START).await;
        let later = START.plus(config.probe_first);
        let loaded = breaker.load().await.unwrap();
        let probe = breaker.begin_probe(&loaded, later).await.unwrap();
        gate.succeeded(later, probe.as_ref()).await;
        let at = Some("2026-11-23T09:46:07.966Z");
        assert_eq!(circuit().await, view("closed", Some("system"), at));
    }

    #[tokio::test]
    async fn a_status_has_the_mean_latency_of_each_minute() {
        let store = MemoryCircuitStore::new();
        let mut counted = [Calls::default(); WINDOW];
        *counted.get_mut(5).unwrap() = Calls {
            calls: 3,
            errors: 2,
            limited: 1,
            latency_millis: 254,
        };
        let window = Minute::of(START).window();
        store.add("cms", window, &counted).await.unwrap();
        let (circuits, config) = (Arc::new(store.clone()), CircuitConfig::default());
        let breaker = CircuitBreaker::new(circuits, "cms", config);
        let status = ServiceStatus::read(&breaker, &store, START).await.unwrap();
        let expected = json!([{
            "minute": "2026-11-23T09:45:00.000Z", "calls": 3, "errors": 2, "limited": 1, "latency_ms": 84
        }]);
        assert_eq!(serde_json::to_value(&status.calls).unwrap(), expected);
    }
}
