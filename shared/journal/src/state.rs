//! What a run's state means for the row that it is about.

use std::time::Duration;

use brand::{
    BrandRow, Held, Intervention, Mark, MarkKind, RunRecord, Schedule, SubscriberState, Timestamp,
};
use serde::{Deserialize, Serialize};
use workflow::{Run, RunState, RunSummary};

/// How long the row of a deleted brand stays once every subscriber has heard of the deletion: longer than SQS keeps a message.
const TOMBSTONE: Duration = Duration::from_hours(30 * 24);

/// What a subscriber's workflow gets: which version of the brand its run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncInput {
    /// The version.
    pub version: u32,
    /// Whether the target may hold something else than the row says, so that it is read before it is written to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
}

/// What a subscriber's runs leave behind.
pub trait Projection: Send + Sync {
    /// What the target holds of the brand now that the run is done, or reverted; `held` is what it was known to hold before.
    fn holds(&self, run: &Run, held: Option<Held>) -> Option<Held>;
}

/// The moment in the row's words.
pub(crate) fn moment(at: workflow::Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis())
}

/// Whether the run waits, or is over: nobody works on it once it is written.
pub(crate) const fn is_at_rest(run: &Run) -> bool {
    run.resume_at.is_some() || is_settled(run)
}

/// Whether the run does not go on by itself.
const fn is_settled(run: &Run) -> bool {
    run.paused_at.is_some()
        || matches!(
            run.state,
            RunState::Done | RunState::Reverted | RunState::Failed
        )
}

/// What the subscriber keeps once `run`, which is about `version`, stands as it does.
pub(crate) fn subscriber_state(
    before: SubscriberState,
    run: &Run,
    (version, now): (u32, Timestamp),
    projection: &dyn Projection,
) -> Result<SubscriberState, serde_json::Error> {
    let mark = |kind| {
        let cause = run.last_error().map(ToString::to_string);
        Some(Mark::new(kind, cause.unwrap_or_default(), now, version))
    };
    let last = || {
        let summary = ended(run, now);
        let record = serde_json::to_string(&summary)?;
        Ok(Some(RunRecord { version, record }))
    };
    let record = || {
        let record = serde_json::to_string(run)?;
        Ok(Some(RunRecord { version, record }))
    };
    Ok(match run.state {
        RunState::Done => SubscriberState {
            reached: version,
            holds: projection.holds(run, before.holds),
            last: last()?,
            intervention: before.intervention,
            ..SubscriberState::default()
        },
        RunState::Reverted => SubscriberState {
            reached: before.reached,
            holds: projection.holds(run, before.holds),
            mark: if run.cancel_requested_at.is_some() {
                let is_in_doubt = before.in_doubt && run.steps.is_empty();
                let cause = cancelled_by(before.intervention.as_ref(), is_in_doubt);
                Some(Mark::new(MarkKind::Cancelled, cause, now, version))
            } else {
                mark(MarkKind::Refused)
            },
            // Without a step nothing is known that was not known before.
            in_doubt: before.in_doubt && run.steps.is_empty(),
            run: None,
            last: last()?,
            intervention: before.intervention,
        },
        RunState::Failed => SubscriberState {
            mark: mark(MarkKind::Failed),
            run: record()?,
            last: None,
            ..before
        },
        _ if run.paused_at.is_some() => SubscriberState {
            mark: mark(MarkKind::Paused),
            run: record()?,
            last: None,
            ..before
        },
        _ => SubscriberState {
            mark: None,
            run: record()?,
            last: None,
            ..before
        },
    })
}

/// What is kept of a run that has ended: no more than its last two errors, since it stays in the row.
fn ended(run: &Run, now: Timestamp) -> RunSummary {
    let mut summary = run.summary(Some(workflow::Timestamp::from_millis(now.as_millis())));
    let excess = summary.errors.len().saturating_sub(2);
    summary.errors.drain(..excess);
    summary
}

