//! A state of the model: what the table, the journal, the queues, the CMS and the workers hold, for one brand.

use crate::queue::{Message, Queue};

/// A version of the brand, counted from 1.
pub(crate) type Version = u8;
/// What the CMS shows of the brand: nothing, or the name that this version gave it.
pub(crate) type Content = Option<Version>;

/// The most versions that a brand has here.
pub(crate) const VERSIONS: usize = 3;

/// The place of what there is one of for each version.
pub(crate) fn place(version: Version) -> usize {
    usize::from(version) - 1
}

/// Everything, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    /// The brand's row.
    pub(crate) row: Option<Row>,
    /// What the CMS really holds.
    pub(crate) cms: Content,
    /// The run records. The protocol has one for a brand, in the first place; a mutation has one for each version.
    pub(crate) journal: [Option<Run>; VERSIONS],
    /// Messages that are visible.
    pub(crate) queue: Queue,
    /// Of which versions there are events in the dead-letter queue. How often does not matter.
    pub(crate) dead_letters: [bool; VERSIONS],
    /// Who is at work.
    pub(crate) workers: [Option<Worker>; 2],
}

/// The brand's row. A tombstone stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    /// Rises with each change. A name is known by the version that gave it.
    pub(crate) version: Version,
    /// Whether it is a tombstone.
    pub(crate) is_deleted: bool,
    /// Whether this version has reached the CMS.
    pub(crate) status: Status,
    /// What the CMS has been told, as of the last sync that finished.
    pub(crate) in_cms: Content,
}

impl Row {
    /// What the CMS is to show.
    pub(crate) fn content(self) -> Content {
        (!self.is_deleted).then_some(self.version)
    }

    /// The row, marked synced now that the CMS has been told that.
    pub(crate) fn synced(self, told: Content) -> Self {
        Self {
            status: Status::Synced,
            in_cms: told,
            ..self
        }
    }
}

/// Whether a version has reached the CMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Status {
    /// Not yet: the row is in the index `unsynced`, which is the outbox.
    Unsynced,
    /// It has.
    Synced,
    /// It could not, for good. The row is not in the index.
    Failed,
}

/// The record of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Run {
    /// The version that it syncs. What an ended run was about plays no part any more: it is 0 there.
    pub(crate) input: Version,
    pub(crate) phase: Phase,
    pub(crate) lease: Lease,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    /// It is begun; nothing has been done.
    Begun,
    /// The step's intent is recorded: it may have acted.
    Invoking(Effect),
    /// The step is being taken back.
    Compensating(Effect),
    /// The step could not be taken back.
    Failed(Effect),
    /// It is done or reverted: the CMS shows what the row says it was told.
    Ended,
}

/// The step's input, as the run records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Effect {
    /// What the CMS showed before: what the step's compensation restores.
    pub(crate) before: Content,
    /// What it is to show.
    pub(crate) after: Content,
}

impl Effect {
    /// What syncs that row.
    pub(crate) fn of(row: Row) -> Self {
        Self {
            before: row.in_cms,
            after: row.content(),
        }
    }
}

/// Who may write a run's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lease {
    /// Nobody is at it: whoever comes may take it over.
    Free,
    /// That worker. It stands for an epoch, too: a worker that has lost its lease gets no other while it knows nothing of that.
    Held(WorkerId),
    /// A worker that is dead. The lease has not expired yet.
    OfTheDead,
}

/// Which of the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum WorkerId {
    One,
    Two,
}

impl WorkerId {
    pub(crate) const ALL: [Self; 2] = [Self::One, Self::Two];

    const fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }
}

