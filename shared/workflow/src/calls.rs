//! What a workflow calls: queries and steps, and the steps' compensations.

use futures::{FutureExt, future::join_all};
use serde::de::DeserializeOwned;

use crate::{
    Json, Phase, Query, RunId, StepError, StepRecord, StepState, Steps,
    attempts::{CallOutcome, NO_TIME, Task},
    execution::{Execution, Halted},
    ledger::{
        Halt,
        steps::{StepCall, StepEntry},
    },
    step::Action,
};

/// An execution, with what its steps act on.
pub(crate) struct Calls<'a, A> {
    pub(crate) execution: Execution<'a>,
    app: &'a A,
    steps: &'a Steps<A>,
}

impl<'a, A: Send + Sync + 'static> Calls<'a, A> {
    pub(crate) const fn new(execution: Execution<'a>, app: &'a A, steps: &'a Steps<A>) -> Self {
        Self {
            execution,
            app,
            steps,
        }
    }

    /// Reads.
    pub(crate) async fn read<Q: Query<A>>(
        &self,
        run: &RunId,
        query: &Q,
        input: &Q::Input,
    ) -> Result<Q::Output, StepError> {
        let Self { execution, app, .. } = self;
        execution.check()?;
        // What is read must not be changed any more by an earlier call.
        execution.settle_calls().await?;
        let task = Task {
            run,
            name: Q::NAME,
            step: Q::NAME,
            during: Phase::Invoke,
            index: None,
        };
        let policy = query.retry_policy();
        let fetch = |_| query.fetch(app, input).boxed();
        match execution.attempts(task, policy, fetch).await {
            CallOutcome::Success(output) => Ok(output),
            CallOutcome::Failure(message) => Err(execution.fail(Q::NAME, message)),
            CallOutcome::Exhaustion(error) => Err(execution.suspend(Q::NAME, &error)),
            CallOutcome::Halt(halted) => Err(halted.into()),
        }
    }

    /// Calls a step: invokes it, unless it has answered before. None: it was optional, failed, and is undone.
    pub(crate) async fn step<X: Action<A>>(
        &self,
        name: &str,
        run: &RunId,
        action: &X,
        given: &X::Input,
        optional: bool,
    ) -> Result<Option<X::Output>, StepError> {
        let Self { execution, app, .. } = self;
        execution.check()?;
        if !X::IRREVERSIBLE && self.steps.get(X::NAME).is_none() {
            return Err(execution.misfit(undeclared(X::NAME)));
        }
        let json = match Json::of(given) {
            Ok(json) => json,
            Err(error) => {
                let message = format!("its input cannot be written as JSON: {error}");
                return Err(execution.fail(name, message));
            }
        };
        let is_pending = execution.ledger().is_pending(name);
        if is_pending {
            // Without time for an attempt the step is not begun: it would count as one that may have acted.
            execution.settle_calls().await?;
            execution.check()?;
            if execution.now() >= execution.last_moment() {
                return Err(execution.suspend(name, &StepError::transient(NO_TIME)));
            }
        }
        let call = StepCall {
            name,
            step: X::NAME,
            irreversible: X::IRREVERSIBLE,
            optional,
            now: execution.now(),
        };
        let journal = &*execution.runtime.journal;
        let entry = execution.ledger().enter(call, &json, journal);
        let (index, recorded) = match entry {
            StepEntry::Invoke { index, input } => (index, input),
            StepEntry::Done(output) => return self.recorded(name, &output).map(Some),
            StepEntry::Skipped => return Ok(None),
            StepEntry::Unwanted { index } => return self.skip(index).await.map(|()| None),
            StepEntry::Failed => {
                let message = "it failed for good before".to_owned();
                return Err(execution.fail(name, message));
            }
            StepEntry::TooLarge { size } => {
                let most = journal.max_size();
                let message =
                    format!("the record of the run would take {size} of at most {most} bytes");
                return Err(execution.fail(name, message));
            }
            StepEntry::Repeated => {
                let reason = format!("step {name} is called twice; name one of the calls");
                return Err(execution.misfit(reason));
            }
            StepEntry::Mismatch(reason) => return Err(execution.misfit(reason)),
        };
        // An earlier execution may have acted on what it recorded, so that is what counts.
        let recorded: Option<X::Input> = if recorded == json {
            None
        } else {
            Some(self.recorded(name, &recorded)?)
        };
        let input = recorded.as_ref().unwrap_or(given);
        // The intent, with the input and the key, before the step acts:
        //
        // we:      step acts ─► crash before it is recorded
        // another:                                          ─► finds nothing to undo, or calls with another input
        execution.persist().await?;
        execution.check()?;

        let task = Task {
            run,
            name,
            step: X::NAME,
            during: Phase::Invoke,
            index: Some(index),
        };
        let invoke = |call| action.invoke(app, input, call).boxed();
        let outcome = execution.attempts(task, action.retry_policy(), invoke);
        let message = match outcome.await {
            CallOutcome::Success((output, undo)) => match self.complete(index, &output, undo) {
                Ok(()) => return Ok(Some(output)),
                Err(message) => message,
            },
            CallOutcome::Failure(message) => message,
            CallOutcome::Exhaustion(error) => return Err(execution.suspend(name, &error)),
            CallOutcome::Halt(halted) => return Err(halted.into()),
        };
        execution.ledger().set_step(index, StepState::Failed);
        if !optional {
            return Err(execution.fail(name, message));
        }
        execution.note_error(name, Phase::Invoke, message);
        self.skip(index).await.map(|()| None)
    }

    /// Notes what a step answered. Where it cannot be kept, answers why: the step has failed.
    fn complete<T: serde::Serialize>(
        &self,
        index: usize,
        output: &T,
        undo: Option<Json>,
    ) -> Result<(), String> {
        let output = Json::of(output)
            .map_err(|error| format!("its output cannot be written as JSON: {error}"))?;
        let journal = &*self.execution.runtime.journal;
        let completed = self
            .execution
            .ledger()
            .complete(index, output, undo, journal);
        completed.map_err(|size| {
            format!("with its output, the record of the run would take {size} bytes")
        })
    }

    /// Goes on without an optional step that failed, once it is undone.
    async fn skip(&self, index: usize) -> Result<(), StepError> {
        let execution = &self.execution;
        let Some(StepRecord {
            name, irreversible, ..
        }) = self.record(index)
        else {
            return Ok(());
        };
        if !irreversible {
            // The journal must know that the step has failed before it is undone:
            //
            // we:      step fails ─► undone ─► crash
            // another:                               ─► finds the step begun, and invokes it again
            execution.persist().await?;
            match self.compensate(index).await {
                CallOutcome::Success(()) => {}
                CallOutcome::Failure(message) => {
                    let message = format!("it could not be undone: {message}");
                    return Err(execution.fail(&name, message));
                }
                CallOutcome::Exhaustion(error) => return Err(execution.suspend(&name, &error)),
                CallOutcome::Halt(halted) => return Err(halted.into()),
            }
        }
        execution.ledger().set_step(index, StepState::Skipped);
        Ok(())
    }

    /// Undoes everything, newest first; or halts.
    ///
    /// That the run is being reverted is written before the first compensation:
    ///
    /// ```text
    /// we:      step acts ─► fails for good ─► undone ─► crash
    /// another:                                                ─► finds the step begun, and invokes it again
    /// ```
    ///
    /// Under its key the other side would answer that this was done before, and the run would be done without its effect.
    pub(crate) async fn revert(&self) -> Result<(), Halted> {
        let execution = &self.execution;
        if !execution.ledger().next_to_compensate().is_empty() {
            execution.persist().await?;
        }
        loop {
            let next = execution.ledger().next_to_compensate();
            if next.is_empty() {
                break;
            }
            join_all(next.into_iter().map(|index| self.undo(index))).await;
            execution.check()?;
        }
        execution.settle_calls().await?;
        execution.ledger().end_reverting();
        execution.persist().await
    }

    async fn undo(&self, index: usize) {
        let execution = &self.execution;
        let name = self.record(index).map(|step| step.name).unwrap_or_default();
        let state = match self.compensate(index).await {
            CallOutcome::Success(()) => StepState::Reverted,
            CallOutcome::Failure(message) => {
                execution.note_error(&name, Phase::Compensate, message);
                StepState::CompensationFailed
            }
            CallOutcome::Exhaustion(error) => {
                execution.suspend(&name, &error);
                return;
            }
            CallOutcome::Halt(Halted) => return,
        };
        execution.ledger().set_step(index, state);
    }

    /// Calls a step's compensation.
    async fn compensate(&self, index: usize) -> CallOutcome<()> {
        let Self { execution, app, .. } = self;
        let Some(record) = self.record(index) else {
            return CallOutcome::Success(());
        };
        let Some(step) = self.steps.get(record.declared()) else {
            let reason = undeclared(record.declared());
            execution.ledger().halt(Halt::Definition(reason));
            return CallOutcome::Halt(Halted);
        };
        if let Err(halted) = execution.settle_calls().await {
            return CallOutcome::Halt(halted);
        }
        let run = execution.ledger().run().id.clone();
        let task = Task {
            run: &run,
            name: &record.name,
            step: record.declared(),
            during: Phase::Compensate,
            index: Some(index),
        };
        let (input, undo) = (&record.input, record.undo.as_ref());
        let attempt = |call| step.compensate(app, input, undo, call);
        execution.attempts(task, step.retry_policy(), attempt).await
    }

    fn record(&self, index: usize) -> Option<StepRecord> {
        self.execution.ledger().step(index).cloned()
    }

    /// A recorded value, as a value of the code's type.
    fn recorded<T: DeserializeOwned>(&self, name: &str, json: &Json) -> Result<T, StepError> {
        json.parse().map_err(|error| {
            let reason = format!("the record of step {name} cannot be read: {error}");
            self.execution.misfit(reason)
        })
    }
}

fn undeclared(step: &str) -> String {
    format!("the workflow does not declare step {step}")
}
