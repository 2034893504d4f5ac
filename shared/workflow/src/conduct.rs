//! Taking a run as far as it goes within one execution: running its workflow, and what becomes of it then.

use std::panic::AssertUnwindSafe;

use futures::{
    FutureExt,
    future::{Either, select},
};
use serde::Serialize;
use tracing::{info, warn};

use crate::{
    Application, EngineError, Flow, Json, Outcome, Phase, Run, RunEvent, RunState, StepError,
    Workflow,
    attempts::panic_message,
    engine::cause,
    execution::{Execution, Halted},
    ledger::Halt,
};

/// Where an execution leads.
pub(crate) enum End<T> {
    Outcome(Outcome<T>),
    /// The run had been begun before: as it stands.
    Found(Box<Run>),
}

impl<A: Application> Execution<'_, A> {
    /// Takes the run as far as it goes.
    pub(crate) async fn conduct<W: Workflow<A>>(
        &self,
        workflow: &W,
        input: &W::Input,
    ) -> Result<End<W::Output>, EngineError> {
        let is_taken_over = self.ledger().is_begun();
        if is_taken_over && self.persist().await.is_err() {
            return self.halted().await;
        }
        let (state, is_cancelled) = {
            let ledger = self.ledger();
            (
                ledger.run().state,
                ledger.run().cancel_requested_at.is_some(),
            )
        };
        let end = match state {
            RunState::NotStarted | RunState::Invoking if is_cancelled => {
                self.ledger().halt(Halt::Cancelled);
                None
            }
            RunState::NotStarted | RunState::Invoking => match self.drive(workflow, input).await {
                Some(output) => self.finish(W::NAME, output).await,
                None => None,
            },
            _ => self.revert().await,
        };
        match end {
            Some(end) => Ok(end),
            None => self.halted().await,
        }
    }

    /// Runs the workflow; None if it halted.
    async fn drive<W: Workflow<A>>(&self, workflow: &W, input: &W::Input) -> Option<W::Output> {
        let flow = Flow::outermost(self);
        let work = AssertUnwindSafe(workflow.run(&flow, input)).catch_unwind();
        // Steps end by themselves at the last moment. This ends what a workflow awaits beside them.
        let grace = self.engine.config.deadline_margin / 2;
        let time = self
            .now()
            .until(self.last_moment(Phase::Invoke).plus(grace));
        let answered = match select(std::pin::pin!(work), self.engine.environment.sleep(time)).await
        {
            Either::Left((Ok(answered), _)) => answered,
            Either::Left((Err(panic), _)) => Err(StepError::permanent(format!(
                "it panicked: {}",
                panic_message(&*panic)
            ))),
            Either::Right(_) => Err(StepError::transient("no time is left in this invocation")),
        };
        if self.ledger().halted().is_some() {
            return None;
        }
        match answered {
            Ok(output) => return Some(output),
            Err(error) if error.is_permanent() => self.fail(W::NAME, error.chain()),
            Err(error) => self.give_up(W::NAME, &error),
        };
        None
    }

    /// Records that the run is done, together with what its last steps handed over; None if it halted.
    async fn finish<T: Serialize>(&self, workflow: &str, output: T) -> Option<End<T>> {
        let uncalled = self.ledger().uncalled().map(str::to_owned);
        if let Some(step) = uncalled {
            let reason = format!("it recorded step {step}, which was not called again");
            self.ledger().halt(Halt::Definition(reason));
            return None;
        }
        if self.ledger().is_done_before() {
            return Some(End::Outcome(Outcome::Done(output)));
        }
        let finished = match Json::of(&output) {
            Ok(json) => self
                .ledger()
                .finish(json, &*self.engine.journal)
                .map_err(|size| {
                    format!("with its output, the record of the run would take {size} bytes")
                }),
            Err(error) => Err(format!("its output cannot be written as JSON: {error}")),
        };
        if let Err(message) = finished {
            self.fail(workflow, message);
            return None;
        }
        self.persist().await.ok()?;
        self.ended();
        Some(End::Outcome(Outcome::Done(output)))
    }

    /// Goes on after a halt: reverts the run where it failed, gives its lease back where it waits, or stops.
    async fn halted<T>(&self) -> Result<End<T>, EngineError> {
        loop {
            let halt = self.ledger().take_halt();
            match halt {
                Some(Halt::Failed { step, message }) => {
                    self.note_error(&step, Phase::Invoke, message);
                    if let Some(end) = self.revert().await {
                        return Ok(end);
                    }
                }
                Some(Halt::Cancelled) => {
                    let workflow = self.ledger().run().workflow.clone();
                    self.note_error(&workflow, Phase::Invoke, "the run was cancelled".to_owned());
                    if let Some(end) = self.revert().await {
                        return Ok(end);
                    }
                }
                Some(Halt::Suspended {
                    step,
                    message,
                    retry_after,
                }) => {
                    let during = match self.ledger().run().state {
                        RunState::Compensating => Phase::Compensate,
                        _ => Phase::Invoke,
                    };
                    let cause = self.note_error(&step, during, message);
                    if self.give_back().await.is_ok() {
                        self.ended();
                        return Ok(End::Outcome(Outcome::Suspended { cause, retry_after }));
                    }
                }
                Some(Halt::Definition(reason)) => {
                    if self.give_back().await.is_ok() {
                        let id = self.ledger().run().id.clone();
                        return Err(EngineError::Definition { id, reason });
                    }
                }
                Some(Halt::Found(run)) => return Ok(End::Found(run)),
                Some(Halt::Journal(error)) => return Err(error.into()),
                Some(Halt::LeaseLost) | None => {
                    warn!("another worker has taken the run over");
                    return Ok(End::Outcome(Outcome::Running { until: None }));
                }
            }
        }
    }

    /// Reverts the run; None if it halted.
    async fn revert<T>(&self) -> Option<End<T>> {
        let state = self.unwind().await.ok()?;
        self.ended();
        let ledger = self.ledger();
        let cause = cause(ledger.run());
        Some(End::Outcome(match state {
            RunState::Failed => {
                let leftovers = ledger
                    .run()
                    .leftovers()
                    .map(|step| step.name.clone())
                    .collect();
                Outcome::Failed { cause, leftovers }
            }
            _ => Outcome::Reverted { cause },
        }))
    }

    /// Gives the lease back, with all progress recorded. Of a run that has not begun there is nothing to keep.
    async fn give_back(&self) -> Result<(), Halted> {
        let is_begun = {
            let mut ledger = self.ledger();
            ledger.suspend();
            ledger.is_begun()
        };
        if is_begun {
            self.persist().await
        } else {
            Ok(())
        }
    }

    fn ended(&self) {
        let ledger = self.ledger();
        let run = ledger.run();
        let error = run
            .errors
            .last()
            .filter(|_| run.state != RunState::Done)
            .map(ToString::to_string);
        let (state, attempt, steps) = (run.state, run.attempt, run.steps.len());
        info!(%state, attempt, steps, error, "run ended: {state}");
        let event = RunEvent::Ended {
            workflow: &run.workflow,
            state: run.state,
        };
        self.engine.observer.observe(&event);
    }
}
