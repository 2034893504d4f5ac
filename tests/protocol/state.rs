//! A state of the model: what the row, the targets and the workers hold, for one brand.

use std::{
    fmt::{self, Display, Formatter},
    num::NonZeroU8,
};

use crate::reconcile::{Reconciled, Reconciler};

/// The number of a version, as the row counts it.
pub(crate) type Version = u8;
/// The number of a change over the brand's life. It is the version, unless an older row was restored.
pub(crate) type Change = u8;
/// What a target holds of the brand: nothing, or an entry of that name.
pub(crate) type Content = Option<Name>;
/// Which subscriber, and which target: `0` is the CMS.
pub(crate) type Subscriber = usize;

/// The most changes that a brand has here.
const CHANGES: usize = 4;
/// The most subscribers that a row has here.
pub(crate) const SUBSCRIBERS: usize = 2;

/// A name of the brand: one that a change gave it, or one that an editor gave its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name(NonZeroU8);

/// Everything, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    pub(crate) row: Option<Row>,
    pub(crate) targets: [Target; SUBSCRIBERS],
    pub(crate) workers: [Option<Worker>; 2],
    /// How the CMS answers to each change.
    pub(crate) manners: [Manner; CHANGES],
    pub(crate) changes: Change,
    pub(crate) updates: u8,
    pub(crate) deletes: u8,
    /// Whether the row of the deleted brand has expired.
    pub(crate) is_expired: bool,
    /// The change whose run an operator has cancelled, and not taken up since.
    pub(crate) cancelled: Option<Change>,
    /// Whether the sweep has notified, and is about to move `due_at` on.
    pub(crate) is_sweeping: bool,
    /// What must never happen has happened.
    pub(crate) accident: Option<Accident>,
    /// How often editors have changed the entry in the CMS.
    pub(crate) edits: u8,
    pub(crate) reconciler: Option<Reconciler>,
    /// Not stored anywhere: whether a reconciliation at rest has found or made everything equal, and nothing has changed since.
    pub(crate) reconciled: Reconciled,
    /// Only where keys are derived from versions, which is a mutation: the request of each version's key.
    pub(crate) requests: [Option<Request>; CHANGES],
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Accident {
    /// An idempotency key was used for two different requests.
    KeyUsedTwice,
    /// A worker wrote without the lease.
    ForeignWrite,
    /// A write made a row out of nothing.
    Stub,
    /// What an editor wrote was overwritten, and nothing permits that.
    EditLost,
    /// A change of the brand was replaced by what was found before it.
    ChangeLost,
    /// What the system wrote itself was taken for what an editor wrote.
    FalseFinding,
}

/// The brand's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    pub(crate) version: Version,
    pub(crate) change: Change,
    /// What the targets are to hold: nothing if the brand is deleted.
    pub(crate) content: Content,
    pub(crate) due: Due,
    pub(crate) lease: Lease,
    /// Whether `expires_at` is set.
    pub(crate) expires: bool,
    pub(crate) subscribers: [Sync; SUBSCRIBERS],
}

/// `due_at`: whether it is set, and how far away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Due {
    /// The row is not in the index.
    Out,
    Now,
    /// When the wait of a suspended run is over.
    Later,
}

/// The row's lease. Its holder may write while the fence (token and sequence) is as it wrote it, and call while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lease {
    /// Released, or run out without a holder.
    Free,
    /// It lasts, and that worker may write.
    Held(WorkerId),
    /// It lasts, but another write has moved the fence: that worker may call, and cannot write.
    Fenced(WorkerId),
    /// It has run out; that worker may write as long as no other one has.
    RunOut(WorkerId),
    /// It lasts, but its holder is gone.
    Left,
}

/// A subscriber's map in the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sync {
    /// The version that has reached the target; 0 for none.
    pub(crate) reached: Version,
    /// What the target holds, as of the last run that ended.
    pub(crate) holds: Content,
    /// Whether the target may hold something else.
    pub(crate) doubt: bool,
    /// Not in the row: whether the reconciler put it in doubt, and no policy has what editors wrote overwritten.
    pub(crate) is_unasked: bool,
    pub(crate) mark: Option<Mark>,
    pub(crate) run: Option<Run>,
}

/// Why a version has not reached the target, and waits for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mark {
    pub(crate) kind: MarkKind,
    pub(crate) version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum MarkKind {
    /// The target refused the version; what was done is undone.
    Refused,
    /// The target refused the version, and refused the undo.
    Failed,
    /// The target was away for longer than the budget.
    Paused,
    /// An operator cancelled the version; what was done is undone.
    Cancelled,
}

