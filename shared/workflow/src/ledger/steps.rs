//! The steps of a run: begun, found again, ended, compensated.

use super::Ledger;
use crate::{Journal, Json, Phase, StepRecord, StepState, Timestamp};

/// What a workflow's call of a step meets in the record.
#[derive(Debug)]
pub(crate) enum StepEntry {
    /// The step must be invoked with this input, which is the recorded one where there is one.
    Invoke { index: usize, input: Json },
    /// It answered before.
    Done(Json),
    /// It was optional, failed and is undone.
    Skipped,
    /// It was optional, failed, and must still be undone.
    Unwanted { index: usize },
    /// It failed for good, in an execution that ended before the run was reverted.
    Failed,
    /// The record of the run would become too large.
    TooLarge { size: usize },
    /// The workflow has already called a step of this name.
    Repeated,
    /// Another step is recorded under this name.
    Mismatch(String),
}

/// A workflow's call of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepCall<'a> {
    pub(crate) name: &'a str,
    pub(crate) step: &'static str,
    pub(crate) irreversible: bool,
    pub(crate) optional: bool,
    pub(crate) now: Timestamp,
}

impl Ledger {
    fn tick(&mut self) -> u32 {
        let tick = self.tick;
        self.tick = tick.saturating_add(1);
        tick
    }

    /// Whether a call of that step must act, or undo something, before it can answer.
    pub(crate) fn is_pending(&self, name: &str) -> bool {
        let step = self.run.steps.iter().find(|step| step.name == name);
        step.is_none_or(|step| !matches!(step.state, StepState::Done | StepState::Skipped))
    }

    /// Begins a step, or finds it begun.
    pub(crate) fn enter(
        &mut self,
        call: StepCall<'_>,
        input: &Json,
        journal: &dyn Journal,
    ) -> StepEntry {
        if !self.called.insert(call.name.to_owned()) {
            return StepEntry::Repeated;
        }
        let mut steps = self.run.steps.iter_mut().enumerate();
        if let Some((index, step)) = steps.find(|(_, step)| step.name == call.name) {
            return resume(index, step, call);
        }
        let record = StepRecord {
            name: call.name.to_owned(),
            step: (call.step != call.name).then(|| call.step.to_owned()),
            irreversible: call.irreversible,
            optional: call.optional,
            input: input.clone(),
            began_at: call.now,
            began: self.tick(),
            ..StepRecord::default()
        };
        let index = self.run.steps.len();
        self.run.steps.push(record);
        if let Some(size) = self.oversize(journal) {
            self.run.steps.pop();
            return StepEntry::TooLarge { size };
        }
        self.changed();
        let input = input.clone();
        StepEntry::Invoke { index, input }
    }

    pub(crate) fn step(&self, index: usize) -> Option<&StepRecord> {
        self.run.steps.get(index)
    }

    /// The number of the next attempt, counted from 1. Counting is not worth a write of its own: it goes along with the
    /// next one.
    pub(crate) fn attempt_number(&mut self, index: usize, during: Phase, is_retry: bool) -> u32 {
        let Some(step) = self.run.steps.get_mut(index) else {
            return 1;
        };
        match during {
            Phase::Invoke => {
                step.retries = step.retries.saturating_add(u32::from(is_retry));
                step.retries.saturating_add(1)
            }
            Phase::Compensate => {
                step.compensations = step.compensations.saturating_add(1);
                step.compensations
            }
        }
    }

    /// The call was answered: the next one has a new idempotency key, which must be recorded before it is used.
    pub(crate) fn advance_key(&mut self, index: usize, during: Phase) {
        if let Some(step) = self.run.steps.get_mut(index) {
            let key = match during {
                Phase::Invoke => &mut step.key,
                Phase::Compensate => &mut step.undo_key,
            };
            *key = key.saturating_add(1);
        }
        self.changed();
    }

    /// Notes that a step succeeded. Where that makes the record too large, answers its size and leaves the step as it
    /// is.
    pub(crate) fn complete(
        &mut self,
        index: usize,
        output: Json,
        undo: Option<Json>,
        journal: &dyn Journal,
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
        if let Some(size) = self.oversize(journal) {
            if let Some(step) = self.run.steps.get_mut(index) {
                *step = before;
            }
            return Err(size);
        }
        self.changed();
        Ok(())
    }

    /// Notes a step's new state.
    pub(crate) fn set_step(&mut self, index: usize, state: StepState) {
        let tick = self.tick();
        if let Some(step) = self.run.steps.get_mut(index) {
            step.state = state;
            step.ended = step.ended.or(Some(tick));
        }
        self.changed();
    }

    /// A recorded step that the workflow has not called in this execution.
    pub(crate) fn uncalled(&self) -> Option<&str> {
        let mut names = self.run.steps.iter().map(|step| step.name.as_str());
        names.find(|name| !self.called.contains(*name))
    }

    /// A step that has neither succeeded nor been skipped.
    pub(crate) fn unfinished(&self) -> Option<&str> {
        let mut steps = self.run.steps.iter();
        let unfinished =
            |step: &&StepRecord| !matches!(step.state, StepState::Done | StepState::Skipped);
        steps.find(unfinished).map(|step| step.name.as_str())
    }

    /// The steps to compensate next: those that no other step began after which is still to be compensated. So the
    /// newest come first, and steps that ran side by side are undone side by side.
    pub(crate) fn next_to_compensate(&self) -> Vec<usize> {
        let is_left = |step: &StepRecord| {
            let state = step.state;
            let has_begun = matches!(
                state,
                StepState::Invoking | StepState::Done | StepState::Failed
            );
            !step.irreversible && has_begun
        };
        let steps = || self.run.steps.iter().enumerate();
        let left = || steps().filter(|(_, step)| is_left(step));
        let newest = left().map(|(_, step)| step.began).max().unwrap_or(0);
        let is_next = |step: &StepRecord| step.ended.is_none_or(|ended| ended > newest);
        let next = left().filter(|(_, step)| is_next(step));
        next.map(|(index, _)| index).collect()
    }
}

fn resume(index: usize, step: &mut StepRecord, call: StepCall<'_>) -> StepEntry {
    if step.declared() != call.step
        || step.irreversible != call.irreversible
        || step.optional != call.optional
    {
        let StepCall { name, .. } = call;
        let reason = format!(
            "step {name} is recorded as another one, {}",
            step.declared()
        );
        return StepEntry::Mismatch(reason);
    }
    match (step.state, &step.output) {
        (StepState::Invoking, _) => {
            step.retries = step.retries.saturating_add(1);
            let input = step.input.clone();
            StepEntry::Invoke { index, input }
        }
        (StepState::Done, Some(output)) => StepEntry::Done(output.clone()),
        (StepState::Skipped, _) => StepEntry::Skipped,
        (StepState::Failed, _) if step.optional => StepEntry::Unwanted { index },
        (StepState::Failed, _) => StepEntry::Failed,
        (state, _) => StepEntry::Mismatch(format!("step {} is recorded as {state:?}", call.name)),
    }
}
