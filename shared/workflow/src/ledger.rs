//! A run as its worker knows it: always ahead of the journal, never behind it.
//!
//! The ledger does no I/O and reads no clock. It keeps the invariants of the record, and says what must be written next
//! and under which condition.

pub(crate) mod steps;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    Committed, Expected, Fence, Journal, JournalError, Json, Phase, Run, RunError, RunState,
    StepState, Timestamp,
};

/// How much room a record keeps for its errors, so that a run whose steps fill it can still say why it failed.
const ROOM_FOR_ERRORS: usize = (Run::MAX_ERRORS + 1) * (RunError::MAX_MESSAGE + 256);

/// Why a run does not go on in this execution. Where several things happen, the weightiest counts.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// The effects of an unanswered call must be waited for, and there is no time for that.
    Unsettled,
    /// A step failed transiently, and its attempts or the time are used up.
    Suspended {
        step: String,
        message: String,
        retry_after: Option<Duration>,
    },
    /// A step failed for good.
    Failed { step: String, message: String },
    /// The run was asked to be cancelled.
    Cancelled,
    /// The code does not fit the record, or itself.
    Definition(String),
    /// Another execution began the run first; the record, where it still exists.
    Overtaken(Option<Box<Run>>),
    /// Another worker has taken the run over, until then.
    LeaseLost(Option<Timestamp>),
    /// The journal failed.
    Journal(JournalError),
}

impl Halt {
    const fn weight(&self) -> u8 {
        match self {
            Self::Unsettled => 0,
            Self::Suspended { .. } => 1,
            Self::Failed { .. } | Self::Cancelled => 2,
            Self::Definition(_) => 3,
            Self::Overtaken(_) | Self::LeaseLost(_) | Self::Journal(_) => 4,
        }
    }

    /// Whether nothing more can be written.
    pub(crate) const fn is_final(&self) -> bool {
        self.weight() == 4
    }
}

/// A write to make.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) run: Run,
    pub(crate) expected: Expected,
    /// The change up to which it brings the journal.
    change: u64,
}

/// What to do after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The record is up to date with the write.
    Made,
    /// The record is ours, but not as we knew it: write again, on top of it.
    Again,
    /// The run halts.
    Halt,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    run: Run,
    /// How the record stands, as far as this worker knows; none where there is no record.
    persisted: Option<Fence>,
    /// Whether the record is of this attempt. Before the first write it is of the attempt before, which is over.
    begun: bool,
    /// The highest sequence number that this worker has used or seen. It uses none twice.
    sequence: u64,
    /// Counts the changes of the run, and up to which of them it is persisted.
    change: u64,
    persisted_change: u64,
    halt: Option<Halt>,
    /// The steps that the workflow has called in this execution.
    called: BTreeSet<String>,
    tick: u32,
    /// Whether the next write gives the lease back.
    release: bool,
    /// Until when calls that were not answered may still take effect, by idempotency key.
    unanswered: BTreeMap<String, Timestamp>,
    retention: Duration,
}

impl Ledger {
    /// The ledger of an attempt that is not recorded yet. The record stands as `persisted`: absent, or of the attempt
    /// before.
    pub(crate) fn begin(run: Run, persisted: Option<Fence>, retention: Duration) -> Self {
        Self {
            sequence: persisted.as_ref().map_or(0, |fence| fence.sequence),
            persisted,
            run,
            begun: false,
            change: 0,
            persisted_change: 0,
            halt: None,
            called: BTreeSet::new(),
            tick: 0,
            release: false,
            unanswered: BTreeMap::new(),
            retention,
        }
    }

    /// The ledger of a recorded run in the hands of a new owner. Its first write is the take-over.
    pub(crate) fn take_over(found: Run, owner: String, retention: Duration) -> Self {
        let fence = Fence::of(&found);
        let ticks = found
            .steps
            .iter()
            .map(|step| step.ended.unwrap_or(step.began));
        let tick = ticks.max().map_or(0, |last| last.saturating_add(1));
        let mut run = Run {
            owner,
            resume_at: None,
            paused_at: None,
            ..found
        };
        if run.state == RunState::Failed {
            run.state = RunState::Compensating;
            for step in &mut run.steps {
                if step.state == StepState::CompensationFailed {
                    step.state = StepState::Failed;
                }
            }
        }
        Self {
            begun: true,
            change: 1,
            tick,
            ..Self::begin(run, Some(fence), retention)
        }
    }

    pub(crate) const fn run(&self) -> &Run {
        &self.run
    }

