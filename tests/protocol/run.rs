//! What a worker does under the lease: it calls the target, and ends or suspends the run.

use crate::{
    mutation::Mutation,
    reconcile::Conflicts,
    search::Kind,
    state::{
        Accident, Call, Content, Due, Failure, Key, Lease, Manner, Mark, MarkKind, Next, Phase,
        Request, Run, Sync,
    },
    worker::Turn,
};

/// Whether a call takes effect.
#[derive(Clone, Copy)]
enum Effect {
    None,
    Now,
    /// Until its margin has passed, or never.
    Late,
}

impl Turn<'_, '_> {
    pub(crate) fn run(&mut self, next: Next, run: Run) {
        match next {
            Next::ReadTarget => self.read_target(),
            Next::Intend(found) => self.intend(run, found),
            Next::Call => self.call(run, None),
            Next::CallOver(found) => self.call(run, Some(found)),
            Next::LookAgain => self.look_again(run),
            Next::Decide(failure) => self.decide(run, failure),
            Next::MoveKey => {
                let next = call_again(run);
                self.record("records the next key", next, run, Some(Key::Unused));
            }
            Next::Revert => {
                let run = Run {
                    phase: Phase::Undoing,
                    ..run
                };
                let key = Some(Key::Unused).filter(|_| !self.is(Mutation::UndoUnderTheSameKey));
                self.record("records that it undoes the step", Next::Call, run, key);
            }
            Next::EndDone | Next::EndReverted | Next::EndFailed if self.waits() => {}
            Next::EndDone => self.end_done(run),
            Next::EndReverted => self.end_reverted(run),
            Next::EndFailed => self.mark(run, MarkKind::Failed, Failure::Answered),
            Next::Nothing | Next::ReadRow | Next::Begin(_) => {}
        }
    }

    /// A run does not end before the margin of a call that was not answered has passed.
    fn waits(&self) -> bool {
        self.is_late() && !self.is(Mutation::EndsBeforeTheMargin)
    }

    /// Writes the record, and keeps the lease.
    fn record(&mut self, what: &'static str, next: Next, run: Run, key: Option<Key>) {
        let id = self.id;
        self.write(what, next, key, |row, sync| {
            row.lease = Lease::Held(id);
            sync.run = Some(run);
            sync.doubt &= run.phase == Phase::Begun;
            sync.is_unasked &= sync.doubt;
        });
    }

    fn read_target(&mut self) {
        if !self.may_call() {
            return self.go("finds its lease at its end", Next::Nothing);
        }
        let found = self.state().targets[self.subscriber].holds;
        let subscriber = self.subscriber;
        let sync = self.state().row.map(|row| row.subscribers[subscriber]);
        let is_asked = sync.is_none_or(|sync| !sync.is_unasked);
        let reads = (Kind::System, "reads what the CMS holds");
        self.may(reads, Next::Intend(found), |to| {
            if is_asked {
                to.targets[subscriber].know();
            }
        });
        let away = (Kind::Fault, "cannot read the CMS, which is away");
        self.may(away, Next::Decide(Failure::Answered), |_| {});
    }

    fn intend(&mut self, run: Run, found: Content) {
        let run = Run {
            phase: Phase::Invoking,
            from: found,
            before: if run.phase == Phase::Begun {
                self.state().targets[self.subscriber].before(found)
            } else {
                run.before
            },
            ..run
        };
        self.record("records the intent", Next::Call, run, Some(Key::Unused));
    }

