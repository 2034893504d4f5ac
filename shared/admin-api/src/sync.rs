//! How far a brand's sync is, as the API shows it.

use brand::{
    BrandRow, CMS_SUBSCRIBER, Held, Intervention, MarkKind, SubscriberState, SyncState, Timestamp,
};
use journal::run_summary;
use serde::Serialize;
use workflow::RunSummary;

/// How far a brand's sync is. Times are RFC 3339 with milliseconds, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncResponse {
    /// How it stands.
    pub state: SyncState,
    /// The brand's version.
    pub version: u32,
    /// The version that the CMS has reached; 0 where it has reached none.
    pub synced_version: u32,
    /// How many times the step of the current run, or of the last one, was tried.
    pub attempts: u32,
    /// When it is tried next, where it waits.
    pub next_attempt_at: Option<String>,
    /// Since when it stands so; none where that is not known.
    pub since: Option<String>,
    /// What went wrong last, where it is not synced.
    pub error: Option<SyncError>,
    /// What the CMS is known to hold of the brand; none where it holds nothing.
    pub holds: Option<HeldResponse>,
    /// What a person asked for last.
    pub request: Option<InterventionResponse>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncError {
    /// The step, or the workflow where no step was to blame.
    pub step: String,
    /// What.
    pub message: String,
    /// When.
    pub at: String,
}

/// What the CMS is known to hold of a brand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldResponse {
    /// The brand's name there.
    pub name: String,
    /// The CMS's own id of the entry; none where it is the brand's id, or is not known.
    pub entry: Option<String>,
    /// The entry's revision; none where the CMS has none, or it is not known.
    pub revision: Option<String>,
    /// Whether the CMS may hold something else, so that it is read before the next change.
    pub in_doubt: bool,
}

/// What a person asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InterventionResponse {
    /// `sync` or `cancel`.
    pub action: &'static str,
    /// Who: the id of a user, or the name of a command line.
    pub by: String,
    /// When.
    pub at: String,
    /// Why.
    pub reason: Option<String>,
}

impl SyncResponse {
    /// How far that row's sync is.
    #[must_use]
    pub fn of(row: &BrandRow, now: Timestamp) -> Self {
        let version = row.brand.version;
        let kept = row.subscriber(CMS_SUBSCRIBER);
        let state = SyncState::of(row, now);
        // A run of an older version says nothing of this one.
        let record = kept.run.as_ref().or(kept.last.as_ref());
        let is_current = record.is_some_and(|record| record.version == version);
        let run = run_summary(&kept).filter(|_| is_current);
        let since = since(row, (state, &kept), run.as_ref());
        let next_attempt_at = (state == SyncState::Waiting).then(|| {
            let resume_at = run.as_ref().and_then(|run| run.resume_at);
            let due_at = row.due_at.map(|at| at.to_string());
            resume_at.map(|at| at.to_string()).or(due_at)
        });
        Self {
            state,
            version,
            synced_version: kept.reached.min(version),
            attempts: run.as_ref().map_or(0, RunSummary::attempts),
            next_attempt_at: next_attempt_at.flatten(),
            since,
            error: error(version, (state, &kept), run.as_ref()),
            holds: kept.holds.map(|held| holds(held, kept.in_doubt)),
            request: kept.intervention.map(intervention),
        }
    }
}

fn since(
    row: &BrandRow,
    (state, kept): (SyncState, &SubscriberState),
    run: Option<&RunSummary>,
) -> Option<String> {
    match state {
        SyncState::Synced => Some(run?.ended_at?.to_string()),
        SyncState::Syncing => run.map(|run| run.began_at.to_string()),
        SyncState::Waiting => Some(row.brand.updated_at.to_string()),
        _ => Some(kept.mark_of(row.brand.version)?.since.to_string()),
    }
}

fn error(
    version: u32,
    (state, kept): (SyncState, &SubscriberState),
    run: Option<&RunSummary>,
) -> Option<SyncError> {
    if state == SyncState::Synced {
        return None;
    }
    let of_run = run.and_then(|run| run.errors.last());
    match (kept.mark_of(version), of_run) {
        // Who cancelled it, not what the engine makes of that.
        (Some(mark), error) if mark.kind == MarkKind::Cancelled || error.is_none() => {
            Some(SyncError {
                step: brand::CMS_WORKFLOW.to_owned(),
                message: mark.cause.clone(),
                at: mark.since.to_string(),
            })
        }
        (_, Some(error)) => Some(SyncError {
            step: error.step.clone(),
            message: error.message.clone(),
            at: error.at.to_string(),
        }),
        _ => None,
    }
}

fn holds(held: Held, in_doubt: bool) -> HeldResponse {
    let Held {
        name,
        spelled,
        entry,
        revision,
        unlinked: _,
    } = held;
    HeldResponse {
        name: spelled.unwrap_or(name),
        entry,
        revision,
        in_doubt,
    }
}

fn intervention(asked: Intervention) -> InterventionResponse {
    InterventionResponse {
        action: asked.action.as_str(),
        by: asked.by,
        at: asked.at.to_string(),
        reason: asked.reason,
    }
}