    /// Whether anything of this attempt is recorded.
    pub(crate) const fn is_begun(&self) -> bool {
        self.begun
    }

    pub(crate) const fn is_changed(&self) -> bool {
        self.change > self.persisted_change
    }

    const fn changed(&mut self) {
        self.change = self.change.saturating_add(1);
    }

    /// Halts the run, unless something weightier has done so.
    pub(crate) fn halt(&mut self, halt: Halt) {
        let is_outweighed = |before: &Halt| before.weight() >= halt.weight();
        if !self.halt.as_ref().is_some_and(is_outweighed) {
            self.halt = Some(halt);
        }
    }

    pub(crate) const fn halted(&self) -> Option<&Halt> {
        self.halt.as_ref()
    }

    pub(crate) const fn take_halt(&mut self) -> Option<Halt> {
        self.halt.take()
    }

    /// Whether the run fails or stops: then no further attempt is made at a step.
    pub(crate) fn is_failing(&self) -> bool {
        let fails = |halt: &Halt| halt.weight() > 1;
        self.halt.as_ref().is_some_and(fails)
    }

    /// The size of the record, if it is too large.
    pub(crate) fn oversize(&self, journal: &dyn Journal) -> Option<usize> {
        let most = journal.max_size();
        if most == usize::MAX {
            return None;
        }
        let size = journal.size(&self.run);
        (size.saturating_add(ROOM_FOR_ERRORS) > most).then_some(size)
    }

    /// Keeps an error with the run.
    pub(crate) fn note_error(&mut self, error: RunError) {
        self.run.errors.push(error);
        let excess = self.run.errors.len().saturating_sub(Run::MAX_ERRORS);
        self.run.errors.drain(..excess);
        self.changed();
    }

    /// A call under that key was not answered, and may take effect until then.
    pub(crate) fn note_unanswered(&mut self, key: String, until: Timestamp) {
        let latest = self.unanswered.entry(key).or_default();
        *latest = until.max(*latest);
    }

    /// Until when an earlier call under that key may still take effect; none where none may.
    pub(crate) fn unsettled_until_of(&self, key: &str, now: Timestamp) -> Option<Timestamp> {
        self.unanswered
            .get(key)
            .copied()
            .filter(|until| now < *until)
    }

    /// When all calls that were not answered have taken effect, or never will; none where that is so already.
    pub(crate) fn unsettled_until(&self, now: Timestamp) -> Option<Timestamp> {
        let latest = self.unanswered.values().copied().max();
        latest.filter(|until| now < *until)
    }

    /// The run waits until then, with its lease given back. Waiting for effects to settle is not counted.
    pub(crate) fn suspend(&mut self, until: Timestamp, counted: bool) {
        self.run.resume_at = Some(until);
        self.run.suspensions = self.run.suspensions.saturating_add(u32::from(counted));
        self.release();
    }

    /// The run waits until it is run on purpose.
    pub(crate) fn pause(&mut self, now: Timestamp) {
        self.run.paused_at = Some(now);
        self.release();
    }

    /// The next write gives the lease back.
    pub(crate) const fn release(&mut self) {
        self.release = true;
        self.changed();
    }

    /// The run begins a new time budget.
    pub(crate) const fn renew_budget(&mut self, now: Timestamp) {
        self.run.budget_from = Some(now);
        self.run.suspensions = 0;
    }

    /// The run is done, with that output; or the size of the record, if that is too large.
    pub(crate) fn finish(&mut self, output: Json, journal: &dyn Journal) -> Result<(), usize> {
        self.run.output = Some(output);
        if let Some(size) = self.oversize(journal) {
            self.run.output = None;
            return Err(size);
        }
        self.run.state = RunState::Done;
        self.changed();
        Ok(())
    }

    /// The run is being reverted, for that reason.
    pub(crate) fn start_compensating(&mut self, cause: RunError) {
        self.run.state = RunState::Compensating;
        self.run.output = None;
        self.run.cause = Some(cause);
        // It may have been about to be suspended when it was cancelled.
        self.run.resume_at = None;
        self.run.paused_at = None;
        self.release = false;
        self.changed();
    }

    /// Everything that can be undone is: the run is reverted, or failed if something is left.
    pub(crate) fn end_reverting(&mut self) {
        self.run.state = if self.run.leftovers().next().is_some() {
            RunState::Failed
        } else {
            RunState::Reverted
        };
        self.changed();
    }

