//! What a worker does: `sync-brand` at its visit of the row, one atomic operation after the other. Here, what it does until it has
//! the lease.
//!
//! It may die after each operation. A write or a call whose reply is lost is one after which the worker dies: it acknowledges its
//! message, whatever happens, and leaves the rest to the row.

use crate::{
    model::{Actor, Transitions},
    mutation::Mutation,
    run::call_again,
    search::Kind,
    state::{
        Accident, Due, Key, Lease, Next, Phase, Row, Run, Seen, State, Subscriber, Sync, Worker,
        WorkerId,
    },
};

/// A worker about to do something for a subscriber.
pub(crate) struct Turn<'t, 'a> {
    pub(crate) transitions: &'t mut Transitions<'a>,
    pub(crate) id: WorkerId,
    pub(crate) subscriber: Subscriber,
    /// What it does for the other subscriber.
    sibling: Next,
}

impl Transitions<'_> {
    /// What that worker may do, and what may befall it.
    pub(crate) fn worker(&mut self, id: WorkerId, worker: Worker) {
        if !self.model.is_calm {
            self.add((Kind::Fault, Actor::Worker(id), "dies"), |to| to.leave(id));
        }
        for subscriber in 0..self.model.subscribers {
            let mut turn = Turn {
                transitions: self,
                id,
                subscriber,
                sibling: worker.next[1 - subscriber],
            };
            match (worker.next[subscriber], worker.runs[subscriber]) {
                (Next::ReadRow, _) => turn.read(),
                (Next::Begin(seen), _) => turn.begin(seen),
                (next, Some(run)) => turn.run(next, run),
                (_, None) => {}
            }
        }
    }
}

