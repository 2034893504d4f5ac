//! What the protocol promises: in every state, where the system has come to rest, and that it does.

use std::fmt::{self, Display, Formatter};

use crate::{
    model::{Actor, Model},
    reconcile::Reconciled,
    search::{Transition, Way, World},
    state::{
        Accident, Content, Due, Edit, Lease, Manner, MarkKind, Phase, Row, Run, State, Subscriber,
    },
};

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Where the row says that a version has been reached, the target holds what it says, unless an editor has changed that since.
    SyncedIsTrue,
    /// Where no run is open and nothing is in doubt, the target holds what the row knows of, or what an editor wrote.
    NoOrphan,
    /// At rest, the target holds nothing of a brand that is deleted, unless the row is marked; when the row has expired, never.
    /// What an editor has brought back since is excepted.
    DeletedIsGone,
    /// At rest, the version has been reached, or the row is marked.
    NotLost,
    /// At rest, what is marked refused has been undone, and what is marked otherwise has a run that can go on.
    MarkIsTrue,
    /// What is behind and not marked is due, and at once if no run of the version waits.
    IsDue,
    /// Only what the target refuses, an operator cancels or an editor's change stands against is undone, or marked other than
    /// paused.
    OnlyTheRefusedIsUndone,
    /// At rest, what was cancelled is not synced, unless it was taken up again.
    CancelledStays,
    /// An undo goes back to what the target held before the step.
    UndoGoesBack,
    KeyMeansOneThing,
    WrittenByTheHolder,
    NoStub,
    /// What an editor wrote is not overwritten or deleted, unless a policy says so, the run began in doubt, an operator has taken
    /// the version up, or the brand is deleted.
    EditsStay,
    /// What a client was told is stored is not replaced by what the reconciler found before it.
    ChangesStay,
    /// What the reconciler takes for an editor's, an editor wrote.
    FindingIsTrue,
    /// At rest, after a reconciliation at rest, the CMS and the row are equal, or what differs is reported or marked.
    IsReconciled,
    /// From everywhere there is a way to rest, on which nothing fails.
    ComesToRest,
    /// What is marked can be taken up: from everywhere there is a way to "synced", if the target accepts the version.
    CanBeTakenUp,
}

impl Promise {
    pub(crate) const ALL: [Self; 18] = [
        Self::SyncedIsTrue,
        Self::NoOrphan,
        Self::DeletedIsGone,
        Self::NotLost,
        Self::MarkIsTrue,
        Self::IsDue,
        Self::OnlyTheRefusedIsUndone,
        Self::CancelledStays,
        Self::UndoGoesBack,
        Self::KeyMeansOneThing,
        Self::WrittenByTheHolder,
        Self::NoStub,
        Self::EditsStay,
        Self::ChangesStay,
        Self::FindingIsTrue,
        Self::IsReconciled,
        Self::ComesToRest,
        Self::CanBeTakenUp,
    ];

    fn is_kept(self, model: &Model, state: &State, is_at_rest: bool) -> bool {
        let Some(row) = state.row else {
            let mut targets = state.targets.iter();
            return match self {
                Self::DeletedIsGone => {
                    let is_gone = |edit| edit == Edit::Fresh || !state.is_expired;
                    targets.all(|target| target.holds.is_none() || is_gone(target.edit))
                }
                Self::IsReconciled => {
                    !is_at_rest
                        || state.reconciled != Reconciled::Yes
                        || targets.all(|target| target.holds.is_none())
                }
                _ => true,
            };
        };
        (0..model.subscribers).all(|one| self.is_kept_for(one, &row, state, is_at_rest))
    }

