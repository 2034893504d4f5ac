//! Editors, who change the entry in the CMS, and the reconciler, which compares the entry with the row and follows a policy.
//!
//! The reconciler may die after each operation, and runs beside workers, clients, operators and editors.

use crate::{
    model::{Actor, Transitions},
    mutation::Mutation,
    search::Kind,
    state::{
        Accident, Content, Due, Edit, Lease, Manner, MarkKind, Name, Row, State, Sync, Version,
    },
};

/// What follows where an editor has changed the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) edits: Edits,
    pub(crate) conflicts: Conflicts,
    pub(crate) orphans: Orphans,
}

/// Where the brand is as both agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edits {
    Report,
    Overwrite,
    Accept,
}

/// Where the brand has changed, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflicts {
    Report,
    Ours,
    Theirs,
}

/// Where the brand is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orphans {
    Report,
    Delete,
}

/// What the reconciler does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reconciler {
    /// Reads the row; it has read the CMS.
    ReadRow(Content),
    ReadCmsAgain(Seen),
    ReadRowAgain(Seen, Content),
    Act(Seen, Action),
    /// Makes the second of the two writes that accept.
    AcceptOn(Seen, Content),
    /// Reads the CMS after the row, which is a mutation.
    ReadCms(Seen, Known),
}

/// The row as it was read, as far as a conditional write depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seen {
    /// 0 where there was no row.
    version: Version,
    /// Whether the lease has been written since.
    is_outdated: bool,
}

/// The row as it was read, as far as the finding depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Known {
    exists: bool,
    /// What the row wants.
    ours: Content,
    /// What the row and the CMS agreed on last.
    agreed: Content,
    mark: Option<MarkKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Action {
    /// Has the row synced again, over what an editor wrote.
    Overwrite,
    /// Has the row synced again, where no editor wrote anything.
    Resync,
    Accept(Content),
    /// Writes a row of a deleted brand.
    InsertDeleted,
}

/// Whether a reconciliation at rest has found or made everything equal, and nothing has changed since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reconciled {
    #[default]
    No,
    UnderWay,
    Yes,
}

/// In what a row and the CMS differ.
enum Finding {
    /// The CMS holds what was agreed.
    Stale,
    Edited,
    EditedOnBothSides,
    Orphan,
}

impl Policy {
    pub(crate) const REPORT: Self = Self {
        edits: Edits::Report,
        conflicts: Conflicts::Report,
        orphans: Orphans::Report,
    };
    pub(crate) const OURS: Self = Self {
        edits: Edits::Overwrite,
        conflicts: Conflicts::Ours,
        orphans: Orphans::Delete,
    };
    pub(crate) const THEIRS: Self = Self {
        edits: Edits::Accept,
        conflicts: Conflicts::Theirs,
        orphans: Orphans::Delete,
    };
}

impl Reconciler {
    /// The lease has been written, or the row is another.
    pub(crate) const fn outdate(&mut self) {
        match self {
            Self::ReadRow(_) => {}
            Self::ReadCmsAgain(seen)
            | Self::ReadRowAgain(seen, _)
            | Self::Act(seen, _)
            | Self::AcceptOn(seen, _)
            | Self::ReadCms(seen, _) => seen.is_outdated = true,
        }
    }
}

impl Seen {
    fn of(row: Option<Row>) -> Self {
        Self {
            version: row.map_or(0, |row| row.version),
            is_outdated: false,
        }
    }

    fn is_version(self, row: Option<Row>) -> bool {
        self.version == row.map_or(0, |row| row.version)
    }

    fn is_current(self, row: Option<Row>) -> bool {
        self.is_version(row) && !self.is_outdated
    }
}

impl Known {
    fn of(row: Option<Row>) -> Self {
        let sync = row.map(|row| row.subscribers[0]);
        Self {
            exists: row.is_some(),
            ours: row.and_then(|row| row.content),
            agreed: sync.and_then(|sync| sync.holds),
            mark: row.and_then(|row| row.mark(0)).map(|mark| mark.kind),
        }
    }

    /// None where both are equal.
    fn compare(self, cms: Content) -> Option<Finding> {
        let Self { ours, agreed, .. } = self;
        Some(match cms {
            _ if cms == ours => return None,
            _ if ours.is_none() => Finding::Orphan,
            _ if cms == agreed => Finding::Stale,
            _ if ours == agreed => Finding::Edited,
            _ => Finding::EditedOnBothSides,
        })
    }
}