    /// The write that brings the journal up to this ledger.
    pub(crate) fn next_write(&mut self, lease_until: Timestamp, now: Timestamp) -> Write {
        self.sequence = self.sequence.saturating_add(1);
        if self.run.state == RunState::NotStarted {
            self.run.state = RunState::Invoking;
        }
        let is_over = self.run.state.is_over();
        self.run.sequence = self.sequence;
        self.run.lease_until = if is_over || self.run.state == RunState::Failed {
            None
        } else if self.release {
            // A call that was not answered may still act: until then no other worker may start.
            self.unsettled_until(now)
        } else {
            Some(lease_until)
        };
        self.run.expires_at = is_over.then(|| now.plus(self.retention));
        let expected = self.persisted.clone();
        Write {
            run: self.run.clone(),
            expected: expected.map_or(Expected::Absent, Expected::At),
            change: self.change,
        }
    }

    /// Takes note of the journal's answer to a write.
    ///
    /// ```text
    /// two workers:  one: load n ────────────────► write n + 1 ─► applied
    ///               two: load n ─► (stands still) ─────────────► write n + 1 ─► refused: another owner
    /// ```
    pub(crate) fn settle(&mut self, write: &Write, committed: Committed) -> Verdict {
        match committed {
            Committed::Applied => self.made(write, write.run.sequence),
            Committed::Conflict(Some(found)) if found.owner == self.run.owner => {
                self.adopt(write, &found)
            }
            Committed::Conflict(found) if !self.begun => {
                self.halt(Halt::Overtaken(found));
                Verdict::Halt
            }
            Committed::Conflict(found) => {
                let until = found.and_then(|found| found.lease_until.or(found.resume_at));
                self.halt(Halt::LeaseLost(until));
                Verdict::Halt
            }
        }
    }

    fn made(&mut self, write: &Write, sequence: u64) -> Verdict {
        let owner = self.run.owner.clone();
        self.persisted = Some(Fence { owner, sequence });
        self.persisted_change = write.change;
        self.begun = true;
        Verdict::Made
    }

    /// The record is ours, but not as we knew it. Either our own write was made and its reply lost, or a request to
    /// cancel the run came in between, or both:
    ///
    /// ```text
    /// we:        write n + 1 ─► made, reply lost ──────────► write n + 2 (expects n) ─► refused, since n + 1 stands
    /// we:        write n + 1 (lost on its way) ────────────► write n + 2 (expects n) ─► refused, since n + 1 stands
    /// canceller:              load n ─► write n + 1, with the request ─► made
    /// ```
    ///
    /// Both have the same sequence number, so the content decides: where the record is not what we want it to be, we
    /// write once more, on top of it. A write of ours that is still on its way expects an older state and is refused.
    fn adopt(&mut self, write: &Write, found: &Run) -> Verdict {
        self.sequence = self.sequence.max(found.sequence);
        let wanted = Run {
            sequence: found.sequence,
            ..write.run.clone()
        };
        if found.state.is_over() || wanted == *found {
            return self.made(write, found.sequence);
        }
        self.persisted = Some(Fence::of(found));
        self.persisted_change = 0;
        self.begun = true;
        let is_news = self.run.cancel_requested_at.is_none();
        self.run.cancel_requested_at = self.run.cancel_requested_at.or(found.cancel_requested_at);
        let can_cancel = matches!(self.run.state, RunState::Invoking | RunState::Done);
        if is_news && self.run.cancel_requested_at.is_some() && can_cancel {
            self.halt(Halt::Cancelled);
            return Verdict::Halt;
        }
        Verdict::Again
    }

    /// The idempotency key of the step's next call.
    pub(crate) fn idempotency_key(&self, index: usize, during: Phase) -> String {
        self.run.steps.get(index).map_or_else(String::new, |step| {
            let (nonce, name) = (&self.run.nonce, &step.name);
            match during {
                Phase::Invoke => format!("{nonce}/{name}/{}", step.key),
                // The last segment differs from any invocation's, even if a step is named "undo".
                Phase::Compensate => format!("{nonce}/{name}/undo-{}", step.undo_key),
            }
        })
    }

    /// The keys under which the step may have been invoked, newest first.
    pub(crate) fn invocation_keys(&self, index: usize) -> Vec<String> {
        let (nonce, step) = (&self.run.nonce, self.run.steps.get(index));
        let keys = step.map(|step| {
            let key = |number| format!("{nonce}/{}/{number}", step.name);
            (0..=step.key).rev().map(key).collect()
        });
        keys.unwrap_or_default()
    }
}
