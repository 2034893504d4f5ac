//! What a worker does: `sync-brand` with one message, one atomic operation after the other. Here, what it does before it has
//! the lease of a run, and after.
//!
//! It may die after each operation, and stand still until its lease has ended.

use crate::{
    model::{Actor, Kind, Transitions},
    mutation::Mutation,
    queue::Message,
    state::{
        Effect, Lease, Next, Phase, Row, Run, State, Status, Version, Worker, WorkerId, place,
    },
};

/// A worker about to do something.
pub(crate) struct Turn<'t, 'a> {
    transitions: &'t mut Transitions<'a>,
    id: WorkerId,
    pub(crate) message: Message,
    /// Where the record of its run is.
    pub(crate) record: usize,
}

impl Transitions<'_> {
    /// What that worker may do, and what may befall it.
    pub(crate) fn worker(&mut self, id: WorkerId, worker: Worker) {
        let Worker { message, next } = worker;
        let record = if self.model.is(Mutation::RunPerVersion) {
            place(message.version)
        } else {
            0
        };
        let held = self.from.journal[record].filter(|run| run.lease == Lease::Held(id));
        let mut turn = Turn {
            transitions: self,
            id,
            message,
            record,
        };
        turn.die(next);
        if let Some(run) = held {
            turn.lose_lease(next);
            turn.with_lease(run, next);
        } else if next.needs_lease() {
            turn.go("finds that its lease is lost", Next::Postpone, |_| {});
        } else {
            turn.without_lease(next);
        }
    }
}

