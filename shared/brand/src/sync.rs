//! How far a brand's sync is: the part of its row that subscribers write.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Brand, BrandId, SHARDS, StoreError, Timestamp};

/// A brand's row: the brand, and how far each subscriber is with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrandRow {
    /// The brand.
    pub brand: Brand,
    /// Who wrote the sync state last, and until when nobody else may; none before the first write.
    pub lease: Option<Lease>,
    /// What each subscriber keeps, by its name. One that has never begun has no entry.
    pub subscribers: BTreeMap<String, SubscriberState>,
    /// When to look at the row again; none where nothing is left to do, or an operator has to decide.
    pub due_at: Option<Timestamp>,
}

impl BrandRow {
    /// What that subscriber keeps.
    #[must_use]
    pub fn subscriber(&self, name: &str) -> SubscriberState {
        self.subscribers.get(name).cloned().unwrap_or_default()
    }

    /// Whether a worker holds the lease at that time.
    #[must_use]
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.is_held(now))
    }

    /// Since when the brand needs attention; none where no mark is about its current version.
    #[must_use]
    pub fn attention_since(&self) -> Option<Timestamp> {
        let marks = self.subscribers.values();
        let current = marks.filter_map(|state| state.mark_of(self.brand.version));
        current.map(|mark| mark.since).min()
    }
}

impl From<Brand> for BrandRow {
    /// The row of a brand of which no subscriber has heard, due since its last change.
    fn from(brand: Brand) -> Self {
        Self {
            due_at: Some(brand.updated_at),
            lease: None,
            subscribers: BTreeMap::new(),
            brand,
        }
    }
}

/// Who wrote a row's sync state last. It stays in the row after the lease is given back, as the fence of the next write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The writer's random token, never used by another.
    pub token: String,
    /// Counts the writes of the row's sync state.
    pub sequence: u64,
    /// Until when the writer alone may write; none once it has given the lease back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Lease {
    /// No lease is longer: an invocation of Lambda ends within 15 minutes. One that reaches further was written by a clock
    /// that was wrong.
    const LONGEST: Duration = Duration::from_mins(20);

    /// The lease of the write that follows one which left the row with `seen`.
    #[must_use]
    pub fn following(seen: Option<&Self>, token: &str, until: Option<Timestamp>) -> Self {
        Self {
            token: token.to_owned(),
            sequence: seen.map_or(0, |seen| seen.sequence).saturating_add(1),
            until,
        }
    }

    /// Whether both come from the same write.
    #[must_use]
    pub fn is_same_write(one: Option<&Self>, other: Option<&Self>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => one.token == other.token && one.sequence == other.sequence,
            (None, None) => true,
            _ => false,
        }
    }

    /// Whether the lease is in force.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.until
            .is_some_and(|until| now < until && until <= now.plus(Self::LONGEST))
    }
}

/// What a subscriber keeps in a brand's row. Each write replaces it as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriberState {
    /// The version that its target has reached; 0 where it has reached none.
    #[serde(default)]
    pub reached: u32,
    /// What its target is known to hold of the brand; none where it holds nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Held>,
    /// Whether `holds` may be wrong, so that the target is read before the next run acts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// Why and since when nothing is done without an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// Its current run; none while it has nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunRecord>,
    /// What is kept of the last run, once that has ended; none while there is a current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<RunRecord>,
    /// What a person asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervention: Option<Intervention>,
}

/// What a person asked for: who, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intervention {
    /// What.
    pub action: Action,
    /// Who: the id of a user of the API, or the name of a command line.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Intervention {
    /// The most characters of a reason that are kept: a row stays small.
    pub const MAX_REASON: usize = 200;

    /// An intervention. A reason that is too long is cut.
    #[must_use]
    pub fn new(action: Action, by: &str, reason: Option<String>, at: Timestamp) -> Self {
        let reason = reason.map(|reason| reason.chars().take(Self::MAX_REASON).collect());
        let by = by.to_owned();
        Self {
            action,
            by,
            at,
            reason,
        }
    }
}