    fn is_kept_for(self, one: Subscriber, row: &Row, state: &State, is_at_rest: bool) -> bool {
        let sync = row.subscribers[one];
        let target = state.targets[one];
        let holds = target.holds;
        let is_edited = target.edit != Edit::None;
        let has_reached = row.has_reached(one);
        match self {
            Self::SyncedIsTrue => {
                !has_reached || holds == row.content || target.edit == Edit::Fresh
            }
            Self::NoOrphan => sync.run.is_some() || sync.doubt || holds == sync.holds || is_edited,
            Self::DeletedIsGone => {
                let is_gone = holds.is_none() || target.edit == Edit::Fresh;
                !is_at_rest || !row.is_deleted() || row.mark(one).is_some() || is_gone
            }
            Self::NotLost => !is_at_rest || has_reached || row.mark(one).is_some(),
            Self::MarkIsTrue => {
                let mut mark = row.mark(one).into_iter();
                !is_at_rest
                    || mark.all(|mark| match mark.kind {
                        MarkKind::Refused => {
                            sync.run.is_none() && (holds == sync.holds || is_edited)
                        }
                        MarkKind::Cancelled => {
                            let is_undone = sync.doubt || holds == sync.holds || is_edited;
                            sync.run.is_none() && is_undone
                        }
                        MarkKind::Failed | MarkKind::Paused => sync.run.is_some(),
                    })
            }
            Self::IsDue => {
                !row.is_behind(one)
                    || row.due == Due::Now
                    || (row.due == Due::Later && row.is_waiting(one))
            }
            Self::OnlyTheRefusedIsUndone => {
                let is_refused = |change| is_edited || state.manner(change) == Manner::Refuses;
                let is_undone = |run: Run| run.phase == Phase::Undoing;
                let mark = row.mark(one);
                sync.run
                    .is_none_or(|run| !is_undone(run) || run.is_cancelled || is_refused(run.change))
                    && mark.is_none_or(|mark| match mark.kind {
                        MarkKind::Paused => true,
                        MarkKind::Cancelled => state.cancelled == Some(row.change),
                        MarkKind::Failed => {
                            state.cancelled == Some(row.change) || is_refused(row.change)
                        }
                        MarkKind::Refused => is_refused(row.change),
                    })
            }
            Self::CancelledStays => {
                !is_at_rest || !has_reached || state.cancelled != Some(row.change)
            }
            Self::UndoGoesBack => {
                let mut run = sync.run.into_iter();
                run.all(|run| run.phase == Phase::Begun || run.from == run.before)
            }
            Self::IsReconciled => {
                let is_equal = holds == row.content || row.mark(one).is_some();
                !is_at_rest || state.reconciled != Reconciled::Yes || is_equal
            }
            _ => true,
        }
    }

    fn forbids(self, accident: Accident) -> bool {
        match accident {
            Accident::KeyUsedTwice => self == Self::KeyMeansOneThing,
            Accident::ForeignWrite => self == Self::WrittenByTheHolder,
            Accident::Stub => self == Self::NoStub,
            Accident::EditLost => self == Self::EditsStay,
            Accident::ChangeLost => self == Self::ChangesStay,
            Accident::FalseFinding => self == Self::FindingIsTrue,
        }
    }
}

impl World for Model {
    type State = State;
    type Promise = Promise;
    type Actor = Actor;
    type Rest = Rest;

    fn transitions(&self, from: &State, found: &mut Vec<Transition<Self>>) {
        self.collect(from, found);
    }

    fn canonical(state: &State) -> State {
        state.canonical()
    }

    fn is_kept(&self, promise: Promise, state: &State, is_at_rest: bool) -> bool {
        let mut accident = state.accident.into_iter();
        accident.all(|accident| !promise.forbids(accident))
            && promise.is_kept(self, state, is_at_rest)
    }

    fn way(&self, promise: Promise) -> Option<Way<Self>> {
        match promise {
            Promise::ComesToRest => Some(Way {
                with_help: false,
                starts: |_| true,
                arrives: |_, is_at_rest| is_at_rest,
            }),
            Promise::CanBeTakenUp => Some(Way {
                with_help: true,
                starts: |state| {
                    let row = state.row;
                    row.is_some_and(|row| state.manner(row.change) == Manner::Accepts)
                },
                arrives: |state, is_at_rest| is_at_rest && Rest::is_synced(state),
            }),
            _ => None,
        }
    }

    fn rest(&self, state: &State) -> Rest {
        Rest::of(state, self.subscribers)
    }
}

impl Display for Promise {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SyncedIsTrue => {
                "the row says that it is synced, and the CMS holds something else"
            }
            Self::NoOrphan => "the CMS holds something that the row does not know of",
            Self::DeletedIsGone => "the brand is deleted, and the CMS holds it",
            Self::NotLost => "at rest, the version is neither synced nor marked",
            Self::MarkIsTrue => {
                "at rest, the version is marked, and the CMS or the run is not as the mark says"
            }
            Self::IsDue => "the version is neither synced nor marked, and not due as it must be",
            Self::OnlyTheRefusedIsUndone => "what is only late is undone",
            Self::CancelledStays => "what was cancelled is synced",
            Self::UndoGoesBack => "the undo would not go back to what the CMS held",
            Self::KeyMeansOneThing => "an idempotency key is used for two requests",
            Self::WrittenByTheHolder => "a worker has written without the lease",
            Self::NoStub => "a write has made a row out of nothing",
            Self::EditsStay => "what an editor wrote is lost, and nothing permits that",
            Self::ChangesStay => "a change of the brand is replaced by what was found before it",
            Self::FindingIsTrue => {
                "the reconciler takes for an editor's what no editor wrote, or what is there no more"
            }
            Self::IsReconciled => {
                "after a reconciliation, the CMS and the row differ, unreported and unmarked"
            }
            Self::ComesToRest => "from here on there is no rest, though nothing fails any more",
            Self::CanBeTakenUp => {
                "from here on the version cannot be synced, though it is accepted"
            }
        })
    }
}

