//! The steps of a run: begun, ended, found again.

use super::Ledger;
use crate::{Journal, Json, Phase, StepRecord, StepState, Timestamp};

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

impl<W: Clone> Ledger<W> {
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

    /// A recorded step that this execution of the workflow has not called.
    pub(crate) fn uncalled(&self) -> Option<&str> {
        let mut names = self.run.steps.iter().map(|step| step.name.as_str());
        names.find(|name| !self.called.contains(*name))
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
