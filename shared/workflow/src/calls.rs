//! What a workflow calls: queries and steps, and the steps' compensations.

use futures::FutureExt;
use serde::de::DeserializeOwned;

use crate::{
    Application, Effect, Json, Phase, Query, RunId, Step, StepError, StepRecord, StepResponse,
    StepState,
    attempts::{Task, Tried, given_up},
    execution::Execution,
    ledger::{Called, Entered},
};

impl<A: Application> Execution<'_, A> {
    /// Reads.
    pub(crate) async fn query<Q: Query<A>>(
        &self,
        query: &Q,
        input: &Q::Input,
    ) -> Result<Q::Output, StepError> {
        self.check()?;
        let task = Task {
            name: Q::NAME,
            step: Q::NAME,
            during: Phase::Invoke,
            index: None,
        };
        let tried = self.attempts(task, query.retry_policy(), |_| {
            query.fetch(self.app, input).boxed()
        });
        match tried.await {
            Tried::Succeeded(output) => Ok(output),
            Tried::Failed(message) => Err(self.fail(Q::NAME, message)),
            Tried::GaveUp(error) => Err(self.give_up(Q::NAME, &error)),
        }
    }

    /// Calls a step: invokes it, unless it has answered before. None means that it was optional and is given up.
    pub(crate) async fn step<S: Step<A>>(
        &self,
        (name, run): (&str, &RunId),
        step: &S,
        given: &S::Input,
        optional: bool,
    ) -> Result<Option<S::Output>, StepError> {
        self.check()?;
        let compensated = S::EFFECT == Effect::Compensated;
        if compensated && self.steps.get(S::NAME).is_none() {
            return Err(self.fail(
                name,
                format!(
                    "step {} is not among those that the workflow declares",
                    S::NAME
                ),
            ));
        }
        let json = match Json::of(given) {
            Ok(json) => json,
            Err(error) => {
                return Err(self.fail(
                    name,
                    format!("its input cannot be written as JSON: {error}"),
                ));
            }
        };
        let called = Called {
            name,
            step: S::NAME,
            compensated,
            optional,
        };
        let entered = self
            .ledger()
            .enter(called, json.clone(), self.now(), &*self.engine.journal);
        let (index, recorded) = match entered {
            Entered::Invoke { index, input } => (index, input),
            Entered::Done(output) => return self.recorded(name, &output).map(Some),
            Entered::Skipped => return Ok(None),
            Entered::GivenUp { index } => return self.skip(index).await.map(|()| None),
            Entered::Failed => return Err(self.fail(name, "it failed for good before".to_owned())),
            Entered::TooLarge { size, most } => {
                let message =
                    format!("the record of the run would take {size} of at most {most} bytes");
                return Err(self.fail(name, message));
            }
            Entered::Repeated => {
                let message =
                    "a step of that name has been called already: give each its own with step_as";
                return Err(self.fail(name, message.to_owned()));
            }
            Entered::Misfit(reason) => return Err(self.misfit(reason)),
        };
        // What an earlier execution recorded may have acted already: it is what counts.
        let recorded: Option<S::Input> = if recorded == json {
            None
        } else {
            Some(self.recorded(name, &recorded)?)
        };
        let input = recorded.as_ref().unwrap_or(given);

        let is_begun = self.ledger().is_begun();
        let needs_intent = match S::EFFECT {
            Effect::Compensated => true,
            // It may act twice, but not beside another worker: the lease must stand first.
            Effect::Kept => !is_begun,
            Effect::Journalled => false,
        };
        if needs_intent {
            self.persist().await?;
            self.check()?;
        }
        let task = Task {
            name,
            step: S::NAME,
            during: Phase::Invoke,
            index: Some(index),
        };
        let tried = self.attempts(task, step.retry_policy(), |attempt| {
            let call = self.call(run, name, attempt, Phase::Invoke);
            async move { step.invoke(self.app, input, &call).await }.boxed()
        });
        let failed = match tried.await {
            Tried::Succeeded(response) => match self.complete(index, response) {
                Ok(output) => return Ok(Some(output)),
                Err(message) => message,
            },
            Tried::Failed(message) => message,
            Tried::GaveUp(error) if self.last_chance => given_up(&error),
            Tried::GaveUp(error) => return Err(self.give_up(name, &error)),
        };
        self.ledger().set_step(index, StepState::Failed, self.now());
        if !optional {
            return Err(self.fail(name, failed));
        }
        self.note_error(name, Phase::Invoke, failed);
        self.skip(index).await.map(|()| None)
    }

    /// Notes what a step has answered; or answers why that cannot be kept, which makes it a failure.
    fn complete<S: Step<A>>(
        &self,
        index: usize,
        response: StepResponse<S, A>,
    ) -> Result<S::Output, String> {
        let StepResponse {
            output,
            undo,
            writes,
        } = response;
        let undo = undo.as_ref().map(Json::of).transpose();
        let json = Json::of(&output).and_then(|output| Ok((output, undo?)));
        let json =
            json.map_err(|error| format!("its answer cannot be written as JSON: {error}"))?;
        let noted = self
            .ledger()
            .complete(index, json, writes, self.now(), &*self.engine.journal);
        match noted {
            Ok(()) => Ok(output),
            Err(size) => Err(format!(
                "with its answer, the record of the run would take {size} bytes"
            )),
        }
    }

    /// Goes on without an optional step that failed, once it is taken back.
    async fn skip(&self, index: usize) -> Result<(), StepError> {
        let Some(StepRecord {
            name, compensated, ..
        }) = self.step_record(index)
        else {
            return Ok(());
        };
        if compensated {
            // The journal must know that the step has failed before it is taken back: an execution that takes over
            // would invoke it again otherwise, with an idempotency key that has been used up.
            self.persist().await?;
            match self.compensate(index).await {
                Tried::Succeeded(()) => {}
                Tried::Failed(message) => {
                    return Err(self.fail(&name, format!("it could not be taken back: {message}")));
                }
                Tried::GaveUp(error) => return Err(self.give_up(&name, &error)),
            }
        }
        self.ledger()
            .set_step(index, StepState::Skipped, self.now());
        Ok(())
    }

    /// Takes a step back.
    pub(crate) async fn compensate(&self, index: usize) -> Tried<()> {
        let Some(record) = self.step_record(index) else {
            return Tried::Succeeded(());
        };
        let Some(compensation) = self.steps.get(&record.step) else {
            return Tried::Failed(format!(
                "step {} is not among those that the workflow declares",
                record.step
            ));
        };
        let StepRecord {
            name,
            step,
            input,
            undo,
            ..
        } = &record;
        let run = self.ledger().run().id.clone();
        let task = Task {
            name,
            step,
            during: Phase::Compensate,
            index: Some(index),
        };
        let tried = self.attempts(task, compensation.retry_policy(), |attempt| {
            let call = self.call(&run, name, attempt, Phase::Compensate);
            async move {
                compensation
                    .compensate(self.app, input, undo.as_ref(), &call)
                    .await
            }
            .boxed()
        });
        tried.await
    }

    fn step_record(&self, index: usize) -> Option<StepRecord> {
        self.ledger().step(index).cloned()
    }

    /// What the run recorded, as a value of the code's type.
    fn recorded<T: DeserializeOwned>(&self, name: &str, json: &Json) -> Result<T, StepError> {
        json.parse().map_err(|error| {
            self.misfit(format!(
                "what is recorded of step {name} cannot be read: {error}"
            ))
        })
    }
}