/// A worker, with the message that it works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Worker {
    pub(crate) message: Message,
    /// What it does next.
    pub(crate) next: Next,
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Next {
    /// Reads the row.
    Read,
    /// Begins the run, or takes it over, with the row's effect as it read it.
    Begin(Effect),
    /// Reads the row again under the lease, and records what it is about to do.
    Prepare,
    /// Calls the CMS.
    Apply,
    /// Ends the run and marks the row synced, in one transaction.
    Finish,
    /// Gives the lease back, since the CMS is not available.
    Suspend,
    /// Records that the run is being reverted.
    Revert,
    /// Calls the CMS to restore what was there before.
    Compensate,
    /// Ends the run as reverted and marks the row failed, in one transaction.
    EndReverted,
    /// Ends the run as failed and marks the row failed, in one transaction.
    EndFailed,
    /// Marks the row failed, where that is not done with the end of the run: a mutation.
    MarkFailed,
    /// Sends the event to the dead-letter queue.
    Park,
    /// Deletes the message.
    Acknowledge,
    /// Lets the message be delivered again later.
    Postpone,
}

impl Next {
    /// Whether that is done under the lease only.
    pub(crate) const fn needs_lease(self) -> bool {
        matches!(
            self,
            Self::Prepare
                | Self::Apply
                | Self::Finish
                | Self::Suspend
                | Self::Revert
                | Self::Compensate
                | Self::EndReverted
                | Self::EndFailed
        )
    }
}

impl State {
    /// How many messages there are of that version, those in the hands of workers included.
    pub(crate) fn copies(&self, version: Version) -> usize {
        let held = self.workers.iter().flatten();
        self.queue.copies(version) + held.filter(|held| held.message.version == version).count()
    }

    /// How many messages there are, those in the hands of workers included.
    pub(crate) fn messages(&self) -> usize {
        (1..)
            .zip(self.dead_letters)
            .map(|(version, _)| self.copies(version))
            .sum()
    }

    /// The worker of that name, if it is at work.
    pub(crate) const fn worker(&mut self, id: WorkerId) -> &mut Option<Worker> {
        match id {
            WorkerId::One => &mut self.workers[0],
            WorkerId::Two => &mut self.workers[1],
        }
    }

    /// Puts an event of that version into the dead-letter queue.
    pub(crate) fn park(&mut self, version: Version) {
        self.dead_letters[place(version)] = true;
    }

    /// Ends the lease of the run there.
    pub(crate) fn free(&mut self, record: usize) {
        if let Some(run) = &mut self.journal[record] {
            run.lease = Lease::Free;
        }
    }

    /// Ends the run there, and its lease with it.
    pub(crate) fn end(&mut self, record: usize, phase: Phase) {
        if let Some(run) = &mut self.journal[record] {
            run.input = if phase == Phase::Ended { 0 } else { run.input };
            run.phase = phase;
            run.lease = Lease::Free;
        }
    }

    /// The one that stands for all states which differ only in which worker is called which.
    pub(crate) fn canonical(&self) -> Self {
        let mut swapped = *self;
        swapped.workers.reverse();
        for run in swapped.journal.iter_mut().flatten() {
            if let Lease::Held(worker) = &mut run.lease {
                *worker = worker.other();
            }
        }
        swapped.min(*self)
    }

    /// Whether an event of the brand's present version is in the dead-letter queue, and the row says why.
    pub(crate) fn is_reported(&self) -> bool {
        self.row.is_some_and(|row| {
            row.status == Status::Failed && self.dead_letters[place(row.version)]
        })
    }

    /// Whether nobody has anything to work on.
    pub(crate) fn is_idle(&self) -> bool {
        self.messages() == 0
    }

    /// Whether a step has begun of which it is not settled whether it stands.
    pub(crate) fn has_open_run(&self) -> bool {
        let mut runs = self.journal.iter().flatten();
        runs.any(|run| matches!(run.phase, Phase::Invoking(_) | Phase::Compensating(_)))
    }

    /// Whether the brand is deleted while a worker has told the CMS its name and not finished.
    pub(crate) fn is_deleted_under_way(&self) -> bool {
        let mut runs = self.journal.iter().flatten();
        let is_deleted = self.row.is_some_and(|row| row.is_deleted);
        is_deleted
            && runs.any(|run| match run.phase {
                Phase::Invoking(effect) => effect.after.is_some() && effect.after == self.cms,
                _ => false,
            })
    }

    /// Whether a run could not take back what it did.
    pub(crate) fn has_leftover(&self) -> bool {
        let mut runs = self.journal.iter().flatten();
        runs.any(|run| matches!(run.phase, Phase::Failed(_)))
    }
}