/// What is known of a subscriber's current run, or of its last one.
#[must_use]
pub fn run_summary(state: &SubscriberState) -> Option<RunSummary> {
    if let Some(record) = &state.run {
        let run: Run = serde_json::from_str(&record.record).ok()?;
        return Some(run.summary(None));
    }
    serde_json::from_str(&state.last.as_ref()?.record).ok()
}

/// Why a run was cancelled, for a reader.
pub(crate) fn cancelled_by(intervention: Option<&Intervention>, is_in_doubt: bool) -> String {
    let by = intervention.map_or_else(String::new, |asked| format!(" by {}", asked.by));
    let reason = intervention.and_then(|asked| asked.reason.as_deref());
    // An earlier run may have acted, and this one has not read the target yet.
    let doubt = if is_in_doubt {
        " (an earlier run may have acted: the target is read before the next change)"
    } else {
        ""
    };
    match reason {
        Some(reason) => format!("cancelled{by}{doubt}: {reason}"),
        None => format!("cancelled{by}{doubt}"),
    }
}

/// When the row is looked at again, once every run in it has come to rest or is being worked on. `pending` names the
/// subscribers that have work to do for this version, with the moment at which their run goes on, where it waits.
pub(crate) fn schedule<'a>(
    row: &BrandRow,
    pending: impl Iterator<Item = (&'a str, Option<Timestamp>)>,
    now: Timestamp,
) -> Schedule {
    let version = row.brand.version;
    let mut due_at: Option<Timestamp> = None;
    let mut is_reached = true;
    for (name, resume_at) in pending {
        let state = row.subscribers.get(name);
        if state.is_some_and(|state| state.reached >= version) {
            continue;
        }
        is_reached = false;
        if state.is_some_and(|state| state.mark_of(version).is_some()) {
            continue;
        }
        // One that another task of this visit works on, or that has not begun, is due as the row was.
        let due = resume_at.or(row.due_at).unwrap_or(now);
        due_at = Some(due_at.map_or(due, |earlier| earlier.min(due)));
    }
    let attention_since = row.attention_since();
    let is_over = row.brand.deleted_at.is_some() && is_reached && attention_since.is_none();
    Schedule {
        due_at,
        attention_since,
        expires_at: is_over.then(|| now.plus(TOMBSTONE)),
    }
}

