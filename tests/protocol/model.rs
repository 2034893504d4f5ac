//! The model: what may happen next in a state. Here, what happens around the workers: the client, the sweep, time and the
//! operator.
//!
//! A message is a hint, so the queue has no state here: a worker may visit the row at any time, because of a message that is early,
//! late or doubled, and only the sweep's visits can be counted on.

use std::fmt::{self, Display, Formatter};

use crate::{
    mutation::Mutation,
    reconcile::{Policy, Reconciled},
    search::{Kind, Transition},
    state::{
        Accident, Content, Due, Edit, Lease, Manner, Mark, MarkKind, Name, Next, Phase, Row, Run,
        State, Subscriber, Sync, Worker, WorkerId,
    },
};

/// How large a world the model is of, and what is wrong in it.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a part of the world that may be left out"
)]
pub(crate) struct Model {
    pub(crate) subscribers: usize,
    /// How many workers may be at it at once.
    pub(crate) workers: usize,
    /// How often the client updates the brand at most.
    pub(crate) updates: u8,
    /// How often the client deletes it at most. It may repeat that where the deletion is marked.
    pub(crate) deletes: u8,
    /// How the CMS may answer to a change.
    pub(crate) manners: &'static [Manner],
    /// Whether the operator may cancel runs.
    pub(crate) cancels: bool,
    /// Whether the operator may run `sync --all`.
    pub(crate) resyncs: bool,
    /// Whether the CMS may be replaced by an empty one or by its backup, and `sync --all` run then.
    pub(crate) replaces: bool,
    pub(crate) restore: Restore,
    /// Whether the write by which the sweep moves `due_at` on is looked at.
    pub(crate) sweeps: bool,
    /// How often editors change the entry in the CMS at most.
    pub(crate) edits: u8,
    /// Whether they may bring back an entry that was deleted.
    pub(crate) undeletes: bool,
    /// Whether the brands are compared with the entries of the CMS, again and again.
    pub(crate) reconciles: bool,
    /// What follows where an editor has changed the entry.
    pub(crate) policy: Policy,
    /// Whether no worker dies and the CMS is never away: it answers, or does not.
    pub(crate) is_calm: bool,
    /// In what the protocol departs from its design.
    pub(crate) mutation: Option<Mutation>,
}

/// Whether an older row may be restored from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restore {
    Never,
    /// And `sync --all` is run before a worker sees the row.
    WithResync,
    /// And `sync --all` is forgotten.
    Bare,
}

const REPLACEMENTS: [(Content, &str); 2] = [
    (None, "replaces the CMS by an empty one and runs sync --all"),
    (
        Some(Name::of_change(1)),
        "replaces the CMS by its backup and runs sync --all",
    ),
];

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    Client,
    Queue,
    Sweep,
    Time,
    Operator,
    Editor,
    Reconciler,
    Target(Subscriber),
    Worker(WorkerId),
}

/// Collects what may happen in one state.
pub(crate) struct Transitions<'a> {
    pub(crate) model: &'a Model,
    pub(crate) from: &'a State,
    pub(crate) found: &'a mut Vec<Transition<Model>>,
}

impl Model {
    /// Whether that is wrong in it.
    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Everything that may happen in that state.
    pub(crate) fn collect(&self, from: &State, found: &mut Vec<Transition<Self>>) {
        let mut transitions = Transitions {
            model: self,
            from,
            found,
        };
        transitions.client();
        transitions.visits();
        transitions.sweep();
        transitions.late_effects();
        transitions.lease_runs_out();
        transitions.waits_end();
        transitions.expiry();
        transitions.operator();
        transitions.editor();
        transitions.reconciler();
        transitions.restore();
        for (id, worker) in WorkerId::ALL.into_iter().zip(from.workers) {
            if let Some(worker) = worker {
                transitions.worker(id, worker);
            }
        }
    }
}

