//! Cancelling a run from outside.

use std::collections::BTreeMap;

use brand::{
    BrandId, BrandRow, Intervention, Lease, Mark, MarkKind, RunRecord, StoreError, SyncStore,
    SyncWrite, SyncWritten, Timestamp, WriteScope,
};
use workflow::Run;

use crate::state::{cancelled_by, schedule};

/// How often a write that met another one is tried.
const ATTEMPTS: usize = 5;

/// The outcome of [`cancel`]: the row as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The run is to be reverted: a worker does it next, or the one that is at it.
    Requested(Box<BrandRow>),
    /// No run of this version is recorded: the version is marked, and nothing is left to do. An earlier run may have acted; then the
    /// target is read before the next change.
    Marked(Box<BrandRow>),
    /// There is nothing to cancel: the version is synced, or marked other than paused.
    NotOpen(Box<BrandRow>),
    /// There is no such brand.
    Missing,
    /// Others kept writing the row; try again.
    Busy,
}

/// Cancels what a subscriber does for the brand's current version, and keeps in the row who asked for it. `names` are those of all
/// subscribers.
///
/// Nothing is undone here: the request is recorded with the run, and the row made due. A worker may be at the run:
///
/// ```text
/// worker:   begin (token A) ──► call … ──────────────► end, token A: refused ──► finds the request, and undoes
/// caller:        └──► cancel, token B, A's lease kept ──┘
/// ```
pub async fn cancel<S: SyncStore>(
    store: &S,
    (id, name): (BrandId, &str),
    names: &[&str],
    token: &str,
    (intervention, now): (&Intervention, Timestamp),
) -> Result<Cancelled, StoreError> {
    for _ in 0..ATTEMPTS {
        let Some(mut row) = store.load(id).await? else {
            return Ok(Cancelled::Missing);
        };
        let version = row.brand.version;
        let mut state = row.subscriber(name);
        let mark = state.mark_of(version).map(|mark| mark.kind);
        let is_open = matches!(mark, None | Some(MarkKind::Paused)) && state.reached < version;
        if !is_open {
            return Ok(Cancelled::NotOpen(Box::new(row)));
        }
        let record = state.run.take();
        let run = record
            .as_ref()
            .and_then(|record| serde_json::from_str::<Run>(&record.record).ok());
        let is_current = record
            .as_ref()
            .is_some_and(|record| record.version == version);
        let is_requested = match run {
            Some(mut run) if is_current => {
                request(&mut run, now);
                // What was read is written: it cannot fail.
                let record = serde_json::to_string(&run).unwrap_or_default();
                state.run = Some(RunRecord { version, record });
                state.mark = None;
                true
            }
            // It is of an older version, or cannot be read.
            run => {
                state.in_doubt |= record.is_some() && run.is_none_or(|run| run.may_have_acted());
                let cause = cancelled_by(Some(intervention), state.in_doubt);
                state.mark = Some(Mark::new(MarkKind::Cancelled, cause, now, version));
                state.last = None;
                false
            }
        };
        state.intervention = Some(intervention.clone());
        row.subscribers.insert(name.to_owned(), state.clone());
        let pending = names.iter().map(|name| (*name, None));
        let mut next = schedule(&row, pending, now);
        if is_requested {
            next.due_at = Some(now);
        }
        // A worker that holds the lease may still act until it runs out.
        let held = row.lease.as_ref().filter(|lease| lease.is_held(now));
        let until = held.and_then(|lease| lease.until);
        let write = SyncWrite {
            id,
            seen: row.lease.clone(),
            lease: Lease::following(row.lease.as_ref(), token, until),
            subscribers: BTreeMap::from([(name.to_owned(), state)]),
            scope: WriteScope::Schedule(version, next),
        };
        let written = match store.write(&write).await? {
            SyncWritten::Applied => {
                row.due_at = next.due_at;
                Some(Box::new(row))
            }
            SyncWritten::Refused(None) => return Ok(Cancelled::Missing),
            // An earlier sending of this very write was made, and its reply was lost.
            SyncWritten::Refused(found) => found.filter(|found| is_ours(found, token)),
        };
        match written {
            Some(row) if is_requested => return Ok(Cancelled::Requested(row)),
            Some(row) => return Ok(Cancelled::Marked(row)),
            None => {}
        }
    }
    Ok(Cancelled::Busy)
}

fn is_ours(row: &BrandRow, token: &str) -> bool {
    row.lease.as_ref().is_some_and(|lease| lease.token == token)
}

/// As [`workflow::Engine::cancel`] records a request: the owner stays, so that the worker which has the run takes it for its own.
fn request(run: &mut Run, now: Timestamp) {
    let now = workflow::Timestamp::from_millis(now.as_millis());
    run.cancel_requested_at.get_or_insert(now);
    run.sequence = run.sequence.saturating_add(1);
    // It goes on now.
    run.resume_at = None;
}