impl Transitions<'_> {
    /// The reconciler cannot compare the row: what the CMS holds is about to change, or the row does not know it. That includes a row
    /// whose run is open, though it is paused: `holds` is older than what the run has read or written.
    ///
    /// ```text
    /// a worker:  creates name 1: no answer ──► reads name 1 ──► updates it to name 2: 503 ──► pauses; holds: nothing
    /// the CMS:       └──► name 1, which is neither what the row wants nor what it holds, and not an editor's
    /// ```
    fn is_in_flight(&self) -> bool {
        self.from.row.is_some_and(|row| {
            let sync = row.subscribers[0];
            let is_leased = !matches!(row.lease, Lease::Free | Lease::RunOut(_));
            let is_open = sync.run.is_some() && !self.model.is(Mutation::ComparesOpenRuns);
            is_leased || row.is_behind(0) || sync.doubt || is_open
        })
    }

    /// An editor may rename or delete the entry at any time, or bring it back from the bin.
    pub(crate) fn editor(&mut self) {
        let edit = self.from.edits + 1;
        if edit > self.model.edits {
            return;
        }
        let name = Some(Name::of_edit(edit));
        let old = Some(Name::of_change(1));
        let is_deleted = self
            .from
            .row
            .map_or(self.from.is_expired, |row| row.is_deleted());
        let edits: &[_] = match self.from.targets[0].holds {
            Some(_) => &[("renames the entry", name), ("deletes the entry", None)],
            None if is_deleted && self.model.undeletes => &[("brings the entry back", old)],
            None => &[],
        };
        for (what, content) in edits {
            self.add((Kind::Outside, Actor::Editor, what), |to| {
                to.edits = edit;
                to.targets[0].holds = *content;
                to.targets[0].edit = Edit::Fresh;
            });
        }
    }

    /// Reads the CMS, then the row, and where they differ, both again. The finding counts only if the row's version and lease are the
    /// same in both reads.
    ///
    /// ```text
    /// the reconciler:  reads the CMS ────────────────► reads the row: differs ──► reads the CMS ──► reads the row: the same
    /// a worker:             └──► syncs a new version ──────┘
    /// ```
    pub(crate) fn reconciler(&mut self) {
        let Some(reconciler) = self.from.reconciler else {
            return self.reconcile();
        };
        if !self.model.is_calm {
            let dies = (Kind::Fault, Actor::Reconciler, "dies");
            self.add(dies, |to| {
                to.reconciler = None;
                to.reconciled = Reconciled::No;
            });
        }
        let row = self.from.row;
        let cms = self.from.targets[0].holds;
        match reconciler {
            Reconciler::ReadRow(cms) => self.read_row(cms),
            Reconciler::ReadCmsAgain(seen) => {
                let next = Reconciler::ReadRowAgain(seen, cms);
                self.reconciler_goes("reads the CMS again", next);
            }
            Reconciler::ReadRowAgain(seen, _) if !seen.is_current(row) => {
                self.leave_alone("finds that the row has changed");
            }
            Reconciler::ReadRowAgain(seen, cms) => self.find(seen, Known::of(row), cms),
            Reconciler::ReadCms(seen, known) => self.find(seen, known, cms),
            Reconciler::Act(seen, Action::Overwrite) => self.make_due(seen, true),
            Reconciler::Act(seen, Action::Resync) => self.make_due(seen, false),
            Reconciler::Act(seen, Action::InsertDeleted) => self.insert_deleted(seen),
            Reconciler::Act(seen, Action::Accept(content)) => self.accept(seen, content),
            Reconciler::AcceptOn(seen, content) => self.accept_on(seen, content),
        }
    }

    fn reconcile(&mut self) {
        let row = self.from.row;
        let is_known = row.is_some() || self.from.is_expired;
        if !self.model.reconciles || !is_known || self.from.has_all_changes() {
            return;
        }
        let is_at_rest = self.from.workers == [None; 2]
            && !self.from.has_late()
            && row.is_none_or(|row| row.due == Due::Out && row.lease == Lease::Free);
        let reads_row_first = self.model.is(Mutation::ReadsTheRowFirst);
        if reads_row_first && self.is_in_flight() {
            return;
        }
        let begins = (
            Kind::Outside,
            Actor::Reconciler,
            "begins, and reads the CMS",
        );
        self.add(begins, |to| {
            to.reconciler = Some(if reads_row_first {
                Reconciler::ReadCms(Seen::of(row), Known::of(row))
            } else {
                Reconciler::ReadRow(to.targets[0].holds)
            });
            to.reconciled = if is_at_rest {
                Reconciled::UnderWay
            } else {
                Reconciled::No
            };
        });
    }

    fn read_row(&mut self, cms: Content) {
        let row = self.from.row;
        let known = Known::of(row);
        if self.is_in_flight() {
            self.leave_alone("finds the row in flight");
        } else if known.compare(cms).is_none() {
            self.settle("finds both equal");
        } else if self.model.is(Mutation::ReadsOnce) {
            self.find(Seen::of(row), known, cms);
        } else {
            let next = Reconciler::ReadCmsAgain(Seen::of(row));
            self.reconciler_goes("reads the row, which differs", next);
        }
    }

    fn find(&mut self, seen: Seen, known: Known, cms: Content) {
        let Some(finding) = known.compare(cms) else {
            return self.settle("finds both equal");
        };
        let Policy {
            edits,
            conflicts,
            orphans,
        } = self.model.policy;
        let may_overwrite = known.mark != Some(MarkKind::Cancelled)
            || self.model.is(Mutation::OverwritesForTheCancelled);
        let action = match finding {
            Finding::Stale => known.mark.is_none().then_some(Action::Resync),
            Finding::Edited => match edits {
                Edits::Report => None,
                Edits::Overwrite => may_overwrite.then_some(Action::Overwrite),
                Edits::Accept => Some(Action::Accept(cms)),
            },
            Finding::EditedOnBothSides => match conflicts {
                Conflicts::Report => None,
                Conflicts::Ours => may_overwrite.then_some(Action::Overwrite),
                Conflicts::Theirs => Some(Action::Accept(cms)),
            },
            Finding::Orphan if known.mark.is_some() || orphans == Orphans::Report => None,
            Finding::Orphan if known.exists => Some(Action::Resync),
            Finding::Orphan => Some(Action::InsertDeleted),
        };
        let is_edit = matches!(finding, Finding::Edited | Finding::EditedOnBothSides);
        let is_false = is_edit && self.from.targets[0].edit == Edit::None;
        let what = match finding {
            Finding::Stale => "finds the CMS stale",
            Finding::Edited => "finds the entry edited",
            Finding::EditedOnBothSides => "finds the entry and the brand edited",
            Finding::Orphan => "finds the entry of a brand that is gone",
        };
        self.add((Kind::System, Actor::Reconciler, what), |to| {
            to.reconciler = action.map(|action| Reconciler::Act(seen, action));
            if action.is_none() {
                // It is in the report.
                to.reconciled = Reconciled::No;
            }
            if is_false {
                to.accident = Some(Accident::FalseFinding);
            }
        });
    }

    /// Conditional on the row's version and lease as they were read. The write moves the fence, so that no worker begins with what it
    /// read before.
    ///
    /// ```text
    /// the reconciler:  finds the entry edited ───────────────► makes the row due: refused
    /// the client:           └──► changes or deletes the brand ──┘
    /// ```
    fn make_due(&mut self, seen: Seen, is_asked: bool) {
        let is_unconditional = self.model.is(Mutation::MakesDueUnconditionally);
        let keeps_expiry = self.model.is(Mutation::MakeDueKeepsExpiry);
        if !is_unconditional && !seen.is_current(self.from.row) {
            return self.leave_alone("finds that the row has changed");
        }
        let Some(mut row) = self.from.row else {
            let stub = (
                Kind::System,
                Actor::Reconciler,
                "makes a row due that is gone",
            );
            return self.add(stub, |to| {
                to.accident = Some(Accident::Stub);
                to.reconciler = None;
            });
        };
        row.due = Due::Now;
        row.expires &= keeps_expiry;
        let sync = &mut row.subscribers[0];
        *sync = Sync {
            holds: sync.holds,
            doubt: true,
            is_unasked: !is_asked,
            ..Sync::default()
        };
        self.settle_with("makes the row due", |to| {
            to.row = Some(row);
            if is_asked {
                to.targets[0].know();
            }
        });
    }

    fn insert_deleted(&mut self, seen: Seen) {
        if !seen.is_current(self.from.row) || self.from.has_all_changes() {
            return self.leave_alone("finds that the row has changed");
        }
        let change = self.from.changes + 1;
        self.settle_with("inserts the row of a deleted brand", |to| {
            let sync = Sync {
                doubt: true,
                ..Sync::default()
            };
            to.changes = change;
            to.is_expired = false;
            to.row = Some(Row {
                version: 1,
                change,
                content: None,
                due: Due::Now,
                lease: Lease::Free,
                expires: false,
                subscribers: [sync, Sync::default()],
            });
        });
    }

    /// Gives the brand what the CMS holds, and then writes that both agree. If the reconciler dies in between, a worker finds that the
    /// CMS holds it already.
    fn accept(&mut self, seen: Seen, content: Content) {
        if content.is_some() && self.model.is(Mutation::AgreesBeforeItAccepts) {
            self.write_agreed(seen, content, Some(Reconciler::AcceptOn(seen, content)));
        } else {
            let seen_then = Seen {
                version: seen.version + 1,
                ..seen
            };
            let next = content.map(|_| Reconciler::AcceptOn(seen_then, content));
            self.write_accepted(seen, content, next);
        }
    }

    fn accept_on(&mut self, seen: Seen, content: Content) {
        if self.model.is(Mutation::AgreesBeforeItAccepts) {
            self.write_accepted(seen, content, None);
        } else {
            self.write_agreed(seen, content, None);
        }
    }

    /// On condition that version and lease are as they were read.
    ///
    /// ```text
    /// the reconciler:  finds the entry edited ───────────────────────► accepts it: refused
    /// an operator:          └──► takes the row up, which overwrites it ──┘
    /// ```
    fn write_accepted(&mut self, seen: Seen, content: Content, next: Option<Reconciler>) {
        let is_current = seen.is_version(self.from.row);
        let is_version = is_current || self.model.is(Mutation::AcceptsWhateverTheVersion);
        let is_fence = !seen.is_outdated || self.model.is(Mutation::AcceptsWithoutFence);
        if !(is_version && is_fence) || self.from.has_all_changes() {
            return self.leave_alone("finds that the row has changed");
        }
        let Some(mut row) = self.from.row else {
            return self.leave_alone("finds the row gone");
        };
        let is_false = self.from.targets[0].edit == Edit::None;
        row.version = seen.version + 1;
        row.change = self.from.changes + 1;
        row.content = content;
        row.due = Due::Now;
        let what = match content {
            Some(_) => "gives the brand the entry's name",
            None => "deletes the brand",
        };
        self.add((Kind::System, Actor::Reconciler, what), |to| {
            to.changes = row.change;
            to.manners[usize::from(row.change) - 1] = Manner::Accepts;
            to.row = Some(row);
            if to.targets[0].holds == content {
                to.targets[0].know();
            }
            if is_false {
                to.accident = Some(Accident::FalseFinding);
            }
            if !is_current {
                to.accident = Some(Accident::ChangeLost);
            }
            to.reconciler = next;
            if next.is_none() {
                to.settle();
            }
        });
    }

    /// On condition that version and lease are as they were read.
    fn write_agreed(&mut self, seen: Seen, content: Content, next: Option<Reconciler>) {
        let Some(mut row) = self.from.row.filter(|row| seen.is_current(Some(*row))) else {
            return self.settle("finds that the row has changed");
        };
        row.subscribers[0].holds = content;
        self.settle_with("writes what both agree on", |to| {
            to.row = Some(row);
        });
        if let (Some(next), Some(last)) = (next, self.found.last_mut()) {
            last.to.reconciler = Some(next);
            last.to.reconciled = self.from.reconciled;
        }
    }

    fn reconciler_goes(&mut self, what: &'static str, next: Reconciler) {
        self.add((Kind::System, Actor::Reconciler, what), |to| {
            to.reconciler = Some(next);
        });
    }

    /// Ends without an action.
    fn leave_alone(&mut self, what: &'static str) {
        self.add((Kind::System, Actor::Reconciler, what), |to| {
            to.reconciler = None;
            to.reconciled = Reconciled::No;
        });
    }

    /// Ends; both are equal, or the next sync makes them so.
    fn settle(&mut self, what: &'static str) {
        self.add((Kind::System, Actor::Reconciler, what), State::settle);
    }

    fn settle_with(&mut self, what: &'static str, change: impl FnOnce(&mut State)) {
        self.add((Kind::System, Actor::Reconciler, what), |to| {
            change(to);
            to.move_fence(None);
            to.settle();
        });
    }
}

impl State {
    fn settle(&mut self) {
        self.reconciler = None;
        if self.reconciled == Reconciled::UnderWay {
            self.reconciled = Reconciled::Yes;
        }
    }
}