/// How the system comes to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rest {
    /// There is no row yet.
    Nothing,
    Synced,
    /// The brand is deleted, and the targets hold nothing.
    Gone,
    /// As before, and the row has expired.
    Expired,
    /// The row is marked.
    Refused,
    Failed,
    Paused,
    Cancelled,
    /// The row is neither synced nor marked.
    Lost,
}

impl Rest {
    /// How it is for the subscriber that is worst off.
    fn of(state: &State, subscribers: usize) -> Self {
        let Some(row) = state.row else {
            return if state.is_expired {
                Self::Expired
            } else {
                Self::Nothing
            };
        };
        let rests = (0..subscribers).map(|one| match row.mark(one).map(|mark| mark.kind) {
            Some(MarkKind::Refused) => Self::Refused,
            Some(MarkKind::Failed) => Self::Failed,
            Some(MarkKind::Paused) => Self::Paused,
            Some(MarkKind::Cancelled) => Self::Cancelled,
            None if !row.has_reached(one) => Self::Lost,
            None if row.is_deleted() => Self::Gone,
            None => Self::Synced,
        });
        rests.max().unwrap_or(Self::Nothing)
    }

    fn is_synced(state: &State) -> bool {
        matches!(
            Self::of(state, 1),
            Self::Synced | Self::Gone | Self::Expired
        )
    }
}

/// What is stored; not who is at what.
impl Display for State {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if let Some(row) = self.row {
            let deleted = if row.is_deleted() { ", deleted" } else { "" };
            write!(formatter, "row: version {}{deleted}", row.version)?;
            match row.due {
                Due::Now => formatter.write_str(", due")?,
                Due::Later => formatter.write_str(", due later")?,
                Due::Out => {}
            }
            match row.lease {
                Lease::Free => {}
                Lease::Held(id) => write!(formatter, ", lease of worker {id:?}")?,
                Lease::Fenced(id) => write!(formatter, ", lease of worker {id:?}, fenced")?,
                Lease::RunOut(id) => write!(formatter, ", lease of worker {id:?} run out")?,
                Lease::Left => formatter.write_str(", lease left")?,
            }
            for (one, sync) in row.subscribers.iter().enumerate() {
                if one > 0 && *sync == crate::state::Sync::default() {
                    continue;
                }
                write!(
                    formatter,
                    "; reached {}, holds {}",
                    sync.reached,
                    content(sync.holds)
                )?;
                if sync.doubt {
                    formatter.write_str(" (in doubt)")?;
                }
                if let Some(mark) = sync.mark {
                    write!(formatter, ", version {} {:?}", mark.version, mark.kind)?;
                }
                if let Some(run) = sync.run {
                    let (from, to) = (content(run.from), content(run.to));
                    let (phase, version) = (run.phase, run.version);
                    write!(
                        formatter,
                        ", run of {version} from {from} to {to}: {phase:?}"
                    )?;
                    let cancelled = if run.is_cancelled { ", cancelled" } else { "" };
                    formatter.write_str(cancelled)?;
                    let waits = if run.is_waiting { ", waiting" } else { "" };
                    formatter.write_str(waits)?;
                }
            }
        }
        for (one, target) in self.targets.iter().enumerate() {
            let name = if one == 0 { "CMS" } else { "other target" };
            if one == 0 || target.holds.is_some() || target.late.is_some() {
                write!(formatter, "; {name}: {}", content(target.holds))?;
                if target.edit == Edit::Fresh {
                    formatter.write_str(", edited")?;
                }
            }
            if let Some(late) = target.late {
                write!(formatter, ", perhaps {} soon", content(late.to))?;
            }
        }
        Ok(())
    }
}

fn content(content: Content) -> String {
    content.map_or_else(|| "nothing".to_owned(), |name| name.to_string())
}
