//! A run as its worker knows it: always ahead of the journal, never behind it.
//!
//! The ledger decides nothing about time or I/O; it keeps the invariants of the record. What has to be written
//! next, and under which condition, follows from it (see [`Ledger::next_write`]).

use std::{collections::BTreeSet, time::Duration};

use crate::{
    Committed, Expected, Fence, Journal, JournalError, Json, Phase, Run, RunError, RunId, RunState,
    StepRecord, StepState, Timestamp, error::cut,
};

/// What a record keeps free for errors, so that a run whose steps fill it can still say why it failed.
pub(crate) const ROOM_FOR_ERRORS: usize = Run::MAX_ERRORS * (RunError::MAX_MESSAGE + 256);

/// Why a run does not go on in this execution. Where several things happen, the weightiest counts.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// A step failed transiently and its attempts, or the time, are used up.
    Suspended {
        step: String,
        message: String,
        retry_after: Option<Duration>,
    },
    /// A step failed for good.
    Failed { step: String, message: String },
    /// Somebody asked for the run to be cancelled.
    Cancelled,
    /// What the run recorded does not fit the code.
    Definition(String),
    /// The run was begun before: as it stands.
    Found(Box<Run>),
    /// Another worker has taken the run over.
    LeaseLost,
    /// The journal failed.
    Journal(JournalError),
}

impl Halt {
    const fn weight(&self) -> u8 {
        match self {
            Self::Suspended { .. } => 0,
            Self::Failed { .. } | Self::Cancelled => 1,
            Self::Definition(_) => 2,
            Self::Found(_) | Self::LeaseLost | Self::Journal(_) => 3,
        }
    }
}

/// What a workflow's call of a step comes upon.
#[derive(Debug)]
pub(crate) enum Entered {
    /// The step is to be invoked with this input, which is the recorded one where there is one.
    Invoke { index: usize, input: Json },
    /// It answered before.
    Done(Json),
    /// It was optional and is given up.
    Skipped,
    /// It was optional, failed, and still has to be taken back.
    GivenUp { index: usize },
    /// It failed for good, and the execution in which it did ended before the run was reverted.
    Failed,
    /// The record of the run would become too large.
    TooLarge { size: usize, most: usize },
    /// The workflow has called a step of this name already.
    Repeated,
    /// What is recorded under this name is another step.
    Misfit(String),
}

/// A step that a workflow calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Called<'a> {
    pub(crate) name: &'a str,
    pub(crate) step: &'static str,
    pub(crate) compensated: bool,
    pub(crate) optional: bool,
}

/// A write that is to be made.
#[derive(Debug)]
pub(crate) struct Write<W> {
    pub(crate) run: Run,
    pub(crate) expected: Expected,
    pub(crate) writes: Vec<W>,
}

/// A write whose fate is not known yet, and up to which change it brings the journal.
#[derive(Clone, Copy, Debug)]
struct Sent {
    fence: Fence,
    change: u64,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It is made.
    Made,
    /// The record stands otherwise than known, and is still ours: what it lacks is to be written on top of it.
    Again,
    /// It is not made, and the run halts.
    Halted,
}