/// The record of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Run {
    pub(crate) version: Version,
    pub(crate) phase: Phase,
    /// The step's input: what the target held before, and what it is to hold.
    pub(crate) from: Content,
    pub(crate) to: Content,
    /// Whether it waits until `resume_at`.
    pub(crate) is_waiting: bool,
    /// Whether an operator has asked for it to be cancelled.
    pub(crate) is_cancelled: bool,
    /// Not in the record: which change the version is, and what the target really held when the step was intended, unless an
    /// editor wrote that.
    pub(crate) change: Change,
    pub(crate) before: Content,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    /// It began in doubt and has not read the target yet.
    Begun,
    /// The intent is recorded: the step may have acted.
    Invoking,
    Undoing,
}

/// A target, such as the CMS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Target {
    pub(crate) holds: Content,
    /// A call that was not answered and may still take effect.
    pub(crate) late: Option<Call>,
    /// What it knows of the key that the run uses now.
    pub(crate) key: Key,
    /// Not stored anywhere: whether an editor wrote what it holds.
    pub(crate) edit: Edit,
}

/// A call that changes what a target holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Call {
    /// What the target must hold for it to take effect, if that is a condition.
    pub(crate) supposed: Option<Content>,
    pub(crate) to: Content,
    /// Whether the brand is deleted, so that the entry goes whatever an editor made of it.
    pub(crate) is_deletion: bool,
}

/// Whether an editor wrote what a target holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Edit {
    #[default]
    None,
    /// One did, and the system must not overwrite it.
    Fresh,
    /// One did, and the system may overwrite it: a policy says so, a run in doubt has read it, or the row has it.
    Known,
}

/// What a target remembers of an idempotency key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    #[default]
    Unused,
    Sent(Content),
    /// It has answered with a failure, and answers the same to the same key.
    Failed(Content),
}

/// A request that was answered, where keys are derived from versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request(pub(crate) Content);

/// How the CMS answers to a change while it is not away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Manner {
    #[default]
    Accepts,
    /// It always refuses; whether it acts all the same is open.
    Refuses,
    /// It always answers 500.
    Breaks,
}

/// Which of the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum WorkerId {
    One,
    Two,
}

/// A worker at its visit of the row: what it does next for each subscriber, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Worker {
    pub(crate) next: [Next; SUBSCRIBERS],
    /// The records as the worker has them in memory.
    pub(crate) runs: [Option<Run>; SUBSCRIBERS],
}

/// What a worker does next for a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Next {
    Nothing,
    ReadRow,
    Begin(Seen),
    ReadTarget,
    /// Records the intent, with what the target holds.
    Intend(Content),
    Call,
    /// Calls, supposing that the target holds something else than the record says.
    CallOver(Content),
    /// Reads the target, which holds something else than was supposed.
    LookAgain,
    /// Tries again, suspends or pauses: the call failed transiently. Whether it was answered.
    Decide(Failure),
    /// Records the next key.
    MoveKey,
    EndDone,
    Revert,
    EndReverted,
    EndFailed,
}

/// A transient failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Failure {
    Answered,
    Unanswered,
}

/// The row as it was read, as far as the begin write depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seen {
    pub(crate) version: Version,
    pub(crate) change: Change,
    pub(crate) content: Content,
    /// Whether the lease has been written since.
    pub(crate) is_outdated: bool,
}

impl Name {
    const FIRST_OF_AN_EDITOR: u8 = 0x80;

    pub(crate) const fn of_change(change: Change) -> Self {
        Self(NonZeroU8::MIN.saturating_add(change - 1))
    }

    pub(crate) const fn of_edit(edit: u8) -> Self {
        Self(NonZeroU8::MIN.saturating_add(Self::FIRST_OF_AN_EDITOR + edit - 1))
    }
}

impl Display for Name {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let number = self.0.get();
        match number.checked_sub(Self::FIRST_OF_AN_EDITOR) {
            Some(edit) => write!(formatter, "an editor's name {edit}"),
            None => write!(formatter, "name {number}"),
        }
    }
}

impl Target {
    /// The call takes effect if its condition holds. Returns whether it destroys what an editor wrote.
    ///
    /// One exception: a run whose first create call was not answered creates the entry again if an editor has deleted it since. A
    /// worker cannot tell that entry from one that was never made.
    pub(crate) fn take(&mut self, call: Call) -> bool {
        if call.supposed.is_some_and(|content| content != self.holds) {
            return false;
        }
        let is_again = self.holds.is_none() && call.supposed == Some(None);
        let is_lost =
            self.edit == Edit::Fresh && self.holds != call.to && !call.is_deletion && !is_again;
        self.holds = call.to;
        self.edit = Edit::None;
        is_lost
    }