impl Turn<'_, '_> {
    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.transitions.model.is(mutation)
    }

    pub(crate) const fn row(&self) -> Option<Row> {
        self.transitions.from.row
    }

    pub(crate) const fn lease(&self) -> Lease {
        Lease::Held(self.id)
    }

    pub(crate) const fn is_last_receive(&self) -> bool {
        self.message.receives == self.transitions.model.max_receives
    }

    /// Does that, and is about to do `next` then.
    pub(crate) fn go(&mut self, what: &'static str, next: Next, change: impl FnOnce(&mut State)) {
        self.may((Kind::System, what), next, change);
    }

    /// Does that, or has it happen, and is about to do `next` then.
    pub(crate) fn may(
        &mut self,
        (kind, what): (Kind, &'static str),
        next: Next,
        change: impl FnOnce(&mut State),
    ) {
        let (id, message) = (self.id, self.message);
        let done = (kind, Actor::Worker(id), what);
        self.transitions.add(done, Some(message), |to| {
            *to.worker(id) = Some(Worker { message, next });
            change(to);
        });
    }

    /// Is done with its message.
    fn leave(&mut self, (kind, what): (Kind, &'static str), change: impl FnOnce(&mut State)) {
        let id = self.id;
        let left = (kind, Actor::Worker(id), what);
        self.transitions.add(left, Some(self.message), |to| {
            *to.worker(id) = None;
            change(to);
        });
    }

    /// Its message becomes visible again, or SQS moves it to the dead-letter queue.
    fn die(&mut self, next: Next) {
        let (message, lease, is_last) = (self.message, self.lease(), self.is_last_receive());
        let is_acknowledged = next == Next::Park && self.is(Mutation::AcknowledgedBeforeParked);
        self.leave((Kind::Fault, "dies"), |to| {
            if is_acknowledged {
                // There is no message any more.
            } else if is_last {
                to.park(message.version);
            } else {
                to.queue.add(message);
            }
            for run in to.journal.iter_mut().flatten() {
                if run.lease == lease {
                    run.lease = Lease::OfTheDead;
                }
            }
        });
    }

    fn lose_lease(&mut self, next: Next) {
        let record = self.record;
        let stands_still = (Kind::Fault, "stands still until its lease has ended");
        self.may(stands_still, next, |to| to.free(record));
    }

    fn without_lease(&mut self, next: Next) {
        let message = self.message;
        match next {
            Next::Read => self.read(),
            Next::Begin(read) => self.begin(read),
            Next::MarkFailed => {
                let marked = self.marked_failed();
                let next = after_marking(marked);
                self.go("marks the row failed, if it may", next, |to| {
                    to.row = marked.or(to.row);
                });
            }
            Next::Park if self.is(Mutation::AcknowledgedBeforeParked) => {
                self.leave((Kind::System, "parks"), |to| to.park(message.version));
            }
            Next::Park => self.go("parks", Next::Acknowledge, |to| to.park(message.version)),
            Next::Acknowledge => self.leave((Kind::System, "acknowledges"), |_| {}),
            // There is no further delivery: it would be dead, though nothing is wrong with it.
            Next::Postpone if self.is_last_receive() => {
                let copy = Message::new(message.version);
                self.go("sends a fresh copy", Next::Acknowledge, |to| {
                    to.queue.add(copy);
                });
            }
            Next::Postpone => {
                self.leave((Kind::System, "postpones"), |to| to.queue.add(message));
            }
            _ => {}
        }
    }

    /// There is a row: it was written before its message was sent, and a tombstone stays.
    fn read(&mut self) {
        let Some(row) = self.row() else { return };
        if row.version > self.message.version {
            // The newer version is in the index itself.
            self.go("reads that it is superseded", Next::Acknowledge, |_| {});
        } else if row.status == Status::Synced {
            self.go("reads that it is synced", Next::Acknowledge, |_| {});
        } else if row.status == Status::Failed && self.is(Mutation::PutBackBeforeTheLease) {
            self.put_back(row, Next::Read);
        } else {
            self.go("reads the row", Next::Begin(Effect::of(row)), |_| {});
        }
    }

    /// Puts a row that is marked failed back into the index, unless it has changed.
    pub(crate) fn put_back(&mut self, row: Row, next: Next) {
        let status = Status::Unsynced;
        self.go("puts the row back into the index", next, |to| {
            to.row = Some(Row { status, ..row });
        });
    }

    /// Begins the run, or takes it over. One that somebody else has begun is brought to its end with what it recorded.
    fn begin(&mut self, read: Effect) {
        let version = self.message.version;
        let Some(run) = self.transitions.from.journal[self.record] else {
            // Nobody has told the CMS anything yet, so that what was read without the lease is still true.
            return self.intend("begins the run", version, read);
        };
        match (run.lease, run.phase) {
            (Lease::Held(_) | Lease::OfTheDead, _) => {
                self.go("finds a lease on the run", Next::Postpone, |_| {});
            }
            (Lease::Free, Phase::Ended) if self.is(Mutation::NotReadAgain) => {
                self.intend("takes the ended run over", version, read);
            }
            (Lease::Free, Phase::Ended) => {
                let phase = Phase::Begun;
                self.hold("takes the ended run over", (version, phase), Next::Prepare);
            }
            (Lease::Free, _) if run.input != version && self.is(Mutation::OpenRunBegunAnew) => {
                let phase = Phase::Begun;
                self.hold("takes the run for itself", (version, phase), Next::Prepare);
            }
            (Lease::Free, phase) => {
                let next = match phase {
                    Phase::Invoking(_) => Next::Apply,
                    Phase::Compensating(_) => Next::Compensate,
                    Phase::Begun | Phase::Failed(_) | Phase::Ended => Next::Prepare,
                };
                self.hold("takes the open run over", (run.input, phase), next);
            }
        }
    }

    /// Writes the run's record, and keeps or takes its lease.
    pub(crate) fn hold(
        &mut self,
        what: &'static str,
        (input, phase): (Version, Phase),
        next: Next,
    ) {
        let (record, lease) = (self.record, self.lease());
        self.go(what, next, |to| {
            to.journal[record] = Some(Run {
                input,
                phase,
                lease,
            });
        });
    }

    /// The row marked failed, if it may be: the version must be the event's. A newer one has been tried by nobody.
    pub(crate) fn marked_failed(&self) -> Option<Row> {
        let row = self.row()?;
        let is_same = row.version == self.message.version;
        let may_be = is_same || self.is(Mutation::FailedWhateverTheVersion);
        (may_be && row.status != Status::Synced).then_some(Row {
            status: Status::Failed,
            ..row
        })
    }
}

/// What is superseded is nobody's concern.
pub(crate) fn after_marking(marked: Option<Row>) -> Next {
    marked.map_or(Next::Acknowledge, |_| Next::Park)
}
