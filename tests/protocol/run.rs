//! What a worker does under the lease of a run.
//!
//! What it has asked of the CMS takes effect before another worker acts, or not at all: the lease outlives a worker by a
//! margin for that. So a call and its effect are one operation here.

use crate::{
    model::Kind,
    mutation::Mutation,
    state::{Content, Effect, Next, Phase, Row, Run, Status, Version},
    worker::{Turn, after_marking},
};

/// How a call of the CMS fails, and whether it has acted. A reply that is lost is a transient failure.
const FAILURES: [(&str, Failure, bool); 4] = [
    ("is told by the CMS: not now", Failure::Transient, false),
    (
        "has no answer from the CMS, which acts",
        Failure::Transient,
        true,
    ),
    ("is refused by the CMS", Failure::Permanent, false),
    (
        "is refused by the CMS, which acts",
        Failure::Permanent,
        true,
    ),
];

#[derive(Clone, Copy)]
enum Failure {
    Transient,
    Permanent,
}

impl Turn<'_, '_> {
    pub(crate) fn with_lease(&mut self, run: Run, next: Next) {
        let record = self.record;
        match (next, run.phase) {
            (Next::Prepare, Phase::Failed(effect)) => self.resume_compensating(run.input, effect),
            (Next::Prepare, _) => self.prepare(run.input),
            (Next::Apply, Phase::Invoking(effect)) => self.apply(effect.after),
            (Next::Finish, Phase::Invoking(effect)) => self.finish(run.input, effect),
            (Next::Suspend, _) => self.go("suspends the run", Next::Postpone, |to| to.free(record)),
            (Next::Revert, Phase::Invoking(effect)) => {
                let phase = Phase::Compensating(effect);
                self.hold(
                    "records that it reverts",
                    (run.input, phase),
                    Next::Compensate,
                );
            }
            (Next::Compensate, Phase::Compensating(effect)) => self.compensate(effect.before),
            (Next::EndReverted, _) => self.end_reverted(run.input),
            (Next::EndFailed, Phase::Compensating(effect)) => self.end_failed(effect),
            _ => {}
        }
    }

    /// Reads the row under the lease, and records the intent. Both at once: what may come between them, an update, may as
    /// well come after them.
    fn prepare(&mut self, input: Version) {
        let Some(row) = self.row() else { return };
        let record = self.record;
        if row.version != input || row.status == Status::Synced {
            return self.go("has nothing to do", Next::Read, |to| {
                to.end(record, Phase::Ended);
            });
        }
        if !self.puts_back(row) {
            self.intend("records its intent", input, Effect::of(row));
        }
    }

    fn resume_compensating(&mut self, input: Version, effect: Effect) {
        let Some(row) = self.row() else { return };
        if !self.puts_back(row) {
            let phase = Phase::Compensating(effect);
            self.hold("goes on reverting", (input, phase), Next::Compensate);
        }
    }

    /// A row that is marked failed goes back into the index before anything is done: if this worker dies, nobody would
    /// go on otherwise.
    fn puts_back(&mut self, row: Row) -> bool {
        let is_out = row.status == Status::Failed
            && !self.is(Mutation::FailedStaysOutOfTheIndex)
            && !self.is(Mutation::PutBackBeforeTheLease);
        if is_out {
            self.put_back(row, Next::Prepare);
        }
        is_out
    }

    pub(crate) fn intend(&mut self, what: &'static str, input: Version, effect: Effect) {
        let (record, lease) = (self.record, self.lease());
        let marks = self.is(Mutation::SyncedBeforeApplied);
        let phase = Phase::Invoking(effect);
        self.go(what, Next::Apply, |to| {
            to.journal[record] = Some(Run {
                input,
                phase,
                lease,
            });
            if let Some(row) = to.row.filter(|row| marks && row.version == input) {
                to.row = Some(row.synced(effect.after));
            }
        });
    }

    fn apply(&mut self, after: Content) {
        self.go("applies it to the CMS", Next::Finish, |to| to.cms = after);
        let in_doubt = if self.is(Mutation::InDoubtNotCompensated) {
            Next::EndReverted
        } else {
            Next::Revert
        };
        self.call_fails(after, in_doubt, in_doubt);
    }

    fn compensate(&mut self, before: Content) {
        self.go("restores the CMS", Next::EndReverted, |to| to.cms = before);
        self.call_fails(before, Next::EndFailed, Next::EndFailed);
    }

    fn call_fails(&mut self, content: Content, for_good: Next, at_last: Next) {
        let transiently = if self.is_last_receive() {
            at_last
        } else {
            Next::Suspend
        };
        for (what, failure, acts) in FAILURES {
            let next = match failure {
                Failure::Transient => transiently,
                Failure::Permanent => for_good,
            };
            self.may((Kind::Fault, what), next, |to| {
                to.cms = if acts { content } else { to.cms };
            });
        }
    }

    /// Run and row in one transaction, refused if the row has changed:
    ///
    /// ```text
    /// this worker: reads version 1 ──► applies it ─────────────────────────► version 1 is synced: refused
    /// the client:                          └──► version 2, unsynced ──────────┘
    /// ```
    fn finish(&mut self, input: Version, effect: Effect) {
        let Some(row) = self.row() else { return };
        let record = self.record;
        if row.version != input && !self.is(Mutation::FinishedWhateverTheVersion) {
            return self.go("finds the row changed", Next::Revert, |_| {});
        }
        let next = if input == self.message.version {
            Next::Acknowledge
        } else {
            Next::Read
        };
        self.go("ends the run: done", next, |to| {
            to.row = Some(row.synced(effect.after));
            to.end(record, Phase::Ended);
        });
    }

    /// Whether the version is marked failed is for its own event to say: another one goes on with its own version.
    fn end_reverted(&mut self, input: Version) {
        let (record, phase) = (self.record, Phase::Ended);
        if input == self.message.version {
            self.end_and_mark("ends the run: reverted", phase);
        } else {
            self.go("ends the run: reverted", Next::Read, |to| {
                to.end(record, phase);
            });
        }
    }

    /// The brand cannot be synced until what is left is taken back, whichever version left it.
    fn end_failed(&mut self, effect: Effect) {
        self.end_and_mark("ends the run: failed", Phase::Failed(effect));
    }

    /// The row is marked in the transaction that ends the run, since only that is fenced:
    ///
    /// ```text
    /// this worker:    run reverted ────────────────────────────────────► version 1 failed, out of the index
    /// a second event:    └──► begins afresh ──► applies version 1 ──► dies ─┘   and nobody goes on
    /// ```
    fn end_and_mark(&mut self, what: &'static str, phase: Phase) {
        let record = self.record;
        let (marked, next) = if self.is(Mutation::FailedBesideTheRun) {
            (None, Next::MarkFailed)
        } else {
            let marked = self.marked_failed();
            (marked, after_marking(marked))
        };
        self.go(what, next, |to| {
            to.end(record, phase);
            to.row = marked.or(to.row);
        });
    }
}
