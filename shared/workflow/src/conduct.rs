//! Taking a run as far as it goes within one execution: running its workflow, and what follows from how that ends.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::{
    FutureExt,
    future::{Either, select},
};
use serde::{Serialize, de::DeserializeOwned};
use tracing::{info, warn};

use crate::{
    EngineError, Flow, Json, Outcome, Phase, Run, RunError, RunEvent, RunState, StepError,
    Timestamp, Workflow,
    attempts::{NO_TIME, panic_message},
    calls::Calls,
    execution::Halted,
    ledger::Halt,
};

/// Where an execution leads.
pub(crate) enum Conclusion<T> {
    Outcome(Outcome<T>),
    /// Another execution began the run first; the record, where it still exists.
    Overtaken(Option<Box<Run>>),
}

impl<A: Send + Sync + 'static> Calls<'_, A> {
    /// Takes the run as far as it goes.
    pub(crate) async fn conduct<W: Workflow<A>>(
        &self,
        workflow: &W,
        input: &W::Input,
    ) -> Result<Conclusion<W::Output>, EngineError> {
        match self.advance(workflow, input).await {
            Ok(()) => self.conclude(),
            Err(Halted) => self.after_halt().await,
        }
    }

    /// Runs the workflow to its end, or reverts the run.
    async fn advance<W: Workflow<A>>(&self, workflow: &W, input: &W::Input) -> Result<(), Halted> {
        let execution = &self.execution;
        let is_taken_over = execution.ledger().is_begun();
        if is_taken_over {
            execution.persist().await?;
        }
        let run = execution.ledger().run().clone();
        if run.state == RunState::Compensating {
            return self.revert().await;
        }
        if run.cancel_requested_at.is_some() {
            execution.ledger().halt(Halt::Cancelled);
            return Err(Halted);
        }
        let answer = self.drive(workflow, input).await;
        execution.check()?;
        match answer {
            Ok(output) => self.finish(W::NAME, output).await,
            Err(error) => {
                if error.is_permanent() {
                    execution.fail(W::NAME, error.chain());
                } else {
                    execution.suspend(W::NAME, &error);
                }
                Err(Halted)
            }
        }
    }

    async fn drive<W: Workflow<A>>(
        &self,
        workflow: &W,
        input: &W::Input,
    ) -> Result<W::Output, StepError> {
        let (execution, flow) = (&self.execution, Flow::new(self));
        let work = AssertUnwindSafe(workflow.run(&flow, input)).catch_unwind();
        // Attempts end by themselves at the last moment. This ends what a workflow awaits besides.
        let grace = execution.runtime.config.deadline_margin / 2;
        let end = execution.last_moment().plus(grace);
        let time = execution.sleep(execution.now().until(end));
        match select(std::pin::pin!(work), std::pin::pin!(time)).await {
            Either::Left((Ok(answer), _)) => answer,
            Either::Left((Err(panic), _)) => {
                let message = format!("it panicked: {}", panic_message(&*panic));
                Err(StepError::permanent(message))
            }
            Either::Right(_) => Err(StepError::transient(NO_TIME)),
        }
    }

    /// Records that the run is done.
    async fn finish<T: Serialize>(&self, workflow: &str, output: T) -> Result<(), Halted> {
        let execution = &self.execution;
        let (uncalled, unfinished) = {
            let ledger = execution.ledger();
            let owned = |name: Option<&str>| name.map(str::to_owned);
            (owned(ledger.uncalled()), owned(ledger.unfinished()))
        };
        if let Some(step) = uncalled {
            execution.misfit(format!("step {step} is recorded but was not called again"));
            return Err(Halted);
        }
        if let Some(step) = unfinished {
            let message = "the workflow dropped the call before its end".to_owned();
            execution.fail(&step, message);
            return Err(Halted);
        }
        execution.settle_calls().await?;
        let journal = &*execution.runtime.journal;
        let finished = match Json::of(&output) {
            Ok(output) => {
                let finished = execution.ledger().finish(output, journal);
                finished.map_err(|size| {
                    format!("with its output, the record of the run would take {size} bytes")
                })
            }
            Err(error) => Err(format!("its output cannot be written as JSON: {error}")),
        };
        if let Err(message) = finished {
            execution.fail(workflow, message);
            return Err(Halted);
        }
        execution.persist().await
    }

