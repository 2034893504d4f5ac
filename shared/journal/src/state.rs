//! What a run's state means for the row that it is about.

use std::time::Duration;

use brand::{BrandRow, Held, Mark, MarkKind, RunRecord, Schedule, SubscriberState, Timestamp};
use serde::{Deserialize, Serialize};
use workflow::{Run, RunState};

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
    let record = || {
        let record = serde_json::to_string(run)?;
        Ok(Some(RunRecord { version, record }))
    };
    Ok(match run.state {
        RunState::Done => SubscriberState {
            reached: version,
            holds: projection.holds(run, before.holds),
            ..SubscriberState::default()
        },
        RunState::Reverted => SubscriberState {
            reached: before.reached,
            holds: projection.holds(run, before.holds),
            mark: mark(MarkKind::Refused),
            // Without a step nothing is known that was not known before.
            in_doubt: before.in_doubt && run.steps.is_empty(),
            run: None,
        },
        RunState::Failed => SubscriberState {
            mark: mark(MarkKind::Failed),
            run: record()?,
            ..before
        },
        _ if run.paused_at.is_some() => SubscriberState {
            mark: mark(MarkKind::Paused),
            run: record()?,
            ..before
        },
        _ => SubscriberState {
            mark: None,
            run: record()?,
            ..before
        },
    })
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
