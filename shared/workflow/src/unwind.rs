//! Reverting a run: what its steps did, or may have done, is taken back.

use futures::future::join_all;

use crate::{
    Application, GivenUp, Phase, RunState, StepState, Timestamp,
    attempts::Tried,
    engine::cause,
    execution::{Execution, Halted},
    ledger::Halt,
};

impl<A: Application> Execution<'_, A> {
    /// Takes everything back, newest first, and records that; or halts.
    ///
    /// That the run is being reverted is written before the first compensation:
    ///
    /// ```text
    /// step acts ──► fails for good ──► taken back ──► crash ──► another worker takes over
    /// ```
    ///
    /// which would find the step begun, invoke it again, be told by whatever it acts on that this was done before,
    /// and finish a run whose effect is gone.
    pub(crate) async fn unwind(&self) -> Result<RunState, Halted> {
        self.ledger().start_compensating();
        let has_to_compensate = self.ledger().has_to_compensate();
        if has_to_compensate {
            self.persist().await?;
        }
        loop {
            let next = self.ledger().next_to_compensate();
            if next.is_empty() {
                break;
            }
            join_all(next.into_iter().map(|index| self.take_back(index))).await;
            if self.ledger().halted().is_some() {
                return Err(Halted);
            }
        }
        let state = self.ledger().end_reverting();
        let write = {
            let ledger = self.ledger();
            let cause = &cause(ledger.run());
            let at = self.now();
            (self.given_up)(&GivenUp { state, cause, at })
        };
        self.ledger().go_along(write);
        self.persist().await?;
        Ok(state)
    }

    async fn take_back(&self, index: usize) {
        let tried = self.compensate(index).await;
        let now: Timestamp = self.now();
        let name = self
            .ledger()
            .step(index)
            .map(|step| step.name.clone())
            .unwrap_or_default();
        let failed = match tried {
            Tried::Succeeded(()) => return self.ledger().set_step(index, StepState::Reverted, now),
            Tried::Failed(message) => message,
            Tried::GaveUp(error) if self.last_chance => error.chain(),
            Tried::GaveUp(error) => {
                let (message, retry_after) = (error.chain(), error.retry_after());
                return self.ledger().halt(Halt::Suspended {
                    step: name,
                    message,
                    retry_after,
                });
            }
        };
        self.note_error(&name, Phase::Compensate, failed);
        self.ledger()
            .set_step(index, StepState::CompensationFailed, now);
    }
}