    /// A call says what it supposes the entry to be. Where it is another, the CMS answers that, and changes nothing. Only the
    /// deletion of a brand deletes its entry whatever it is.
    fn call(&mut self, run: Run, found: Option<Content>) {
        if !self.may_call() {
            return self.go("finds its lease at its end", Next::Nothing);
        }
        let undoes = run.phase == Phase::Undoing;
        if undoes && self.is_late() && !self.is(Mutation::UndoesBeforeTheMargin) {
            return;
        }
        let target = self.state().targets[self.subscriber];
        let (supposed, to) = if undoes {
            (run.to, run.from)
        } else {
            (found.unwrap_or(run.from), run.to)
        };
        let is_deletion = !undoes && to.is_none();
        let looks_first = undoes && self.is(Mutation::UndoLooksAndThenActs);
        let is_unconditional = is_deletion
            || (undoes && self.is(Mutation::UndoDoesNotLook))
            || (looks_first && found.is_some())
            || (!undoes && self.is(Mutation::UpdatesWithoutCondition));
        let request = Call {
            supposed: Some(supposed).filter(|_| !is_unconditional),
            to,
            is_deletion,
        };
        let failed = Next::Decide(Failure::Answered);
        if let Key::Failed(_) = target.key {
            let again = "has the answer to this key again: not now";
            return self.answer(
                (Kind::System, again),
                request,
                failed,
                Key::Failed,
                run,
                Effect::None,
            );
        }
        let manner = if undoes {
            Manner::Accepts
        } else {
            self.state().manner(run.change)
        };
        let after = if undoes {
            Next::EndReverted
        } else {
            Next::EndDone
        };
        let refused = if undoes {
            Next::EndFailed
        } else {
            Next::Revert
        };
        // After an attempt whose outcome is unknown the CMS is read first; and what the row says that it holds is not written again.
        let is_known = !undoes && found.is_none() && to.is_some() && run.from == to;
        if target.holds == to || is_known {
            let read = (Kind::System, "finds that the CMS holds it already");
            self.may(read, after, |_| {});
        }
        let is_another = target.holds != to
            && request
                .supposed
                .is_some_and(|supposed| target.holds != supposed);
        if is_another && undoes {
            // It reads the CMS first.
            self.go("leaves what an editor wrote", after);
        } else if is_another {
            let conflict = (Kind::System, "finds the entry another than it supposes");
            let next = Next::LookAgain;
            self.answer(conflict, request, next, Key::Sent, run, Effect::None);
        }
        if looks_first && found.is_none() && !is_another {
            let next = Next::CallOver(target.holds);
            return self.go("finds that the CMS holds what the step wrote", next);
        }
        let manner = if is_another { None } else { Some(manner) };
        match manner {
            Some(Manner::Accepts) => {
                let accepted = (Kind::System, "brings the CMS there");
                self.answer(accepted, request, after, Key::Sent, run, Effect::Now);
            }
            Some(Manner::Refuses) => {
                let refusal = (Kind::System, "is refused by the CMS");
                self.answer(refusal, request, refused, Key::Sent, run, Effect::None);
                let refusal = (Kind::Fault, "is refused by the CMS, which acts");
                self.answer(refusal, request, refused, Key::Sent, run, Effect::Now);
            }
            Some(Manner::Breaks) => {
                let broken = (Kind::System, "has a 500 from the CMS, as always");
                self.answer(broken, request, failed, Key::Failed, run, Effect::None);
            }
            None => {}
        }
        if undoes && !is_another {
            let refusal = (Kind::Fault, "is refused the undo by the CMS");
            self.answer(refusal, request, refused, Key::Sent, run, Effect::None);
        }
        if !self.transitions.model.is_calm {
            let away = (Kind::Fault, "has a 503 from the CMS");
            self.answer(away, request, failed, Key::Failed, run, Effect::None);
        }
        let unanswered = (Kind::Fault, "has no answer from the CMS");
        let failed = Next::Decide(Failure::Unanswered);
        self.answer(unanswered, request, failed, Key::Sent, run, Effect::Late);
    }