/// What a person can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// To sync the brand again.
    Sync,
    /// To cancel its run.
    Cancel,
}

impl Action {
    /// The word for it, in the row, in answers and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Cancel => "cancel",
        }
    }
}

/// What a target holds of a brand: the last state that both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The brand's name, as it was written there.
    pub name: String,
    /// How the target spells that name; none where it spells it as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spelled: Option<String>,
    /// The target's own id of its entry; none where that is the brand's id, or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The entry's revision; none where the target has none, or it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Whether an editor made the entry, and it does not bear the brand's id yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlinked: bool,
}

impl Held {
    /// An entry with that name, of which nothing else is known.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            spelled: None,
            entry: None,
            revision: None,
            unlinked: false,
        }
    }

    /// The name that the target shows.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.spelled.as_deref().unwrap_or(&self.name)
    }
}

/// A run, as it is kept in the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The version of the brand that it is about.
    pub version: u32,
    /// What the workflow engine has recorded of it, as JSON; of a run that has ended a summary.
    pub record: String,
}

impl SubscriberState {
    /// The mark, if it is about that version: a mark says nothing of versions that came after it.
    #[must_use]
    pub fn mark_of(&self, version: u32) -> Option<&Mark> {
        self.mark.as_ref().filter(|mark| mark.version == version)
    }
}

/// That a subscriber has stopped with a version, until an operator asks for it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How it stopped.
    pub kind: MarkKind,
    /// Why, for a reader.
    pub cause: String,
    /// Since when.
    pub since: Timestamp,
    /// The version that it is about.
    pub version: u32,
}

impl Mark {
    /// The most bytes of a cause that are kept: a row stays below 1 KB.
    pub const MAX_CAUSE: usize = 200;

    /// A mark. A cause that is too long is cut.
    #[must_use]
    pub fn new(kind: MarkKind, mut cause: String, since: Timestamp, version: u32) -> Self {
        cause.truncate(cause.floor_char_boundary(Self::MAX_CAUSE));
        Self {
            kind,
            cause,
            since,
            version,
        }
    }
}

/// How a subscriber stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// The target refused the version; what may have been done is undone.
    Refused,
    /// The target refused the version, and refused to undo it: it may hold what it should not.
    Failed,
    /// The target was away for longer than the time budget; nothing is undone.
    Paused,
    /// A person cancelled the run; what it may have done is undone.
    Cancelled,
}

impl MarkKind {
    /// The word for it, in the row and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The port to a row's sync state: one consistent read, one conditional write.
pub trait SyncStore: Send + Sync {
    /// The row, as the last write left it.
    fn load(
        &self,
        id: BrandId,
    ) -> impl Future<Output = Result<Option<BrandRow>, StoreError>> + Send;

    /// Writes sync state if the row stands as the write expects. An error means that it is unknown whether it is written.
    fn write(
        &self,
        write: &SyncWrite,
    ) -> impl Future<Output = Result<SyncWritten, StoreError>> + Send;
}

/// One write of a row's sync state. It is made only if the row exists and its lease stands as `seen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncWrite {
    /// The brand.
    pub id: BrandId,
    /// The lease as the writer saw it.
    pub seen: Option<Lease>,
    /// The lease from now on.
    pub lease: Lease,
    /// The states to replace, by subscriber.
    pub subscribers: BTreeMap<String, SubscriberState>,
    /// Which version of the brand the write is about, and what follows from it.
    pub scope: WriteScope,
}

/// Which version of a brand a [`SyncWrite`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteScope {
    /// Any: when the row is due is left as the last change set it.
    AnyVersion,
    /// That version alone; when the row is due stays.
    Version(u32),
    /// That version alone; the row is scheduled anew.
    Schedule(u32, Schedule),
}