#[derive(Debug)]
pub(crate) struct Ledger<W> {
    run: Run,
    /// How the record stands, as far as this worker knows; none where there is none.
    persisted: Option<Fence>,
    /// The sequence number of the latest write that was tried. Never given twice: a write whose fate is unknown
    /// must not be taken for a later one.
    sequence: u64,
    /// Counts changes of the run, and up to which of them it is persisted.
    change: u64,
    persisted_change: u64,
    /// The writes since the last one that is known to be made. One of them at most has been, since all expect the same.
    sent: Vec<Sent>,
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
            sequence: 0,
            change: 0,
            persisted_change: 0,
            sent: Vec::new(),
            handed: Vec::new(),
            halt: None,
            called: BTreeSet::new(),
            tick: 0,
            release: false,
            done_before: false,
            retention,
        }
    }

    /// The ledger of a run that exists, in the hands of a new owner.
    pub(crate) fn taken_over(found: Run, owner: String, retention: Duration) -> Self {
        let fence = Fence::of(&found);
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
            sequence: fence.sequence,
            change: 1,
            tick,
            ..Self::fresh(run, retention)
        }
    }

    pub(crate) const fn run(&self) -> &Run {
        &self.run
    }

    pub(crate) const fn is_recorded(&self) -> bool {
        self.persisted.is_some()
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

    /// Begins a step, or finds it begun. The journal says how large a record may be.
    pub(crate) fn enter(
        &mut self,
        called: Called<'_>,
        input: Json,
        now: Timestamp,
        journal: &dyn Journal<W>,
    ) -> Entered {
        if !self.called.insert(called.name.to_owned()) {
            return Entered::Repeated;
        }
        let found = self
            .run
            .steps
            .iter()
            .enumerate()
            .find(|(_, step)| step.name == called.name);
        if let Some((index, step)) = found {
            return resume(index, step, called);
        }
        let record = StepRecord {
            name: called.name.to_owned(),
            step: called.step.to_owned(),
            state: StepState::Invoking,
            compensated: called.compensated,
            optional: called.optional,
            input: input.clone(),
            output: None,
            undo: None,
            attempts: 0,
            compensations: 0,
            began: self.tick(),
            ended: None,
            started_at: now,
            ended_at: None,
        };
        let index = self.run.steps.len();
        self.run.steps.push(record);
        if let Some(size) = self.oversize(journal) {
            self.run.steps.pop();
            return Entered::TooLarge {
                size,
                most: journal.max_size(),
            };
        }
        self.changed();
        Entered::Invoke { index, input }
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

    pub(crate) fn step(&self, index: usize) -> Option<&StepRecord> {
        self.run.steps.get(index)
    }

    /// Counts an attempt and answers its number. Not worth a write: it goes along with the next one.
    pub(crate) fn count_attempt(&mut self, index: usize, during: Phase) -> u32 {
        let Some(step) = self.run.steps.get_mut(index) else {
            return 0;
        };
        let count = match during {
            Phase::Invoke => &mut step.attempts,
            Phase::Compensate => &mut step.compensations,
        };
        *count = count.saturating_add(1);
        *count
    }

    /// Notes that a step succeeded; or answers how large the record would become, if that is too large. Then the
    /// step is left as it is, in doubt.
    pub(crate) fn complete(
        &mut self,
        index: usize,
        (output, undo): (Json, Option<Json>),
        writes: Vec<W>,
        now: Timestamp,
        journal: &dyn Journal<W>,
    ) -> Result<(), usize> {
        let ended = self.tick();
        let Some(step) = self.run.steps.get_mut(index) else {
            return Ok(());
        };
        let before = step.clone();
        step.output = Some(output);
        step.undo = undo;
        step.state = StepState::Done;
        step.ended = Some(ended);
        step.ended_at = Some(now);
        if let Some(size) = self.oversize(journal) {
            if let Some(step) = self.run.steps.get_mut(index) {
                *step = before;
            }
            return Err(size);
        }
        self.handed
            .extend(writes.into_iter().map(|write| (before.name.clone(), write)));
        self.changed();
        Ok(())
    }

    /// Notes a step's new state.
    pub(crate) fn set_step(&mut self, index: usize, state: StepState, now: Timestamp) {
        let tick = self.tick();
        if let Some(step) = self.run.steps.get_mut(index) {
            step.state = state;
            if step.ended.is_none() {
                step.ended = Some(tick);
                step.ended_at = Some(now);
            }
        }
        self.changed();
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

    /// A recorded step that this execution of the workflow has not called.
    pub(crate) fn uncalled(&self) -> Option<&str> {
        let mut names = self.run.steps.iter().map(|step| step.name.as_str());
        names.find(|name| !self.called.contains(*name))
    }

    /// The workflow has seen that a run of this id is done.
    pub(crate) const fn note_done_before(&mut self) {
        self.done_before = true;
    }

    /// Whether the workflow has seen that a run of this id is done, and has done nothing itself.
    pub(crate) const fn is_done_before(&self) -> bool {
        self.done_before && self.persisted.is_none() && self.run.steps.is_empty()
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

    /// The run is being reverted: what its steps handed over is not made, and what could not be taken back
    /// before is tried again.
    pub(crate) fn start_compensating(&mut self) {
        self.run.state = RunState::Compensating;
        self.run.output = None;
        // It may have been on its way to be suspended when it was cancelled.
        self.release = false;
        self.handed.clear();
        for step in &mut self.run.steps {
            if step.state == StepState::CompensationFailed {
                step.state = StepState::Failed;
            }
        }
        self.changed();
    }

    fn is_to_compensate(step: &StepRecord) -> bool {
        step.compensated
            && matches!(
                step.state,
                StepState::Invoking | StepState::Done | StepState::Failed
            )
    }

    pub(crate) fn has_to_compensate(&self) -> bool {
        self.run.steps.iter().any(Self::is_to_compensate)
    }

    /// The steps to be compensated next: those after whose end no step began that is yet to be compensated.
    /// So the newest come first, and what ran side by side is taken back side by side.
    pub(crate) fn next_to_compensate(&self) -> Vec<usize> {
        let left = || {
            self.run
                .steps
                .iter()
                .enumerate()
                .filter(|(_, step)| Self::is_to_compensate(step))
        };
        let newest = left().map(|(_, step)| step.began).max().unwrap_or(0);
        let is_next = |step: &StepRecord| step.ended.is_none_or(|ended| ended > newest);
        left()
            .filter(|(_, step)| is_next(step))
            .map(|(index, _)| index)
            .collect()
    }

    /// Everything that can be taken back is: the run is reverted, or failed if something is left.
    pub(crate) fn end_reverting(&mut self) -> RunState {
        let failed = self.run.leftovers().next().is_some();
        self.run.state = if failed {
            RunState::Failed
        } else {
            RunState::Reverted
        };
        self.changed();
        self.run.state
    }

    /// The run waits for the next delivery: its lease is given back with the next write.
    pub(crate) fn suspend(&mut self) {
        if self.run.state == RunState::Compensating {
            self.run.state = RunState::WaitingToCompensate;
        }
        self.release = true;
        self.changed();
    }

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
        });
        let mut run = self.run.clone();
        let mut writes = Vec::new();
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
        }
    }

    /// Takes note of what became of a write.
    pub(crate) fn settle(&mut self, write: &Write<W>, committed: Committed) -> Settled {
        match committed {
            Committed::Applied => {
                self.made(write.run.sequence);
                Settled::Made
            }
            Committed::Rejected { index, reason } => {
                let step = self.handed.get(index).map(|(step, _)| step.clone());
                self.handed.clear();
                let step = step.unwrap_or_else(|| self.run.workflow.clone());
                self.halt(Halt::Failed {
                    step,
                    message: reason,
                });
                Settled::Halted
            }
            Committed::Conflict(Some(found)) if self.is_ours(&found) => self.found_ours(&found),
            // Nothing is known of the run yet and somebody has begun it before: what to do depends on its state.
            Committed::Conflict(Some(found)) if write.expected == Expected::Absent => {
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
        }
        self.sent.clear();
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

fn resume(index: usize, step: &StepRecord, called: Called<'_>) -> Entered {
    if step.step != called.step
        || step.compensated != called.compensated
        || step.optional != called.optional
    {
        return Entered::Misfit(format!(
            "step {} is recorded as another one, {}",
            called.name, step.step
        ));
    }
    match (step.state, &step.output) {
        (StepState::Invoking, _) => Entered::Invoke {
            index,
            input: step.input.clone(),
        },
        (StepState::Done, Some(output)) => Entered::Done(output.clone()),
        (StepState::Skipped, _) => Entered::Skipped,
        (StepState::Failed, _) if step.optional => Entered::GivenUp { index },
        (StepState::Failed, _) => Entered::Failed,
        (state, _) => Entered::Misfit(format!("step {} is recorded as {state:?}", called.name)),
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