    /// The CMS holds something else than was supposed: what an editor wrote, unless it is what is wanted. It is read when no earlier
    /// call may change it any more.
    ///
    /// ```text
    /// this worker:  supposes name 1 ───────────────────► updates it: conflict ──► reads name 3
    /// an editor:        └──► gives the entry name 3 ─────┘
    /// ```
    fn look_again(&mut self, run: Run) {
        if !self.may_call() {
            return self.go("finds its lease at its end", Next::Nothing);
        }
        if self.is_late() && !self.is(Mutation::ConflictBeforeTheMargin) {
            return;
        }
        let subscriber = self.subscriber;
        let found = self.state().targets[subscriber].holds;
        let is_ours = self.transitions.model.policy.conflicts == Conflicts::Ours;
        if found == run.to {
            self.go("finds that the CMS holds it already", Next::EndDone);
        } else if !is_ours {
            self.go("finds what an editor wrote: it is refused", Next::Revert);
        } else {
            let finds = (Kind::System, "finds what an editor wrote, to overwrite it");
            self.may(finds, Next::CallOver(found), |to| {
                to.targets[subscriber].know();
            });
        }
        let away = (Kind::Fault, "cannot read the CMS, which is away");
        self.may(away, Next::Decide(Failure::Answered), |_| {});
    }

