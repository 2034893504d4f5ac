//! What is counted and measured while a batch is worked on: runs, attempts, requests to the CMS.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use telemetry::Metrics;
use workflow::{Observer, RunEvent, RunState};

/// The record of one batch, by all that work on it. It is an invocation's, as Lambda gives a process one at a time.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Metrics>);

impl Record {
    /// What was recorded since it was taken before.
    pub(crate) fn take(&self) -> Metrics {
        self.with(mem::take)
    }

    /// Begins to measure a request to the CMS.
    pub(crate) fn ask_cms(&self) -> Asking<'_> {
        Asking {
            record: self,
            begun: Instant::now(),
            answered: false,
        }
    }

    fn with<T>(&self, record: impl FnOnce(&mut Metrics) -> T) -> T {
        record(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request to the CMS that is under way. It is recorded at its end, also where nobody waits for the answer any more.
#[must_use]
pub(crate) struct Asking<'a> {
    record: &'a Record,
    begun: Instant,
    /// Whether it has a good answer.
    pub(crate) answered: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.record.with(|metrics| {
            metrics.add("cms_requests");
            metrics.add_many("cms_errors", usize::from(!self.answered));
            metrics.took("cms_latency", self.begun.elapsed());
        });
    }
}

impl Observer for Record {
    fn observe(&self, event: &RunEvent<'_>) {
        self.with(|metrics| match event {
            RunEvent::Attempt { took, .. } => {
                metrics.add("step_attempts");
                metrics.took("step_latency", *took);
            }
            RunEvent::Ended { state, .. } => metrics.add(match state {
                RunState::Done => "runs_done",
                RunState::Reverted => "runs_reverted",
                RunState::Failed => "runs_failed",
                _ => "runs_suspended",
            }),
            _ => {}
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use workflow::{AttemptEnd, Observer, Phase, RunEvent, RunState};

    use super::Record;

    #[test]
    fn what_happens_is_recorded_until_it_is_taken() {
        let record = Record::default();
        let workflow = "sync-brand-to-cms";
        for ended in [AttemptEnd::FailedTransiently, AttemptEnd::Succeeded] {
            record.observe(&RunEvent::Attempt {
                workflow,
                step: "sync-brand-to-cms",
                during: Phase::Invoke,
                ended,
                took: Duration::from_millis(2),
            });
        }
        for state in [
            RunState::Done,
            RunState::Reverted,
            RunState::Failed,
            RunState::Invoking,
            RunState::WaitingToCompensate,
        ] {
            record.observe(&RunEvent::Ended { workflow, state });
        }
        record.ask_cms().answered = true;
        drop(record.ask_cms());

        let metrics = record.take();
        let counts = [
            "step_attempts",
            "runs_done",
            "runs_reverted",
            "runs_failed",
            "runs_suspended",
            "cms_requests",
            "cms_errors",
        ];
        let counts = counts.map(|name| metrics.get(name));
        assert_eq!(counts, [2, 1, 1, 1, 2, 2, 1]);
        assert_eq!(metrics.values("step_latency"), [2.0, 2.0]);
        assert_eq!(metrics.values("cms_latency").len(), 2);
        assert_eq!(record.take().get("step_attempts"), 0);
    }
}
