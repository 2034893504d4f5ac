//! Reverting a run: what is to be taken back, and in which order.

use super::Ledger;
use crate::{RunState, StepRecord, StepState};

impl<W: Clone> Ledger<W> {
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
}