    fn answer(
        &mut self,
        what: (Kind, &'static str),
        request: Call,
        next: Next,
        key: fn(Content) -> Key,
        run: Run,
        effect: Effect,
    ) {
        let subscriber = self.subscriber;
        let by_version = self.is(Mutation::KeysByVersion);
        self.may(what, next, |to| {
            let target = &mut to.targets[subscriber];
            if let Key::Sent(earlier) | Key::Failed(earlier) = target.key
                && earlier != request.to
            {
                to.accident = Some(Accident::KeyUsedTwice);
            }
            target.key = key(request.to);
            match effect {
                Effect::None => {}
                Effect::Now => {
                    if target.take(request) {
                        to.accident = Some(Accident::EditLost);
                    }
                }
                Effect::Late => target.late = target.late.or(Some(request)),
            }
            if by_version && run.phase == Phase::Invoking {
                let known = &mut to.requests[usize::from(run.version) - 1];
                if known.is_some_and(|known| known != Request(request.to)) {
                    to.accident = Some(Accident::KeyUsedTwice);
                }
                *known = Some(Request(request.to));
            }
        });
    }

    /// After a transient failure the worker tries again while it has time, else suspends the run; beyond the budget, it pauses it.
    fn decide(&mut self, run: Run, failure: Failure) {
        let again = match (run.phase, failure) {
            (Phase::Begun, _) => Next::ReadTarget,
            _ if self.is(Mutation::KeyStaysAfterAFailure) => Next::Call,
            (_, Failure::Answered) => Next::MoveKey,
            (_, Failure::Unanswered) => call_again(run),
        };
        self.go("tries again", again);
        self.suspend(run, failure);
        if self.is(Mutation::GivesUpWhatIsLate) && run.phase == Phase::Invoking {
            self.go("gives up", Next::Revert);
        } else {
            self.mark(run, MarkKind::Paused, failure);
        }
    }

    /// Suspends the run, and makes the row due when its wait is over, on condition that the version is the run's:
    ///
    /// ```text
    /// this worker:  reads version 1 ──► fails ────────────────────────────────► due in an hour: refused
    /// the client:        └──► version 2, due at once ────────────────────────────┘
    /// ```
    fn suspend(&mut self, run: Run, failure: Failure) {
        let released = self.released(self.lease());
        let subscribers = self.transitions.model.subscribers;
        let always = self.is(Mutation::SuspendsWhateverTheVersion);
        let alone = self.is(Mutation::DueForOneSubscriber);
        let subscriber = self.subscriber;
        let key = self.next_key(failure);
        self.write("suspends the run", Next::Nothing, key, |row, sync| {
            let is_current = row.version == run.version;
            sync.run = Some(Run {
                is_waiting: is_current,
                ..run
            });
            row.lease = released;
            row.subscribers[subscriber] = *sync;
            if is_current {
                row.due = if alone {
                    Due::Later
                } else {
                    row.earliest(subscribers)
                };
            } else if always {
                row.due = Due::Later;
            }
        });
    }

    /// The write that marks the version and takes the row out of `due` is conditional on the version. Where that has changed, the
    /// record is written and nothing else.
    fn mark(&mut self, run: Run, kind: MarkKind, failure: Failure) {
        let released = self.released(self.lease());
        let subscribers = self.transitions.model.subscribers;
        let always = self.is(Mutation::MarksWhateverTheVersion);
        let alone = self.is(Mutation::DueForOneSubscriber);
        let forgets = self.is(Mutation::MarkForgetsTheRun);
        let subscriber = self.subscriber;
        let what = match kind {
            MarkKind::Refused => "marks the version refused",
            MarkKind::Failed => "marks the version failed",
            MarkKind::Paused => "marks the version paused",
            MarkKind::Cancelled => "marks the version cancelled",
        };
        let key = self.next_key(failure);
        self.write(what, Next::Nothing, key, |row, sync| {
            let version = run.version;
            sync.run = match kind {
                MarkKind::Refused | MarkKind::Cancelled => None,
                MarkKind::Failed | MarkKind::Paused => Some(run).filter(|_| !forgets),
            };
            let is_undone = matches!(kind, MarkKind::Refused | MarkKind::Cancelled);
            if is_undone && run.phase != Phase::Begun {
                sync.holds = run.from;
                sync.doubt = false;
                sync.is_unasked = false;
            }
            row.lease = released;
            if row.version == version || always {
                sync.mark = Some(Mark { kind, version });
                row.subscribers[subscriber] = *sync;
                row.due = if alone || always {
                    Due::Out
                } else {
                    row.earliest(subscribers)
                };
            }
        });
    }

    fn end_reverted(&mut self, run: Run) {
        let kind = if run.is_cancelled {
            MarkKind::Cancelled
        } else {
            MarkKind::Refused
        };
        self.mark(run, kind, Failure::Answered);
    }

    /// One expression cannot branch: if the row has changed, the first write is refused, and a second one ends the run and leaves
    /// `due_at` alone. The worker goes round again.
    fn end_done(&mut self, run: Run) {
        let released = self.released(self.lease());
        let model = self.transitions.model;
        let always = self.is(Mutation::DoneWhateverTheVersion);
        let alone = self.is(Mutation::DueForOneSubscriber);
        let subscriber = self.subscriber;
        let is_current = self
            .state()
            .row
            .is_some_and(|row| row.version == run.version);
        let next = if is_current {
            Next::Nothing
        } else {
            Next::ReadRow
        };
        self.write(
            "ends the run: done",
            next,
            Some(Key::Unused),
            |row, sync| {
                *sync = Sync {
                    reached: if always { row.version } else { run.version },
                    holds: run.to,
                    ..Sync::default()
                };
                row.lease = released;
                row.subscribers[subscriber] = *sync;
                if is_current || always {
                    row.due = if alone {
                        Due::Out
                    } else {
                        row.earliest(model.subscribers)
                    };
                    let mut subscribers = 0..model.subscribers;
                    row.expires = row.is_deleted() && subscribers.all(|one| row.has_reached(one));
                }
            },
        );
    }

    /// A key stays until its call is answered. After that there is another one, recorded before it is used.
    fn next_key(&self, failure: Failure) -> Option<Key> {
        let stays = failure == Failure::Unanswered || self.is(Mutation::KeyStaysAfterAFailure);
        (!stays).then_some(Key::Unused)
    }

    fn lease(&self) -> Lease {
        self.state().row.map_or(Lease::Free, |row| row.lease)
    }
}

/// After the first attempt of a run, the CMS is asked also where the row says that it holds what is wanted.
pub(crate) fn call_again(run: Run) -> Next {
    if run.phase == Phase::Invoking && run.from == run.to {
        Next::CallOver(run.from)
    } else {
        Next::Call
    }
}
