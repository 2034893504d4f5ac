//! The model: what may happen next in a state. Here, what happens around the workers: the client, the queue, the function
//! `republish-brands`, time and the operator.

use crate::{
    mutation::Mutation,
    queue::Message,
    state::{Lease, Next, Row, State, Status, Worker, WorkerId, place},
};

/// How large a world the model is of, and what is wrong in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    /// How often the client updates the brand at most.
    pub(crate) updates: u8,
    /// Whether the client may delete the brand.
    pub(crate) deletes: bool,
    /// With how many messages at once none is doubled or redriven. How often that is done over time has no bound.
    pub(crate) messages: usize,
    /// How often a message is received before SQS moves it to the dead-letter queue.
    pub(crate) max_receives: u8,
    /// In what the protocol departs from its design.
    pub(crate) mutation: Option<Mutation>,
}

/// Something that may happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transition {
    pub(crate) kind: Kind,
    pub(crate) actor: Actor,
    pub(crate) what: &'static str,
    /// The message that it is about, if it is about one.
    pub(crate) message: Option<Message>,
    pub(crate) to: State,
}

/// Whether one may count on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It happens sooner or later, if it can: the system at work.
    System,
    /// It may happen or not, and nothing good is to depend on it.
    Fault,
    /// Somebody outside wants it: a client or an operator.
    Outside,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    Client,
    Queue,
    Republish,
    Time,
    Operator,
    Worker(WorkerId),
}

/// Collects what may happen in one state.
pub(crate) struct Transitions<'a> {
    pub(crate) model: &'a Model,
    pub(crate) from: &'a State,
    pub(crate) found: &'a mut Vec<Transition>,
}

impl Model {
    /// Whether that is wrong in it.
    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Everything that may happen in that state.
    pub(crate) fn transitions(&self, from: &State, found: &mut Vec<Transition>) {
        found.clear();
        let mut transitions = Transitions {
            model: self,
            from,
            found,
        };
        transitions.client();
        transitions.delivery();
        transitions.duplicates();
        transitions.republish();
        transitions.expiry();
        transitions.redrive();
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
        message: Option<Message>,
        change: impl FnOnce(&mut State),
    ) {
        let mut to = *self.from;
        change(&mut to);
        self.found.push(Transition {
            kind,
            actor,
            what,
            message,
            to,
        });
    }

    /// The API's write of the row is one conditional write, and what comes after it may get lost: so the announcement
    /// is sent or not. One that is sent late is one that is delivered late.
    fn client(&mut self) {
        let Some(row) = self.from.row else {
            let created = Row {
                version: 1,
                is_deleted: false,
                status: Status::Unsynced,
                in_cms: None,
            };
            self.write(
                ["creates the brand", "creates the brand, unannounced"],
                created,
            );
            return;
        };
        if row.is_deleted {
            return;
        }
        let changed = Row {
            version: row.version + 1,
            status: Status::Unsynced,
            ..row
        };
        if row.version <= self.model.updates {
            self.write(
                ["updates the brand", "updates the brand, unannounced"],
                changed,
            );
        }
        if self.model.deletes {
            let deleted = Row {
                is_deleted: true,
                ..changed
            };
            self.write(
                ["deletes the brand", "deletes the brand, unannounced"],
                deleted,
            );
        }
    }

    fn write(&mut self, [announced, unannounced]: [&'static str; 2], row: Row) {
        let message = Message::new(row.version);
        let announced = (Kind::Outside, Actor::Client, announced);
        self.add(announced, Some(message), |to| {
            to.row = Some(row);
            to.queue.add(message);
        });
        let unannounced = (Kind::Outside, Actor::Client, unannounced);
        self.add(unannounced, Some(message), |to| to.row = Some(row));
    }

    fn delivery(&mut self) {
        let Some(idle) = self.from.workers.iter().position(Option::is_none) else {
            return;
        };
        for message in self.from.queue.messages() {
            let delivery = (Kind::System, Actor::Queue, "delivers");
            self.add(delivery, Some(message.received()), |to| {
                to.queue.remove(message);
                to.workers[idle] = Some(Worker {
                    message: message.received(),
                    next: Next::Read,
                });
            });
        }
    }

    /// SQS may deliver a message twice, and does so when its visibility time-out ends while its worker stands still.
    /// This stands for an announcement that is sent twice, too.
    fn duplicates(&mut self) {
        let held = self.from.workers.iter().flatten();
        for message in self
            .from
            .queue
            .messages()
            .chain(held.map(|held| held.message))
        {
            let is_parked = self.from.dead_letters[place(message.version)];
            if message.receives == self.model.max_receives && !is_parked {
                let moved = (
                    Kind::Fault,
                    Actor::Queue,
                    "moves to the dead letters, though a worker is at it,",
                );
                self.add(moved, Some(message), |to| to.park(message.version));
            } else if message.receives < self.model.max_receives
                && self.from.messages() < self.model.messages
            {
                let doubled = (Kind::Fault, Actor::Queue, "doubles");
                self.add(doubled, Some(message), |to| to.queue.add(message));
            }
        }
    }

    /// What is in the index is announced again. Only where there is no message: another one would be a duplicate, and
    /// those are made already.
    fn republish(&mut self) {
        let unsynced = self.from.row.filter(|row| row.status == Status::Unsynced);
        let Some(Row { version, .. }) = unsynced else {
            return;
        };
        if self.from.copies(version) == 0 && !self.model.is(Mutation::NoOutbox) {
            let message = Message::new(version);
            let announced = (Kind::System, Actor::Republish, "announces again");
            self.add(announced, Some(message), |to| to.queue.add(message));
        }
    }

    /// A lease ends some time after its worker.
    fn expiry(&mut self) {
        for (index, run) in self.from.journal.iter().enumerate() {
            let is_dead = run.is_some_and(|run| run.lease == Lease::OfTheDead);
            if is_dead && !self.model.is(Mutation::LeaseWithoutEnd) {
                let expired = (Kind::System, Actor::Time, "ends the lease of a dead worker");
                self.add(expired, None, |to| to.free(index));
            }
        }
    }

    fn redrive(&mut self) {
        for (version, is_parked) in (1..).zip(self.from.dead_letters) {
            if is_parked && self.from.messages() < self.model.messages {
                let message = Message::new(version);
                let redriven = (Kind::Outside, Actor::Operator, "redrives");
                self.add(redriven, Some(message), |to| {
                    to.dead_letters[place(version)] = false;
                    to.queue.add(message);
                });
            }
        }
    }
}
