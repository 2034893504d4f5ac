//! Metrics of a batch: runs, attempts, requests to the CMS.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use circuit::Calls;
use cms::CmsError;
use telemetry::Metrics;
use workflow::{Observer, RunEvent, RunState};

/// The metrics of one batch, written by all tasks that work on it. Lambda gives a process one batch at a time.
#[derive(Debug, Default)]
pub struct Record(Mutex<Metrics>);

impl Record {
    /// Takes what has been recorded.
    pub(crate) fn take(&self) -> Metrics {
        self.with(mem::take)
    }

    /// Counts one.
    pub(crate) fn add(&self, name: &'static str) {
        self.with(|metrics| metrics.add(name));
    }

    /// Begins to measure a request to the CMS.
    pub(crate) fn ask_cms(&self) -> Asking<'_> {
        Asking {
            record: self,
            begun: Instant::now(),
            answer: Answer::Failure,
        }
    }

    /// A call, or a run that was to begin, waited so long for the rate.
    pub(crate) fn limit_wait(&self, wait: Duration) {
        self.with(|metrics| metrics.took("cms_limit_wait", wait));
    }

    fn with<T>(&self, record: impl FnOnce(&mut Metrics) -> T) -> T {
        record(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The calls of the CMS among what was recorded.
pub(crate) fn calls(metrics: &Metrics) -> Calls {
    let millis: f64 = metrics.values("cms_latency").iter().sum();
    let latency = Duration::try_from_secs_f64(millis / 1e3).unwrap_or_default();
    Calls {
        calls: metrics.get("cms_requests"),
        errors: metrics.get("cms_errors"),
        limited: metrics.get("cms_limited"),
        latency_millis: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
    }
}

/// A request to the CMS that is under way. Recorded when it ends, also where its future is dropped.
#[must_use]
pub(crate) struct Asking<'a> {
    record: &'a Record,
    begun: Instant,
    pub(crate) answer: Answer,
}

/// How the CMS answered, as far as metrics tell answers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Success,
    /// 429.
    Limited,
    /// 401.
    Unauthorized,
    /// Anything else, or nothing.
    Failure,
}

impl Answer {
    pub(crate) const fn of<T>(answer: &Result<T, CmsError>) -> Self {
        match answer {
            Ok(_) => Self::Success,
            Err(CmsError::Unavailable { status: 429, .. }) => Self::Limited,
            Err(CmsError::Unauthorized { .. }) => Self::Unauthorized,
            Err(_) => Self::Failure,
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.record.with(|metrics| {
            metrics.add("cms_requests");
            metrics.add_many("cms_errors", usize::from(self.answer != Answer::Success));
            match self.answer {
                Answer::Limited => metrics.add("cms_limited"),
                Answer::Unauthorized => metrics.add("cms_unauthorized"),
                Answer::Success | Answer::Failure => {}
            }
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
            RunEvent::Ended { paused: true, .. } => metrics.add("runs_paused"),
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

    use circuit::Calls;
    use telemetry::Metrics;
    use workflow::{AttemptOutcome, Observer, Phase, RunEvent, RunState};

    use super::{Answer, Record, calls};

    #[test]
    fn what_happens_is_recorded_until_it_is_taken() {
        let record = Record::default();
        let workflow = "sync-brand-to-cms";
        for outcome in [AttemptOutcome::TransientFailure, AttemptOutcome::Success] {
            record.observe(&RunEvent::Attempt {
                workflow,
                step: "sync-brand-to-cms",
                during: Phase::Invoke,
                outcome,
                took: Duration::from_millis(2),
            });
        }
        for state in [
            RunState::Done,
            RunState::Reverted,
            RunState::Failed,
            RunState::Invoking,
            RunState::Compensating,
        ] {
            record.observe(&RunEvent::Ended {
                workflow,
                state,
                suspended: !state.is_over(),
                paused: false,
            });
        }
        record.observe(&RunEvent::Ended {
            workflow,
            state: RunState::Invoking,
            suspended: false,
            paused: true,
        });
        for answer in [Answer::Success, Answer::Limited, Answer::Unauthorized] {
            record.ask_cms().answer = answer;
        }
        drop(record.ask_cms());
        record.limit_wait(Duration::from_millis(300));

        let metrics = record.take();
        let counts = [
            "step_attempts",
            "runs_done",
            "runs_reverted",
            "runs_failed",
            "runs_suspended",
            "runs_paused",
            "cms_requests",
            "cms_errors",
            "cms_limited",
            "cms_unauthorized",
        ];
        let counts = counts.map(|name| metrics.get(name));
        assert_eq!(counts, [2, 1, 1, 1, 2, 1, 4, 3, 1, 1]);
        assert_eq!(metrics.values("step_latency"), [2.0, 2.0]);
        assert_eq!(metrics.values("cms_latency").len(), 4);
        let counted = calls(&metrics);
        let counted = [counted.calls, counted.errors, counted.limited];
        assert_eq!(counted, [4, 3, 1]);
        assert_eq!(metrics.values("cms_limit_wait"), [300.0]);
        assert_eq!(record.take().get("step_attempts"), 0);
    }

    #[test]
    fn the_latency_of_the_calls_is_added_up_in_milliseconds() {
        let mut metrics = Metrics::new();
        for micros in [1_600, 2_700] {
            metrics.took("cms_latency", Duration::from_micros(micros));
        }
        assert_eq!(calls(&metrics).latency_millis, 4);
        assert_eq!(calls(&Metrics::new()), Calls::default());
    }
}