impl Turn<'_, '_> {
    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.transitions.model.is(mutation)
    }

    pub(crate) const fn state(&self) -> &State {
        self.transitions.from
    }

    pub(crate) fn is_late(&self) -> bool {
        self.state().targets[self.subscriber].late.is_some()
    }

    /// Does that, and is about to do `next` then.
    pub(crate) fn go(&mut self, what: &'static str, next: Next) {
        self.may((Kind::System, what), next, |_| {});
    }

    /// Does that, or has it happen, and is about to do `next` then.
    pub(crate) fn may(
        &mut self,
        (kind, what): (Kind, &'static str),
        next: Next,
        change: impl FnOnce(&mut State),
    ) {
        let (id, subscriber) = (self.id, self.subscriber);
        self.transitions.add((kind, Actor::Worker(id), what), |to| {
            if let Some(worker) = to.worker(id) {
                worker.next[subscriber] = next;
                if matches!(next, Next::Nothing | Next::ReadRow | Next::Begin(_)) {
                    worker.runs[subscriber] = None;
                }
            }
            change(to);
            let has_left = to
                .worker(id)
                .is_some_and(|worker| worker.next == [Next::Nothing; 2]);
            if has_left {
                to.leave(id);
            }
        });
    }

    /// Whether the worker may still make calls: its lease lasts.
    pub(crate) fn may_call(&self) -> bool {
        let id = self.id;
        let lease = self.state().row.map(|row| row.lease);
        let is_released =
            lease == Some(Lease::RunOut(id)) && self.is(Mutation::ReleasesUnderTheOther);
        is_released
            || self.is(Mutation::CallsAfterTheLease)
            || lease.is_some_and(|lease| lease == Lease::Held(id) || lease == Lease::Fenced(id))
    }

    /// Writes the subscriber's part of the row, on condition that the fence is as this worker has left it.
    pub(crate) fn write(
        &mut self,
        what: &'static str,
        next: Next,
        key: Option<Key>,
        change: impl FnOnce(&mut Row, &mut Sync),
    ) {
        let (id, subscriber) = (self.id, self.subscriber);
        let Some(row) = self.state().row else {
            return self.go("finds the row gone", Next::Nothing);
        };
        let is_holder = row.lease == Lease::Held(id) || row.lease == Lease::RunOut(id);
        if !is_holder && !self.is(Mutation::WriteWithoutFence) {
            self.adopt_cancellation(row);
            return self.go("finds that the fence has moved", Next::Nothing);
        }
        self.may((Kind::System, what), next, |to| {
            let Some(row) = &mut to.row else { return };
            let mut sync = row.subscribers[subscriber];
            change(row, &mut sync);
            row.subscribers[subscriber] = sync;
            let target = &mut to.targets[subscriber];
            target.key = key.unwrap_or(target.key);
            if let (Next::Call | Next::CallOver(_), Some(worker)) = (next, to.worker(id)) {
                worker.runs[subscriber] = sync.run;
            }
            if !is_holder {
                to.accident = Some(Accident::ForeignWrite);
            }
            to.move_fence(Some(id));
        });
    }

    /// An operator has cancelled the run of this worker, whose lease lasts: it takes the record over, and undoes what it did.
    ///
    /// ```text
    /// this worker:  begins ──► calls ─────────────────────► ends: refused, cancelled ──► undoes
    /// an operator:                └──► cancels, moves the fence
    /// ```
    fn adopt_cancellation(&mut self, row: Row) {
        let (id, subscriber) = (self.id, self.subscriber);
        let run = row.subscribers[subscriber].run;
        let Some(run) = run.filter(|run| run.is_cancelled && row.lease == Lease::Fenced(id)) else {
            return;
        };
        let adopts = (Kind::System, "finds that its run is cancelled");
        self.may(adopts, revert(run), |to| {
            if let Some(worker) = to.worker(id) {
                worker.runs[subscriber] = Some(run);
            }
            if let Some(row) = &mut to.row {
                row.lease = Lease::Held(id);
            }
        });
    }

    /// Gives the lease back with the write that ends or suspends a run, unless the worker needs it for the other subscriber, or a
    /// call that was not answered may still take effect.
    pub(crate) fn released(&self, lease: Lease) -> Lease {
        let is_quiet = !self.state().has_late()
            || self.is(Mutation::ReleasesBeforeTheMargin)
            || self.is(Mutation::EndsBeforeTheMargin);
        if is_quiet && self.is_alone() {
            Lease::Free
        } else if is_quiet && self.is(Mutation::ReleasesUnderTheOther) {
            // Others take it for free, and the run under way goes on.
            Lease::RunOut(self.id)
        } else {
            lease
        }
    }

    /// Whether the worker does nothing under the lease for the other subscriber.
    const fn is_alone(&self) -> bool {
        matches!(self.sibling, Next::Nothing | Next::ReadRow | Next::Begin(_))
    }

    fn read(&mut self) {
        let Some(row) = self.state().row else {
            return self.go("finds the row gone", Next::Nothing);
        };
        if !self.is_behind(row) {
            return self.go("finds nothing to do", Next::Nothing);
        }
        if row.is_waiting(self.subscriber) {
            return self.go("finds the run suspended", Next::Nothing);
        }
        if !self.is_available(row) {
            return self.go("finds a lease", Next::Nothing);
        }
        let seen = Seen {
            version: row.version,
            change: row.change,
            content: row.content,
            is_outdated: false,
        };
        self.go("reads the row", Next::Begin(seen));
    }

    fn is_behind(&self, row: Row) -> bool {
        if self.is(Mutation::BeginsMarked) {
            return !row.has_reached(self.subscriber);
        }
        let is_marked = row.subscribers[self.subscriber].mark.is_some();
        row.is_behind(self.subscriber) && !(is_marked && self.is(Mutation::MarkWithoutVersion))
    }

    fn is_available(&self, row: Row) -> bool {
        let run = row.subscribers[self.subscriber].run;
        let is_superseded = run.is_some_and(|run| run.version != row.version);
        match row.lease {
            // A second lease is none for what was begun under the first.
            Lease::Free | Lease::RunOut(_) => {
                self.is_alone() || self.is(Mutation::TakesTheLeaseAgain)
            }
            Lease::Held(id) if id == self.id => true,
            _ => {
                self.is(Mutation::LeaseIgnored)
                    || (is_superseded && self.is(Mutation::SupersedesUnderALease))
            }
        }
    }

    /// Begins a run or resumes it, in one write, on condition that version and fence are as they were read:
    ///
    /// ```text
    /// this worker:  reads version 1, no lease ─────────────► begins: refused
    /// another one:      └──► reads the same ──► begins ──────┘
    /// ```
    fn begin(&mut self, seen: Seen) {
        let Some(row) = self.state().row else {
            return self.go("finds the row gone", Next::Nothing);
        };
        if seen.is_outdated && !self.is(Mutation::BeginsWithoutFence) {
            return self.go("finds that the fence has moved", Next::Nothing);
        }
        if seen.version != row.version && !self.is(Mutation::BeginsWhateverTheVersion) {
            return self.go("finds the row changed", Next::ReadRow);
        }
        let sync = row.subscribers[self.subscriber];
        match sync.run {
            Some(run) if run.version == seen.version => self.resume(run),
            superseded => self.begin_run(seen, sync, superseded),
        }
    }

    fn resume(&mut self, run: Run) {
        let next = match run.phase {
            _ if run.is_cancelled => revert(run),
            Phase::Begun => Next::ReadTarget,
            Phase::Invoking if self.is(Mutation::InputIsNotRecorded) => Next::ReadTarget,
            Phase::Invoking | Phase::Undoing => call_again(run),
        };
        self.take_lease("resumes the run", next, run, |_| {});
    }

    /// A run of an older version is superseded. Where it may have acted, what the target holds is in doubt.
    fn begin_run(&mut self, seen: Seen, sync: Sync, superseded: Option<Run>) {
        let may_have_acted = superseded.is_some_and(|run| run.phase != Phase::Begun)
            && !self.is(Mutation::SupersedesWithoutReading);
        let is_in_doubt = sync.doubt || may_have_acted;
        let subscriber = self.subscriber;
        let supposed = sync.holds.filter(|_| !is_in_doubt);
        let run = Run {
            version: seen.version,
            phase: if is_in_doubt {
                Phase::Begun
            } else {
                Phase::Invoking
            },
            from: supposed,
            to: seen.content,
            is_waiting: false,
            is_cancelled: false,
            change: seen.change,
            before: if is_in_doubt {
                None
            } else {
                self.state().targets[subscriber].before(supposed)
            },
        };
        let next = if is_in_doubt {
            Next::ReadTarget
        } else if run.to.is_none() && run.from.is_none() && self.is(Mutation::DeletionTrustsTheRow)
        {
            Next::EndDone
        } else {
            Next::Call
        };
        let forgets_doubt = self.is(Mutation::DoubtEndsWithTheBegin);
        self.take_lease("begins a run", next, run, |to| {
            let Some(row) = &mut to.row else { return };
            let sync = &mut row.subscribers[subscriber];
            sync.doubt = is_in_doubt && !forgets_doubt;
            sync.is_unasked &= !may_have_acted;
            to.targets[subscriber].key = Key::Unused;
        });
    }

    fn take_lease(
        &mut self,
        what: &'static str,
        next: Next,
        run: Run,
        change: impl FnOnce(&mut State),
    ) {
        let (id, subscriber) = (self.id, self.subscriber);
        let records = !self.is(Mutation::IntentIsNotRecorded);
        let takes_out = self.is(Mutation::BeginTakesOutOfDue);
        self.may((Kind::System, what), next, |to| {
            if let Some(worker) = to.worker(id) {
                worker.runs[subscriber] = Some(run);
            }
            if let Some(row) = &mut to.row {
                row.lease = Lease::Held(id);
                if takes_out {
                    row.due = Due::Out;
                }
                let version = row.version;
                let sync = &mut row.subscribers[subscriber];
                sync.run = Some(run).filter(|_| records);
                sync.mark = sync.mark.filter(|mark| mark.version == version);
            }
            to.move_fence(Some(id));
            change(to);
        });
    }
}

/// What comes next for a run that is cancelled.
const fn revert(run: Run) -> Next {
    match run.phase {
        // It has done nothing yet.
        Phase::Begun => Next::EndReverted,
        Phase::Invoking => Next::Revert,
        Phase::Undoing => Next::Call,
    }
}