    /// Goes on after a halt: reverts a run that failed, gives back the lease of a run that waits, or stops.
    async fn after_halt<T: DeserializeOwned>(&self) -> Result<Conclusion<T>, EngineError> {
        let execution = &self.execution;
        loop {
            let (halt, now) = (execution.ledger().take_halt(), execution.now());
            let written = match halt {
                Some(Halt::Failed { step, message }) => self.fail(&step, message).await,
                Some(Halt::Cancelled) => {
                    let workflow = execution.ledger().run().workflow.clone();
                    self.fail(&workflow, "the run was cancelled".to_owned())
                        .await
                }
                Some(Halt::Unsettled) => {
                    let unsettled = execution.ledger().unsettled_until(now);
                    execution.ledger().suspend(unsettled.unwrap_or(now), false);
                    execution.persist().await
                }
                Some(Halt::Suspended {
                    step,
                    message,
                    retry_after,
                }) => {
                    self.wait(&step, message, retry_after, now);
                    execution.persist().await
                }
                Some(Halt::Definition(reason)) => {
                    let is_begun = execution.ledger().is_begun();
                    if is_begun {
                        execution.ledger().release();
                        if execution.persist().await.is_err() {
                            continue;
                        }
                    }
                    let id = execution.ledger().run().id.clone();
                    return Err(EngineError::Definition { id, reason });
                }
                Some(Halt::Overtaken(found)) => return Ok(Conclusion::Overtaken(found)),
                Some(Halt::Journal(error)) => return Err(error.into()),
                Some(Halt::LeaseLost(until)) => return Ok(lease_lost(until.unwrap_or(now))),
                None => return Ok(lease_lost(now)),
            };
            if written.is_ok() {
                return self.conclude();
            }
        }
    }

    /// Reverts the run, for that reason.
    async fn fail(&self, step: &str, message: String) -> Result<(), Halted> {
        let cause = RunError::new(step, Phase::Invoke, message, self.execution.now());
        self.execution.ledger().start_compensating(cause);
        self.revert().await
    }

    /// The run waits: until it is resumed, or paused where its time budget is used up.
    fn wait(&self, step: &str, message: String, retry_after: Option<Duration>, now: Timestamp) {
        let execution = &self.execution;
        let (run, unsettled) = {
            let ledger = execution.ledger();
            (ledger.run().clone(), ledger.unsettled_until(now))
        };
        let during = match run.state {
            RunState::Compensating => Phase::Compensate,
            _ => Phase::Invoke,
        };
        execution.note_error(step, during, message);
        let config = &execution.runtime.config;
        if now >= run.budget_began().plus(config.time_budget) {
            execution.ledger().pause(now);
            return;
        }
        let wait = config
            .resume
            .wait(run.suspensions, &*execution.runtime.environment);
        let until = now.plus(retry_after.map_or(wait, |asked_for| asked_for.max(wait)));
        let until = unsettled.map_or(until, |unsettled| unsettled.max(until));
        execution.ledger().suspend(until, true);
    }

    /// This execution ends, with everything recorded.
    fn conclude<T: DeserializeOwned>(&self) -> Result<Conclusion<T>, EngineError> {
        let ledger = self.execution.ledger();
        let run = ledger.run();
        let error = run.last_error().map(ToString::to_string);
        let error = error.filter(|_| run.state != RunState::Done);
        let (suspended, paused) = (run.resume_at.is_some(), run.paused_at.is_some());
        let (id, state) = (&run.id, run.state);
        let progress = progress(run);
        info!(%state, suspended, paused, steps = run.steps.len(), error, "run {id}: {progress}");
        self.execution.runtime.observer.observe(&RunEvent::Ended {
            workflow: &run.workflow,
            state,
            suspended,
            paused,
        });
        outcome(run).map(Conclusion::Outcome)
    }
}

/// How far the run is, in a log line.
fn progress(run: &Run) -> String {
    match run.resume_at {
        Some(until) => format!("suspended until {until}"),
        None if run.paused_at.is_some() => "paused".to_owned(),
        None => run.state.to_string(),
    }
}

fn lease_lost<T>(until: Timestamp) -> Conclusion<T> {
    warn!("another worker has taken the run over");
    Conclusion::Outcome(Outcome::Leased { until })
}

/// What the record says about how far the run is.
pub(crate) fn outcome<T: DeserializeOwned>(run: &Run) -> Result<Outcome<T>, EngineError> {
    let cause = run.last_error().cloned().unwrap_or_else(|| {
        let message = "the record does not say why".to_owned();
        RunError::new(&run.workflow, Phase::Invoke, message, run.began_at)
    });
    Ok(match run.state {
        RunState::Done => {
            let output = run.output.as_ref().map_or("null", Json::as_str);
            let output = serde_json::from_str(output);
            Outcome::Done(output.map_err(|error| EngineError::Json {
                id: run.id.clone(),
                what: "output",
                message: error.to_string(),
            })?)
        }
        RunState::Reverted => Outcome::Reverted { cause },
        RunState::Failed => {
            let leftovers = run.leftovers().map(|step| step.name.clone()).collect();
            Outcome::Failed { cause, leftovers }
        }
        _ if run.paused_at.is_some() => Outcome::Paused { cause },
        _ => match run.resume_at {
            Some(until) => Outcome::Suspended { until, cause },
            None => Outcome::Leased {
                until: run.lease_until.unwrap_or(run.began_at),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::progress;
    use crate::{Run, RunState, Timestamp};

    #[test]
    fn a_run_that_waits_is_not_logged_as_its_state() {
        let mut run = Run {
            state: RunState::Invoking,
            resume_at: Some(Timestamp::from_millis(1_700_000_000_123)),
            ..Run::default()
        };
        assert_eq!(progress(&run), "suspended until 2023-11-14T22:13:20.123Z");
        run.paused_at = run.resume_at.take();
        assert_eq!(progress(&run), "paused");
        run.paused_at = None;
        run.state = RunState::Done;
        assert_eq!(progress(&run), "done");
    }
}