/// The schedule of a row in which no subscriber has work.
#[must_use]
pub fn idle_schedule(row: &BrandRow, now: Timestamp) -> Schedule {
    schedule(row, std::iter::empty(), now)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use brand::{Action, Held, Intervention, MarkKind, RunRecord, SubscriberState, Timestamp};
    use workflow::{Phase, Run, RunError, RunState};

    use super::{Projection, run_summary, subscriber_state};

    fn now() -> Timestamp {
        Timestamp::from_millis(1_795_427_107_966)
    }

    struct Unchanged;

    impl Projection for Unchanged {
        fn holds(&self, _: &Run, held: Option<Held>) -> Option<Held> {
            held
        }
    }

    fn error(message: &str) -> RunError {
        RunError {
            step: "step".to_owned(),
            during: Phase::Invoke,
            message: message.to_owned(),
            at: workflow::Timestamp::from_millis(7),
        }
    }

    fn run(state: RunState) -> Run {
        Run {
            state,
            errors: ["1", "2", "3", "4"].map(error).to_vec(),
            ..Run::default()
        }
    }

    fn after(before: SubscriberState, run: &Run) -> SubscriberState {
        subscriber_state(before, run, (3, now()), &Unchanged).unwrap()
    }

    fn messages(state: &SubscriberState) -> Vec<String> {
        let errors = run_summary(state).unwrap().errors.into_iter();
        errors.map(|error| error.message).collect()
    }

    #[test]
    fn of_a_run_that_has_ended_the_last_two_errors_are_kept_and_when_it_ended() {
        let done = after(SubscriberState::default(), &run(RunState::Done));
        assert_eq!(messages(&done), ["3", "4"]);
        let reverted = Run {
            cause: Some(error("the cause")),
            ..run(RunState::Reverted)
        };
        let reverted = after(SubscriberState::default(), &reverted);
        assert_eq!(messages(&reverted), ["4", "the cause"]);
        let once = Run {
            errors: vec![error("1")],
            ..run(RunState::Done)
        };
        let once = after(SubscriberState::default(), &once);
        assert_eq!(messages(&once), ["1"]);
        for state in [done, reverted, once] {
            assert_eq!(state.run, None);
            assert_eq!(state.last.as_ref().unwrap().version, 3);
            let ended_at = run_summary(&state).unwrap().ended_at.unwrap();
            assert_eq!(ended_at.as_millis(), now().as_millis());
        }
    }

    #[test]
    fn of_a_run_that_has_not_ended_all_is_kept_and_nothing_of_the_last_one() {
        let paused = Run {
            paused_at: Some(workflow::Timestamp::from_millis(7)),
            ..run(RunState::Invoking)
        };
        for run in [run(RunState::Invoking), paused, run(RunState::Failed)] {
            let before = after(SubscriberState::default(), &run_that_is_done());
            assert!(before.last.is_some());
            let state = after(before, &run);
            assert_eq!(state.last, None);
            assert_eq!(messages(&state), ["1", "2", "3", "4"]);
            assert_eq!(run_summary(&state).unwrap().ended_at, None);
        }
    }

    fn run_that_is_done() -> Run {
        run(RunState::Done)
    }

    #[test]
    fn what_a_person_asked_for_is_kept_through_all_that_a_run_goes_through() {
        let reason = Some("a mistake".to_owned());
        let asked = Intervention::new(Action::Cancel, "user_1", reason, now());
        let before = SubscriberState {
            intervention: Some(asked.clone()),
            ..SubscriberState::default()
        };
        for state in [
            RunState::Invoking,
            RunState::Compensating,
            RunState::Done,
            RunState::Failed,
            RunState::Reverted,
        ] {
            let state = after(before.clone(), &run(state));
            assert_eq!(state.intervention.as_ref(), Some(&asked));
        }
    }

    #[test]
    fn a_run_that_was_cancelled_is_marked_with_who_asked_for_it_and_not_with_an_error() {
        let cancelled = Run {
            cancel_requested_at: Some(workflow::Timestamp::from_millis(7)),
            cause: Some(error("the cause")),
            ..run(RunState::Reverted)
        };
        for (asked, expected) in [
            (None, "cancelled"),
            (Some(None), "cancelled by user_1"),
            (Some(Some("why")), "cancelled by user_1: why"),
        ] {
            let intervention = asked.map(|reason: Option<&str>| {
                Intervention::new(Action::Cancel, "user_1", reason.map(str::to_owned), now())
            });
            let before = SubscriberState {
                intervention,
                ..SubscriberState::default()
            };
            let mark = after(before, &cancelled).mark.unwrap();
            assert_eq!((mark.kind, &*mark.cause), (MarkKind::Cancelled, expected));
            assert_eq!((mark.version, mark.since), (3, now()));
        }
        let refused = Run {
            cancel_requested_at: None,
            ..cancelled
        };
        let mark = after(SubscriberState::default(), &refused).mark.unwrap();
        assert_eq!(mark.kind, MarkKind::Refused);
        assert_eq!(mark.cause, "step: the cause");
    }

    #[test]
    fn a_record_that_cannot_be_read_says_nothing() {
        let record = |record: &str| {
            let record = record.to_owned();
            Some(RunRecord { version: 3, record })
        };
        let damaged = SubscriberState {
            run: record("{"),
            last: record("[]"),
            ..SubscriberState::default()
        };
        assert_eq!(run_summary(&damaged), None);
        let damaged = SubscriberState {
            run: None,
            ..damaged
        };
        assert_eq!(run_summary(&damaged), None);
        assert_eq!(run_summary(&SubscriberState::default()), None);
    }
}
