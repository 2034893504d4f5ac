//! A run as its worker knows it: always ahead of the journal, never behind it.
//!
//! The ledger decides nothing about time or I/O; it keeps the invariants of the record. What has to be written
//! next, and under which condition, follows from it (see [`Ledger::next_write`]).

mod halt;
mod reverting;
mod steps;
mod writes;

use std::{collections::BTreeSet, time::Duration};

use crate::{Fence, Journal, Json, Phase, Run, RunError, RunId, RunState, Timestamp, error::cut};

use self::writes::Sent;
pub(crate) use self::{
    halt::Halt,
    steps::{Called, Entered},
    writes::Settled,
};

/// What a record keeps free for errors, so that a run whose steps fill it can still say why it failed.
pub(crate) const ROOM_FOR_ERRORS: usize = Run::MAX_ERRORS * (RunError::MAX_MESSAGE + 256);

#[derive(Debug)]
pub(crate) struct Ledger<W> {
    run: Run,
    /// How the record stands, as far as this worker knows; none where there is none.
    persisted: Option<Fence>,
    /// Whether the record is of this attempt. It is not before the first write: what there is then is of the attempt
    /// before, and over.
    begun: bool,
    /// The sequence number of the latest write that was tried. Never given twice: a write whose fate is unknown
    /// must not be taken for a later one.
    sequence: u64,
    /// Counts changes of the run, and up to which of them it is persisted.
    change: u64,
    persisted_change: u64,
    /// The writes since the last one that is known to be made. One of them at most has been, since all expect the same.
    sent: Vec<Sent>,
    /// Writes that go along with the next one, unless they are refused.
    aside: Vec<W>,
    /// Writes that steps handed over, with the step's name: made in the transaction that ends the run.
    handed: Vec<(String, W)>,
    halt: Option<Halt>,
    called: BTreeSet<String>,
    tick: u32,
    release: bool,
    done_before: bool,
    retention: Duration,
}

impl<W: Clone> Ledger<W> {
    /// The ledger of a run that may not exist yet.
    pub(crate) fn fresh(run: Run, retention: Duration) -> Self {
        Self {
            run,
            persisted: None,
            begun: false,
            sequence: 0,
            change: 0,
            persisted_change: 0,
            sent: Vec::new(),
            aside: Vec::new(),
            handed: Vec::new(),
            halt: None,
            called: BTreeSet::new(),
            tick: 0,
            release: false,
            done_before: false,
            retention,
        }
    }

    /// The ledger of a run whose record stands as the fence says, in the hands of a new owner.
    ///
    /// Where it is begun afresh, nothing is written before there is something to record, as with one of which there is no
    /// record. Whatever the workflow has read by then is as good as read under a lease: if another worker has begun it
    /// meanwhile, the record no longer stands as the fence says.
    pub(crate) fn taken_over(found: Run, fence: Fence, owner: String, retention: Duration) -> Self {
        let tick = found
            .steps
            .iter()
            .filter_map(|step| step.ended.or(Some(step.began)))
            .max()
            .unwrap_or(0);
        let run = Run {
            epoch: found.epoch.saturating_add(1),
            owner,
            ..found
        };
        Self {
            persisted: Some(fence),
            begun: run.state != RunState::NotStarted,
            sequence: fence.sequence,
            change: 1,
            tick,
            ..Self::fresh(run, retention)
        }
    }

    pub(crate) const fn run(&self) -> &Run {
        &self.run
    }

    /// Whether anything is recorded of this attempt.
    pub(crate) const fn is_begun(&self) -> bool {
        self.begun
    }

    /// Has a write go along with the next one, unless it is refused.
    pub(crate) fn go_along(&mut self, write: Option<W>) {
        self.aside.extend(write);
    }

    pub(crate) const fn is_changed(&self) -> bool {
        self.change > self.persisted_change
    }

    /// Halts the run, unless something weightier has done so.
    pub(crate) fn halt(&mut self, halt: Halt) {
        if self
            .halt
            .as_ref()
            .is_none_or(|before| before.weight() < halt.weight())
        {
            self.halt = Some(halt);
        }
    }

    pub(crate) const fn halted(&self) -> Option<&Halt> {
        self.halt.as_ref()
    }

    pub(crate) fn take_halt(&mut self) -> Option<Halt> {
        self.halt.take()
    }

    /// Whether anything weightier than a suspension has happened: then no further attempt is made at a step.
    pub(crate) fn is_failing(&self) -> bool {
        self.halt.as_ref().is_some_and(|halt| halt.weight() > 0)
    }

    fn tick(&mut self) -> u32 {
        self.tick = self.tick.saturating_add(1);
        self.tick
    }

    const fn changed(&mut self) {
        self.change = self.change.saturating_add(1);
    }

    /// How large the record is, if that is too large.
    pub(crate) fn oversize(&self, journal: &dyn Journal<W>) -> Option<usize> {
        let most = journal.max_size();
        let size = if most == usize::MAX {
            0
        } else {
            journal.size(&self.run)
        };
        (size.saturating_add(ROOM_FOR_ERRORS) > most).then_some(size)
    }

    /// Keeps an error with the run.
    pub(crate) fn note_error(
        &mut self,
        step: &str,
        during: Phase,
        message: String,
        at: Timestamp,
    ) -> RunError {
        let message = cut(message, RunError::MAX_MESSAGE);
        let error = RunError {
            step: step.to_owned(),
            during,
            message,
            attempt: self.run.attempt,
            at,
        };
        self.run.errors.push(error.clone());
        let excess = self.run.errors.len().saturating_sub(Run::MAX_ERRORS);
        self.run.errors.drain(..excess);
        self.changed();
        error
    }

    /// The workflow has seen that what the run is about is done; or answers false, if this run has done something itself.
    pub(crate) const fn note_done_before(&mut self) -> bool {
        self.done_before = self.run.steps.is_empty();
        self.done_before
    }

    /// Whether the workflow has seen that what the run is about is done, and nothing is recorded of this run.
    pub(crate) const fn is_done_before(&self) -> bool {
        self.done_before && !self.begun && self.run.steps.is_empty()
    }

    /// The run is done, with that output; or answers how large the record would become, if that is too large.
    pub(crate) fn finish(&mut self, output: Json, journal: &dyn Journal<W>) -> Result<(), usize> {
        self.run.output = Some(output);
        if let Some(size) = self.oversize(journal) {
            self.run.output = None;
            return Err(size);
        }
        self.run.state = RunState::Done;
        self.changed();
        Ok(())
    }
}

/// A run that nothing is recorded of.
pub(crate) fn not_started(
    id: &RunId,
    workflow: &str,
    version: u32,
    input: Json,
    owner: String,
    now: Timestamp,
) -> Run {
    Run {
        id: id.clone(),
        workflow: workflow.to_owned(),
        version,
        state: RunState::NotStarted,
        attempt: 1,
        epoch: 1,
        sequence: 0,
        owner,
        lease_until: None,
        cancel_requested_at: None,
        input,
        output: None,
        steps: Vec::new(),
        errors: Vec::new(),
        created_at: now,
        updated_at: now,
        expires_at: None,
    }
}