/// When a row is looked at again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// When the sweep notifies; none: not by itself.
    pub due_at: Option<Timestamp>,
    /// Since when it needs an operator; none where it does not.
    pub attention_since: Option<Timestamp>,
    /// When the row may go; none for one that stays.
    pub expires_at: Option<Timestamp>,
}

impl Schedule {
    /// No row waits longer: a wait is an hour, or what a target asks for, which is cut to a day. What is to wait longer was
    /// written by a clock that was ahead.
    pub const LONGEST_WAIT: Duration = Duration::from_hours(48);
}

/// The outcome of a [`SyncWrite`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncWritten {
    /// It is written.
    Applied,
    /// The row does not stand as expected: as it stands, or none where it is gone.
    Refused(Option<Box<BrandRow>>),
}

/// How much of a row an operator takes up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeUp {
    /// What is marked.
    Marked,
    /// What is marked, and what waits: it is due now.
    Unsynced,
    /// What is marked and what waits, as [`Self::Unsynced`]; and what is synced is done again, as [`Self::Everything`].
    Again,
    /// Everything, as if no subscriber had heard of the brand: after a restore, or to fill a new target. Each target is
    /// read before it is written to.
    Everything,
}

/// The outcome of [`take_up`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenUp {
    /// The row is due now.
    Due(Box<Brand>),
    /// There was nothing to take up.
    NothingToDo(Box<Brand>),
    /// There is no such brand.
    Missing,
    /// Others kept writing the row; try again.
    Busy,
}

/// How often a write that met another one is tried.
const ATTEMPTS: usize = 5;

/// Makes a row due again that waits for an operator. `names` are those of all subscribers.
///
/// A run that stopped half-way does not go on: the next one reads the target first. A worker may be at the row:
///
/// ```text
/// worker:   begin (token A) ──► call … ──────────────────► end, token A: refused; the row is due, and read first
/// operator:        └──► take up, token B, A's lease kept ──┘
/// ```
pub async fn take_up<S: SyncStore>(
    store: &S,
    (id, scope): (BrandId, TakeUp),
    names: &[&str],
    token: &str,
    now: Timestamp,
) -> Result<TakenUp, StoreError> {
    take_up_for(store, (id, scope), names, token, (None, now)).await
}

/// As [`take_up`], and keeps in the row who asked for it.
pub async fn take_up_for<S: SyncStore>(
    store: &S,
    (id, scope): (BrandId, TakeUp),
    names: &[&str],
    token: &str,
    (intervention, now): (Option<&Intervention>, Timestamp),
) -> Result<TakenUp, StoreError> {
    for _ in 0..ATTEMPTS {
        let Some(row) = store.load(id).await? else {
            return Ok(TakenUp::Missing);
        };
        let version = row.brand.version;
        let mut subscribers = row.subscribers.clone();
        if scope != TakeUp::Marked {
            for name in names {
                subscribers.entry((*name).to_owned()).or_default();
            }
        }
        match scope {
            TakeUp::Marked => subscribers.retain(|_, state| state.mark.is_some()),
            TakeUp::Unsynced => subscribers.retain(|_, state| state.reached < version),
            TakeUp::Again | TakeUp::Everything => {}
        }
        let is_marked = subscribers
            .values()
            .any(|state| state.mark_of(version).is_some());
        let is_synced = subscribers.is_empty();
        if scope == TakeUp::Marked && !is_marked || scope == TakeUp::Unsynced && is_synced {
            return Ok(TakenUp::NothingToDo(Box::new(row.brand)));
        }
        for state in subscribers.values_mut() {
            let is_anew =
                scope == TakeUp::Everything || scope == TakeUp::Again && state.reached >= version;
            // Of what was refused or cancelled, too: the target may hold what an editor wrote.
            state.in_doubt |= is_anew || state.run.is_some() || state.mark.is_some();
            state.mark = None;
            state.run = None;
            if is_anew {
                state.reached = 0;
            }
            state.intervention = intervention.cloned().or(state.intervention.take());
        }
        let schedule = Schedule {
            due_at: Some(now),
            ..Schedule::default()
        };
        // A worker that holds the lease may still act until it runs out.
        let held = row.lease.as_ref().filter(|lease| lease.is_held(now));
        let until = held.and_then(|lease| lease.until);
        let lease = Lease::following(row.lease.as_ref(), token, until);
        let write = SyncWrite {
            id,
            seen: row.lease,
            lease,
            subscribers,
            scope: WriteScope::Schedule(version, schedule),
        };
        match store.write(&write).await? {
            SyncWritten::Applied => return Ok(TakenUp::Due(Box::new(row.brand))),
            SyncWritten::Refused(None) => return Ok(TakenUp::Missing),
            SyncWritten::Refused(Some(_)) => {}
        }
    }
    Ok(TakenUp::Busy)
}

