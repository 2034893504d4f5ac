//! What a workflow does its work through.

use std::future::Future;

use futures::future::{join, join_all};

use crate::{Application, Query, RunId, Step, StepError, Workflow, execution::Execution};

/// What a [`Workflow`] calls its steps and queries through.
///
/// Once a step has failed for good, or the run is suspended or cancelled, every further call answers an error,
/// and the engine decides by what happened, not by what the workflow makes of it. So errors are passed on with
/// `?`; one that is swallowed changes nothing. A step that may fail is called with [`optional`](Self::optional).
pub struct Flow<'a, A: Application> {
    execution: &'a Execution<'a, A>,
    /// The path of the nested workflow, with a slash behind it; empty for the outermost.
    path: String,
    run: RunId,
}

impl<'a, A: Application> Flow<'a, A> {
    pub(crate) fn outermost(execution: &'a Execution<'a, A>) -> Self {
        let run = execution.ledger().run().id.clone();
        Self {
            execution,
            path: String::new(),
            run,
        }
    }

    /// The run's id; within a nested workflow that workflow's own, which is derived from its parent's.
    #[must_use]
    pub fn run_id(&self) -> &RunId {
        &self.run
    }

    /// What the workflow acts on: for making [writes](Self::alongside), not for acting.
    #[must_use]
    pub fn app(&self) -> &'a A {
        self.execution.app
    }

    /// Says that what the workflow has read shows that nothing is left to do: a run of this id is done, since the last step
    /// of such a run hands over the write that makes it so; or, of a [serial](Workflow::SERIAL) workflow, a later one has
    /// taken its place. If the workflow then returns without having called a step, nothing is recorded and the journal is
    /// not asked: a duplicate costs the read alone.
    ///
    /// An error where this run has done something already, which is overtaken then: passed on, it has that taken back.
    pub fn already_done(&self) -> Result<(), StepError> {
        if self.execution.ledger().note_done_before() {
            Ok(())
        } else {
            Err(StepError::permanent("what it did is overtaken"))
        }
    }

    /// A write to be made together with the next record of the run, which is made without it if it is refused: one that
    /// takes back what [`Workflow::given_up`] wrote, where the workflow has read that it is written.
    pub fn alongside(&self, write: A::Write) {
        self.execution.ledger().go_along(Some(write));
    }

    /// Reads. Nothing is recorded, and a run that is resumed reads again.
    pub async fn query<Q: Query<A>>(
        &self,
        query: &Q,
        input: &Q::Input,
    ) -> Result<Q::Output, StepError> {
        self.execution.query(query, input).await
    }

    /// Calls a step, under its own name.
    pub async fn step<S: Step<A>>(
        &self,
        step: &S,
        input: &S::Input,
    ) -> Result<S::Output, StepError> {
        self.step_as(S::NAME, step, input).await
    }

    /// Calls a step under another name: within one run a name stands for one call.
    pub async fn step_as<S: Step<A>>(
        &self,
        name: &str,
        step: &S,
        input: &S::Input,
    ) -> Result<S::Output, StepError> {
        let name = self.within(name);
        let output = self
            .execution
            .step((&name, &self.run), step, input, false)
            .await?;
        output.ok_or_else(StepError::interrupted)
    }

    /// Calls a step that the run can do without: if it fails for good it is taken back, and the answer is `None`.
    pub async fn optional<S: Step<A>>(
        &self,
        step: &S,
        input: &S::Input,
    ) -> Result<Option<S::Output>, StepError> {
        self.optional_as(S::NAME, step, input).await
    }

    /// Calls a step that the run can do without, under another name.
    pub async fn optional_as<S: Step<A>>(
        &self,
        name: &str,
        step: &S,
        input: &S::Input,
    ) -> Result<Option<S::Output>, StepError> {
        let name = self.within(name);
        self.execution
            .step((&name, &self.run), step, input, true)
            .await
    }

    /// Runs another workflow as a part of this one. Its steps are recorded with this run and reverted with it, under
    /// the nested workflow's own run id, `<this run>/<its name>`.
    pub async fn workflow<W: Workflow<A>>(
        &self,
        workflow: &W,
        input: &W::Input,
    ) -> Result<W::Output, StepError> {
        self.workflow_as(W::NAME, workflow, input).await
    }

    /// Runs another workflow as a part of this one, under another name.
    pub async fn workflow_as<W: Workflow<A>>(
        &self,
        name: &str,
        workflow: &W,
        input: &W::Input,
    ) -> Result<W::Output, StepError> {
        let nested = Flow {
            execution: self.execution,
            path: self.within(name) + "/",
            run: self.run.nested(name),
        };
        // Boxed, so that a workflow may run itself nested.
        let answered = Box::pin(workflow.run(&nested, input)).await;
        answered.map_err(|error| {
            if self.execution.ledger().halted().is_some() {
                return StepError::interrupted();
            }
            // The nested workflow failed by itself, not through a step.
            let name = self.within(name);
            if error.is_permanent() {
                self.execution.fail(&name, error.chain())
            } else {
                self.execution.give_up(&name, &error)
            }
        })
    }

    /// Lets two branches run side by side. Both come to an end, even if one fails, before anything is taken back.
    pub async fn parallelize<T, U>(
        &self,
        one: impl Future<Output = Result<T, StepError>> + Send,
        other: impl Future<Output = Result<U, StepError>> + Send,
    ) -> Result<(T, U), StepError> {
        let (one, other) = join(one, other).await;
        Ok((one?, other?))
    }

    /// Lets any number of branches run side by side. All come to an end, even if one fails, before anything is
    /// taken back.
    pub async fn parallelize_all<T>(
        &self,
        branches: impl IntoIterator<Item = impl Future<Output = Result<T, StepError>> + Send> + Send,
    ) -> Result<Vec<T>, StepError> {
        join_all(branches).await.into_iter().collect()
    }

    fn within(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }
}