impl Transitions<'_> {
    pub(crate) fn add(
        &mut self,
        (kind, actor, what): (Kind, Actor, &'static str),
        change: impl FnOnce(&mut State),
    ) {
        let mut to = *self.from;
        if matches!(kind, Kind::Outside | Kind::Help) && actor != Actor::Time {
            to.reconciled = Reconciled::No;
        }
        change(&mut to);
        self.found.push(Transition {
            kind,
            actor,
            what,
            to,
        });
    }

    /// The API writes the row on condition that its version is as it was read. It leaves the lease and the subscribers alone.
    fn client(&mut self) {
        let Some(row) = self.from.row else {
            if self.from.changes == 0 {
                let created = Row {
                    version: 1,
                    change: 1,
                    content: Some(Name::of_change(1)),
                    due: Due::Now,
                    lease: Lease::Free,
                    expires: false,
                    subscribers: [Sync::default(); 2],
                };
                self.write((Kind::Outside, "creates the brand"), created);
            }
            return;
        };
        if self.from.has_all_changes() {
            return;
        }
        let change = self.from.changes + 1;
        let changed = Row {
            version: row.version + 1,
            change,
            content: Some(Name::of_change(change)),
            ..row
        };
        let deleted = Row {
            content: None,
            ..changed
        };
        if !row.is_deleted() {
            if self.from.updates < self.model.updates {
                self.write((Kind::Outside, "updates the brand"), changed);
            }
            if self.from.deletes < self.model.deletes {
                self.write((Kind::Outside, "deletes the brand"), deleted);
            }
        } else if self.from.deletes < self.model.deletes && self.is_marked(row) {
            self.write((Kind::Help, "deletes the brand again"), deleted);
        }
    }

    fn is_marked(&self, row: Row) -> bool {
        (0..self.model.subscribers).any(|subscriber| row.mark(subscriber).is_some())
    }

    fn write(&mut self, (kind, what): (Kind, &'static str), row: Row) {
        let is_due = row.version == 1 || !self.model.is(Mutation::ChangeIsNotDue);
        for manner in self.model.manners {
            self.add((kind, Actor::Client, what), |to| {
                let mut row = row;
                if is_due {
                    row.due = Due::Now;
                }
                for run in row.subscribers.iter_mut().flat_map(|sync| &mut sync.run) {
                    // When a superseded run would have gone on plays no part any more.
                    run.is_waiting = false;
                }
                to.changes = row.change;
                to.manners[usize::from(row.change) - 1] = *manner;
                if row.is_deleted() {
                    to.deletes += 1;
                } else if row.version > 1 {
                    to.updates += 1;
                }
                to.row = Some(row);
            });
        }
    }

    /// A message makes a worker visit the row. The sweep sends one as long as the row is due; all others may be lost, doubled or
    /// late.
    fn visits(&mut self) {
        let workers = &self.from.workers;
        if workers.iter().flatten().count() == self.model.workers {
            return;
        }
        let Some(idle) = workers.iter().position(Option::is_none) else {
            return;
        };
        let Some(row) = self.from.row else { return };
        let mut next = [Next::Nothing; 2];
        next[..self.model.subscribers].fill(Next::ReadRow);
        let visit = |to: &mut State| {
            to.workers[idle] = Some(Worker {
                next,
                runs: [None; 2],
            });
        };
        if row.due == Due::Now {
            let sweeps = self.model.sweeps;
            self.add((Kind::System, Actor::Sweep, "notifies a worker"), |to| {
                visit(to);
                to.is_sweeping = sweeps;
            });
        } else {
            let hint = "delivers a message that is late or doubled";
            self.add((Kind::Fault, Actor::Queue, hint), visit);
        }
    }

    /// Having notified, the sweep moves `due_at` on, on condition that it is as it was read:
    ///
    /// ```text
    /// the sweep:  reads that it is due ──► notifies ───────────────────────► moves due_at on: refused
    /// a worker:                                └──► begins ──► ends: done ──┘
    /// ```
    fn sweep(&mut self) {
        if !self.from.is_sweeping {
            return;
        }
        let is_unconditional = self.model.is(Mutation::SweepUnconditional);
        let moves = (Kind::System, Actor::Sweep, "moves due_at on, if it may");
        self.add(moves, |to| {
            to.is_sweeping = false;
            match &mut to.row {
                Some(row) if is_unconditional => row.due = Due::Now,
                None if is_unconditional => to.accident = Some(Accident::Stub),
                _ => {}
            }
        });
    }

    /// A call that was not answered takes effect before its margin has passed, or not at all.
    fn late_effects(&mut self) {
        for (index, target) in self.from.targets.iter().enumerate() {
            let Some(call) = target.late else { continue };
            let lands = (
                Kind::System,
                Actor::Target(index),
                "acts on the unanswered call",
            );
            self.add(lands, |to| {
                to.targets[index].late = None;
                if to.targets[index].take(call) {
                    to.accident = Some(Accident::EditLost);
                }
            });
            let passes = "has not acted on the unanswered call when the margin has passed";
            let passes = (Kind::System, Actor::Target(index), passes);
            self.add(passes, |to| to.targets[index].late = None);
        }
    }

    /// A lease outlives each call that is made under it by the margin.
    fn lease_runs_out(&mut self) {
        let Some(row) = self.from.row else { return };
        if self.from.has_late() && !self.model.is(Mutation::LeaseWithoutMargin) {
            return;
        }
        let (kind, what, after) = match row.lease {
            Lease::Left if self.model.is(Mutation::LeaseWithoutEnd) => return,
            Lease::Left => (Kind::System, "ends the lease that was left", Lease::Free),
            // There a lease that has run out stands for one that was released.
            Lease::Held(_) if self.model.is(Mutation::ReleasesUnderTheOther) => return,
            Lease::Held(id) => {
                let what = "ends the lease of a worker that stands still";
                (Kind::Fault, what, Lease::RunOut(id))
            }
            Lease::Fenced(_) => {
                let what = "ends the lease of a worker that stands still";
                (Kind::Fault, what, Lease::Free)
            }
            Lease::Free | Lease::RunOut(_) => return,
        };
        self.add((kind, Actor::Time, what), |to| {
            let mut row = row;
            row.lease = after;
            to.row = Some(row);
        });
    }

    fn waits_end(&mut self) {
        let Some(row) = self.from.row.filter(|row| row.due == Due::Later) else {
            return;
        };
        self.add((Kind::System, Actor::Time, "ends the wait"), |to| {
            let mut row = row;
            row.due = Due::Now;
            for run in row.subscribers.iter_mut().flat_map(|sync| &mut sync.run) {
                run.is_waiting = false;
            }
            to.row = Some(row);
        });
    }

    fn expiry(&mut self) {
        let Some(row) = self.from.row else { return };
        let expires = row.expires
            || (self.model.is(Mutation::ExpiresBeforeItIsReached) && row.is_deleted())
            || (self.model.is(Mutation::ExpiresForOneSubscriber)
                && row.is_deleted()
                && row.has_reached(0));
        if expires {
            self.add(
                (Kind::Outside, Actor::Time, "removes the expired row"),
                |to| {
                    to.row = None;
                    to.is_expired = true;
                },
            );
        }
    }

    fn operator(&mut self) {
        let Some(row) = self.from.row else { return };
        for subscriber in 0..self.model.subscribers {
            if row.mark(subscriber).is_some() {
                self.take_up(row, subscriber);
            }
        }
        if self.model.cancels {
            for subscriber in 0..self.model.subscribers {
                self.cancel(row, subscriber);
            }
        }
        if self.model.resyncs {
            let all = (Kind::Outside, Actor::Operator, "runs sync --all");
            self.add(all, |to| to.row = Some(row));
            self.resync();
        }
        if self.model.replaces {
            for (content, what) in REPLACEMENTS {
                self.add((Kind::Outside, Actor::Operator, what), |to| {
                    to.targets[0].holds = content;
                    to.targets[0].late = None;
                    to.targets[0].edit = Edit::None;
                });
                self.resync();
            }
        }
    }

    /// `sync --id`: the run of a paused or failed version stays, and goes on; one that was cancelled does not. Without a run, the
    /// CMS is read first, so that what an editor wrote is overwritten.
    fn take_up(&mut self, row: Row, subscriber: Subscriber) {
        let keeps_mark = self.model.is(Mutation::TakeUpKeepsMark);
        let is_due = !self.model.is(Mutation::TakeUpIsNotDue);
        let reads = !self.model.is(Mutation::TakesUpWithoutReading);
        let takes_up = (Kind::Help, Actor::Operator, "takes up the marked version");
        self.add(takes_up, |to| {
            let mut row = row;
            let sync = &mut row.subscribers[subscriber];
            if !keeps_mark {
                sync.mark = None;
            }
            sync.run.take_if(|run| run.is_cancelled);
            sync.doubt |= sync.run.is_none() && reads;
            if is_due {
                row.due = Due::Now;
            }
            to.row = Some(row);
            to.cancelled = None;
            to.move_fence(None);
        });
    }

    /// Cancels what is under way, waits or is paused. A run that may have acted is undone by the next worker, or by the one that
    /// has it; what has not begun is marked at once.
    fn cancel(&mut self, row: Row, subscriber: Subscriber) {
        let sync = row.subscribers[subscriber];
        let mark = row.mark(subscriber).map(|mark| mark.kind);
        let is_open = !row.has_reached(subscriber) && matches!(mark, None | Some(MarkKind::Paused));
        let run = sync.run.filter(|run| run.version == row.version);
        if !is_open || run.is_some_and(|run| run.is_cancelled || run.phase == Phase::Undoing) {
            return;
        }
        let model = self.model;
        let forgets = model.is(Mutation::CancelForgetsTheRun);
        let cancels = (Kind::Outside, Actor::Operator, "cancels the run");
        self.add(cancels, |to| {
            let mut row = row;
            let sync = &mut row.subscribers[subscriber];
            sync.mark = None;
            if let Some(run) = run.filter(|_| !forgets) {
                sync.run = Some(Run {
                    is_cancelled: true,
                    is_waiting: false,
                    ..run
                });
                if !model.is(Mutation::CancelIsNotDue) {
                    row.due = Due::Now;
                }
            } else {
                // Of an older version.
                let superseded = sync.run.take().filter(|_| !forgets);
                sync.doubt |= superseded.is_some_and(|run| run.phase != Phase::Begun);
                sync.mark = Some(Mark {
                    kind: MarkKind::Cancelled,
                    version: row.version,
                });
                row.due = row.earliest(model.subscribers);
            }
            to.cancelled = Some(row.change);
            to.row = Some(row);
            if !model.is(Mutation::CancelDoesNotFence) {
                to.move_fence(None);
            }
        });
    }

    /// What the row knows of the target is void, for the transition that was added last.
    fn resync(&mut self) {
        let model = self.model;
        let Some(Transition { to, .. }) = self.found.last_mut() else {
            return;
        };
        let Some(row) = &mut to.row else { return };
        for sync in &mut row.subscribers[..model.subscribers] {
            let run = sync.run.filter(|_| model.is(Mutation::ResyncKeepsRun));
            *sync = Sync {
                doubt: !model.is(Mutation::ResyncKeepsHolds),
                holds: sync.holds.filter(|_| model.is(Mutation::ResyncKeepsHolds)),
                run,
                ..Sync::default()
            };
        }
        row.due = Due::Now;
        to.cancelled = None;
        row.expires &= model.is(Mutation::ResyncKeepsExpiry);
        if !model.is(Mutation::OperatorDoesNotFence) {
            to.move_fence(None);
        }
    }

    /// A restore takes longer than any worker lives.
    fn restore(&mut self) {
        let restore = self.model.restore;
        let is_quiet = self.from.workers == [None; 2] && !self.from.has_late();
        if restore == Restore::Never || self.from.changes < 2 || !is_quiet {
            return;
        }
        let run = Run {
            version: 1,
            phase: Phase::Invoking,
            from: None,
            to: Some(Name::of_change(1)),
            is_waiting: false,
            is_cancelled: false,
            change: 1,
            before: self.from.targets[0].holds,
        };
        for run in [None, Some(run)] {
            let restores = "restores the row from a backup of its first version";
            self.add((Kind::Outside, Actor::Operator, restores), |to| {
                let sync = Sync {
                    run,
                    ..Sync::default()
                };
                to.row = Some(Row {
                    version: 1,
                    change: 1,
                    content: Some(Name::of_change(1)),
                    due: Due::Now,
                    lease: Lease::Free,
                    expires: false,
                    subscribers: [sync, Sync::default()],
                });
                to.is_expired = false;
                to.targets[0].key = crate::state::Key::Unused;
            });
            if restore == Restore::WithResync {
                self.resync();
            }
        }
    }
}

impl Display for Actor {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => formatter.write_str("the client"),
            Self::Queue => formatter.write_str("the queue"),
            Self::Sweep => formatter.write_str("the sweep"),
            Self::Time => formatter.write_str("time"),
            Self::Operator => formatter.write_str("the operator"),
            Self::Editor => formatter.write_str("an editor"),
            Self::Reconciler => formatter.write_str("the reconciler"),
            Self::Target(0) => formatter.write_str("the CMS"),
            Self::Target(_) => formatter.write_str("the other target"),
            Self::Worker(id) => write!(formatter, "worker {id:?}"),
        }
    }
}