    /// From now on the system may overwrite what an editor wrote.
    pub(crate) fn know(&mut self) {
        if self.edit == Edit::Fresh {
            self.edit = Edit::Known;
        }
    }

    /// What an undo has to go back to: what the target holds, or what the run supposes where an editor has changed that.
    pub(crate) fn before(self, supposed: Content) -> Content {
        if self.edit == Edit::None {
            self.holds
        } else {
            supposed
        }
    }
}

impl Row {
    pub(crate) const fn is_deleted(&self) -> bool {
        self.content.is_none()
    }

    /// Whether that subscriber has yet to be brought to the row's version, and may be.
    pub(crate) fn is_behind(&self, subscriber: Subscriber) -> bool {
        !self.has_reached(subscriber) && self.mark(subscriber).is_none()
    }

    pub(crate) fn has_reached(&self, subscriber: Subscriber) -> bool {
        let sync = self.subscribers[subscriber];
        sync.reached == self.version && !sync.doubt
    }

    /// A mark counts only while the row has its version.
    pub(crate) fn mark(&self, subscriber: Subscriber) -> Option<Mark> {
        self.subscribers[subscriber]
            .mark
            .filter(|mark| mark.version == self.version)
    }

    /// Whether that subscriber's run is of the row's version and waits.
    pub(crate) fn is_waiting(&self, subscriber: Subscriber) -> bool {
        let run = self.subscribers[subscriber].run;
        run.is_some_and(|run| run.version == self.version && run.is_waiting)
    }

    /// The earliest of what the subscribers need.
    pub(crate) fn earliest(&self, subscribers: usize) -> Due {
        let due = (0..subscribers).filter(|subscriber| self.is_behind(*subscriber));
        due.map(|subscriber| {
            if self.is_waiting(subscriber) {
                Due::Later
            } else {
                Due::Now
            }
        })
        .min()
        .unwrap_or(Due::Out)
    }
}

impl WorkerId {
    pub(crate) const ALL: [Self; 2] = [Self::One, Self::Two];

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::One => 0,
            Self::Two => 1,
        }
    }
}

impl State {
    pub(crate) const fn worker(&mut self, id: WorkerId) -> &mut Option<Worker> {
        &mut self.workers[id.index()]
    }

    pub(crate) fn manner(&self, change: Change) -> Manner {
        self.manners[usize::from(change) - 1]
    }

    /// Moves the fence, so that what others have read is outdated.
    pub(crate) fn move_fence(&mut self, by: Option<WorkerId>) {
        for id in WorkerId::ALL {
            if Some(id) == by {
                continue;
            }
            for next in self
                .worker(id)
                .iter_mut()
                .flat_map(|worker| &mut worker.next)
            {
                if let Next::Begin(seen) = next {
                    seen.is_outdated = true;
                }
            }
        }
        if let Some(reconciler) = &mut self.reconciler {
            reconciler.outdate();
        }
        if let (None, Some(row)) = (by, &mut self.row) {
            row.lease = match row.lease {
                Lease::Held(id) => Lease::Fenced(id),
                Lease::RunOut(_) => Lease::Free,
                other => other,
            };
        }
    }

    /// A worker that has nothing left to do goes, and leaves a lease that it has not released.
    pub(crate) fn leave(&mut self, id: WorkerId) {
        *self.worker(id) = None;
        if let Some(row) = &mut self.row {
            row.lease = match row.lease {
                Lease::Held(holder) | Lease::Fenced(holder) if holder == id => Lease::Left,
                Lease::RunOut(holder) if holder == id => Lease::Free,
                other => other,
            };
        }
    }

    /// Whether the brand has changed as often as it does here at most.
    pub(crate) const fn has_all_changes(&self) -> bool {
        self.changes as usize == CHANGES
    }

    pub(crate) fn has_late(&self) -> bool {
        self.targets.iter().any(|target| target.late.is_some())
    }

    /// The one that stands for all states which differ only in which worker is called which.
    pub(crate) fn canonical(&self) -> Self {
        let mut swapped = *self;
        swapped.workers.reverse();
        if let Some(row) = &mut swapped.row {
            match &mut row.lease {
                Lease::Held(id) | Lease::Fenced(id) | Lease::RunOut(id) => *id = id.other(),
                Lease::Free | Lease::Left => {}
            }
        }
        swapped.min(*self)
    }
}
