//! What is to be written, and what became of it.

use super::{Halt, Ledger};
use crate::{Committed, Expected, Fence, Run, RunState, StepRecord, StepState, Timestamp};

/// A write that is to be made.
#[derive(Debug)]
pub(crate) struct Write<W> {
    pub(crate) run: Run,
    pub(crate) expected: Expected,
    pub(crate) writes: Vec<W>,
    /// How many of them, from the first on, it is made without if they are refused.
    aside: usize,
}

/// A write whose fate is not known yet, and up to which change it brings the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    fence: Fence,
    change: u64,
    /// How many writes went along.
    aside: usize,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is made.
    Made,
    /// What is to be written is another write now: the record is ours and stands otherwise than known, or something that
    /// went along was refused.
    Again,
    /// It is not made, and the run halts.
    Halted,
}

impl<W: Clone> Ledger<W> {
    /// The write that brings the journal up to this ledger.
    pub(crate) fn next_write(&mut self, lease_until: Timestamp, now: Timestamp) -> Write<W> {
        self.sequence = self.sequence.saturating_add(1);
        if self.run.state == RunState::NotStarted {
            self.run.state = RunState::Invoking;
        }
        let settled = self.run.state.is_over() || self.run.state == RunState::Failed;
        self.run.sequence = self.sequence;
        self.run.updated_at = now;
        self.run.lease_until = (!settled && !self.release).then_some(lease_until);
        self.run.expires_at = self.run.state.is_over().then(|| now.plus(self.retention));
        self.sent.push(Sent {
            fence: Fence::of(&self.run),
            change: self.change,
            aside: self.aside.len(),
        });
        let mut run = self.run.clone();
        let mut writes = self.aside.clone();
        if run.state == RunState::Done {
            writes.extend(self.handed.iter().map(|(_, write)| write.clone()));
        } else {
            // What a step handed over cannot be recorded. Whoever resumes the run has to get it from the step again.
            let has_handed =
                |step: &&mut StepRecord| self.handed.iter().any(|(name, _)| *name == step.name);
            for step in run.steps.iter_mut().filter(has_handed) {
                *step = StepRecord {
                    state: StepState::Invoking,
                    output: None,
                    undo: None,
                    ended: None,
                    ended_at: None,
                    ..step.clone()
                };
            }
        }
        let expected = self.persisted.map_or(Expected::Absent, Expected::At);
        Write {
            run,
            expected,
            writes,
            aside: self.aside.len(),
        }
    }

    /// Takes note of what became of a write.
    pub(crate) fn settle(&mut self, write: &Write<W>, committed: Committed) -> Settled {
        match committed {
            Committed::Applied => {
                self.made(write.run.sequence);
                Settled::Made
            }
            Committed::Rejected { index, .. } if index < write.aside => {
                self.aside.clear();
                Settled::Again
            }
            Committed::Rejected { index, reason } => {
                let step = self
                    .handed
                    .get(index.saturating_sub(write.aside))
                    .map(|(step, _)| step.clone());
                self.handed.clear();
                let step = step.unwrap_or_else(|| self.run.workflow.clone());
                self.halt(Halt::Failed {
                    step,
                    message: reason,
                });
                Settled::Halted
            }
            Committed::Conflict(Some(found)) if self.is_ours(&found) => self.found_ours(&found),
            // Somebody has begun the run, or this attempt of it, before: what to do depends on its state.
            Committed::Conflict(Some(found)) if !self.begun => {
                self.halt(Halt::Found(found));
                Settled::Halted
            }
            Committed::Conflict(_) => {
                self.halt(Halt::LeaseLost);
                Settled::Halted
            }
        }
    }

    fn is_ours(&self, found: &Run) -> bool {
        found.owner == self.run.owner && found.epoch == self.run.epoch
    }

    /// The write of that sequence number is made, and none that was tried beside it.
    fn made(&mut self, sequence: u64) {
        if let Some(made) = self
            .sent
            .iter()
            .find(|sent| sent.fence.sequence == sequence)
        {
            self.persisted = Some(made.fence);
            self.persisted_change = made.change;
            self.aside.drain(..made.aside.min(self.aside.len()));
        }
        self.sent.clear();
        self.begun = true;
    }

    /// The record is ours, but not as we knew it. Either
    ///
    /// ```text
    /// we: write n ──► made, reply lost ──► write n + 1 ──► refused, since n stands
    /// ```
    ///
    /// or somebody has asked for the run to be cancelled in the meantime; or both.
    fn found_ours(&mut self, found: &Run) -> Settled {
        self.made(found.sequence);
        self.persisted = Some(Fence::of(found));
        let newly_cancelled =
            self.run.cancel_requested_at.is_none() && found.cancel_requested_at.is_some();
        self.run.cancel_requested_at = found.cancel_requested_at;
        // A run that is being reverted anyway, or that is done and recorded so, is not cancelled any more.
        let reverting = matches!(
            self.run.state,
            RunState::Compensating | RunState::WaitingToCompensate
        );
        if newly_cancelled && !reverting && !found.state.is_over() {
            self.halt(Halt::Cancelled);
            return Settled::Halted;
        }
        // What is changed since is written on top of that.
        Settled::Again
    }
}