/// Makes a row due for one subscriber, whose target is then read and brought to what the row says. Only if the row stands as it was
/// seen: false where it has changed meanwhile.
///
/// ```text
/// reconciliation: read target ──► read row (A, 3) ──► take up, seen (A, 3): refused
/// client, sync:                        └──► version 2 ──► synced (B, 5) ──┘
/// ```
pub async fn take_up_seen<S: SyncStore>(
    store: &S,
    row: &BrandRow,
    name: &str,
    token: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let state = SubscriberState {
        reached: 0,
        in_doubt: true,
        mark: None,
        run: None,
        ..row.subscriber(name)
    };
    let version = row.brand.version;
    let others = row.subscribers.iter().filter(|(other, _)| *other != name);
    let marks = others.filter_map(|(_, state)| state.mark_of(version));
    let schedule = Schedule {
        due_at: Some(now),
        attention_since: marks.map(|mark| mark.since).min(),
        expires_at: None,
    };
    let write = SyncWrite {
        id: row.brand.id,
        seen: row.lease.clone(),
        lease: Lease::following(row.lease.as_ref(), token, None),
        subscribers: BTreeMap::from([(name.to_owned(), state)]),
        scope: WriteScope::Schedule(version, schedule),
    };
    Ok(match store.write(&write).await? {
        SyncWritten::Applied => true,
        // It was repeated, since the reply was lost.
        SyncWritten::Refused(found) => found.is_some_and(|row| row.lease == Some(write.lease)),
    })
}

/// The port to the rows that are due, for the sweep. Rows are named as they are stored, so that one which cannot be read
/// does not stop the others.
pub trait Outbox: Send + Sync {
    /// Rows of a shard that are due at `now`, the longest due first, at most `limit`. May lag behind the last write.
    ///
    /// Behind these, where there is room, come rows whose time is further ahead than [`Schedule::LONGEST_WAIT`], or is no time
    /// at all. Otherwise a brand would wait for as long as a clock was ahead. Each shard is searched for them in one of eight
    /// minutes.
    fn due(
        &self,
        shard: u8,
        now: Timestamp,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<DueRow>, StoreError>> + Send;

    /// Makes a row due later, if it is due as it was seen. Where it is not known since when it is due, it is from then on.
    fn postpone(
        &self,
        row: &DueRow,
        due_at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How many rows of a shard need an operator; counts up to 1,000.
    fn count_attention(&self, shard: u8) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// A row that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRow {
    /// The row's id, as stored.
    pub id: String,
    /// When it is due, as stored.
    pub due_at: String,
    /// Since when it has been due, however often it was postponed; none where that cannot be read, or is yet to come.
    pub since: Option<Timestamp>,
}

/// Rows that are due later than [`Schedule::LONGEST_WAIT`] allows, or at a time that is none.
pub(crate) struct FarAhead;

impl FarAhead {
    /// Whether it is a shard's turn to be searched for them.
    pub(crate) fn is_looked_for(shard: u8, now: Timestamp) -> bool {
        now.as_millis() / 60_000 % u64::from(SHARDS) == u64::from(shard)
    }
}
