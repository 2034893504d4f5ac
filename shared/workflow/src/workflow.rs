//! Workflows, and the flow through which they do their work.

use std::future::IntoFuture;

use futures::{
    FutureExt,
    future::{BoxFuture, join, join_all},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    IrreversibleStep, Query, RunId, Step, StepError, Steps, Timestamp,
    calls::Calls,
    step::{Action, Irreversible, Reversible},
};

/// A workflow: an async function over its steps. Branches, loops and mapping are plain Rust.
///
/// It runs again from its start whenever a run is resumed; recorded steps then answer at once with what they answered
/// before. So it acts only through steps and reads only through queries.
pub trait Workflow<A: Send + Sync + 'static>: Send + Sync {
    /// The workflow's name in the journal and in logs.
    const NAME: &'static str;
    /// The definition's version. Raise it with a change that a run begun before must not be resumed with; such a run is
    /// then refused with [`EngineError::Definition`](crate::EngineError::Definition).
    const VERSION: u32 = 1;
    /// What a run is about.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// What a run results in.
    type Output: Serialize + DeserializeOwned + Send + Sync;

    /// The reversible steps that the workflow calls. A run is reverted by this list, without running the workflow.
    ///
    /// Two different steps of one name are refused before the run begins. A call of a reversible step that is missing
    /// here is refused as [`EngineError::Definition`](crate::EngineError::Definition) before that step acts; steps that
    /// the workflow called before it have acted by then, and the run stays open for a version that declares the step.
    fn steps(&self) -> Steps<A>;

    /// The workflow itself.
    fn run(
        &self,
        flow: &Flow<'_, A>,
        input: &Self::Input,
    ) -> impl Future<Output = Result<Self::Output, StepError>> + Send;
}

/// How a [`Workflow`] calls its steps and queries.
///
/// Once a step has failed for good, or the run is suspended or cancelled, every further call answers an error, and the
/// engine decides by what happened, not by what the workflow makes of it. So pass errors on with `?`; swallowing one
/// changes nothing. Call a step that may fail with [`optional`](StepCall::optional).
pub struct Flow<'a, A> {
    calls: &'a Calls<'a, A>,
    /// The path of the nested workflow, with a slash behind it; empty for the outermost.
    path: String,
    run: RunId,
}

impl<'a, A: Send + Sync + 'static> Flow<'a, A> {
    pub(crate) fn new(calls: &'a Calls<'a, A>) -> Self {
        let run = calls.execution.ledger().run().id.clone();
        let path = String::new();
        Self { calls, path, run }
    }

    /// The run's id; within a nested workflow that workflow's own, `<its parent's>/<its name>`.
    #[must_use]
    pub const fn run_id(&self) -> &RunId {
        &self.run
    }

    /// When this attempt of the run began: the same in each resumption.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.calls.execution.ledger().run().began_at
    }

    /// Reads. Nothing is recorded, and a run that is resumed reads again.
    pub async fn read<Q: Query<A>>(
        &self,
        query: &Q,
        input: &Q::Input,
    ) -> Result<Q::Output, StepError> {
        self.calls.read(&self.run, query, input).await
    }

    /// Calls a reversible step.
    pub fn step<'f, S: Step<A>>(
        &'f self,
        step: &'f S,
        input: &'f S::Input,
    ) -> StepCall<'f, A, Reversible<'f, S>> {
        self.call(Reversible(step), input)
    }

    /// Calls an irreversible step.
    pub fn irreversible_step<'f, S: IrreversibleStep<A>>(
        &'f self,
        step: &'f S,
        input: &'f S::Input,
    ) -> StepCall<'f, A, Irreversible<'f, S>> {
        self.call(Irreversible(step), input)
    }

    fn call<'f, X: Action<A>>(&'f self, action: X, input: &'f X::Input) -> StepCall<'f, A, X> {
        StepCall {
            flow: self,
            name: X::NAME.to_owned(),
            action,
            input,
        }
    }

    /// Runs another workflow as a part of this one. Its steps are recorded with this run and reverted with it, under a
    /// run id of their own. Declare them with [`Steps::with_all`].
    pub fn workflow<'f, W: Workflow<A>>(
        &'f self,
        workflow: &'f W,
        input: &'f W::Input,
    ) -> WorkflowCall<'f, A, W> {
        WorkflowCall {
            flow: self,
            name: W::NAME.to_owned(),
            workflow,
            input,
        }
    }

    /// Lets two branches run side by side. Both come to an end, even if one fails, before anything is undone.
    pub async fn parallelize<T, U>(
        &self,
        one: impl IntoFuture<Output = Result<T, StepError>, IntoFuture: Send> + Send,
        other: impl IntoFuture<Output = Result<U, StepError>, IntoFuture: Send> + Send,
    ) -> Result<(T, U), StepError> {
        let (one, other) = join(one.into_future(), other.into_future()).await;
        Ok((one?, other?))
    }

    /// Lets any number of branches run side by side. All come to an end, even if one fails, before anything is undone.
    pub async fn parallelize_all<T, I>(&self, branches: I) -> Result<Vec<T>, StepError>
    where
        I: IntoIterator<Item: IntoFuture<Output = Result<T, StepError>, IntoFuture: Send>> + Send,
    {
        let branches = branches.into_iter().map(IntoFuture::into_future);
        join_all(branches).await.into_iter().collect()
    }
}

/// A call of a step; awaiting it makes the call.
#[must_use = "a call does nothing until it is awaited"]
pub struct StepCall<'f, A, X: Action<A>> {
    flow: &'f Flow<'f, A>,
    name: String,
    action: X,
    input: &'f X::Input,
}

impl<'f, A: Send + Sync + 'static, X: Action<A>> StepCall<'f, A, X> {
    /// Gives the call a name of its own. Within one run a name stands for one call.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The run can do without the step: if it fails for good it is undone, and the output is `None`.
    pub const fn optional(self) -> OptionalStepCall<'f, A, X> {
        OptionalStepCall(self)
    }

    async fn make(self, optional: bool) -> Result<Option<X::Output>, StepError> {
        let Self {
            flow,
            name,
            action,
            input,
        } = self;
        let name = flow.path.clone() + &name;
        let call = flow.calls.step(&name, &flow.run, &action, input, optional);
        call.await
    }
}

impl<'f, A: Send + Sync + 'static, X: Action<A> + 'f> IntoFuture for StepCall<'f, A, X> {
    type Output = Result<X::Output, StepError>;
    type IntoFuture = BoxFuture<'f, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async { self.make(false).await?.ok_or_else(StepError::interrupted) }.boxed()
    }
}

/// A call of a step that the run can do without; awaiting it makes the call.
#[must_use = "a call does nothing until it is awaited"]
pub struct OptionalStepCall<'f, A, X: Action<A>>(StepCall<'f, A, X>);

impl<A: Send + Sync + 'static, X: Action<A>> OptionalStepCall<'_, A, X> {
    /// Gives the call a name of its own. Within one run a name stands for one call.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self(self.0.named(name))
    }
}

impl<'f, A: Send + Sync + 'static, X: Action<A> + 'f> IntoFuture for OptionalStepCall<'f, A, X> {
    type Output = Result<Option<X::Output>, StepError>;
    type IntoFuture = BoxFuture<'f, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.0.make(true).boxed()
    }
}

/// A call of a nested workflow; awaiting it makes the call.
#[must_use = "a call does nothing until it is awaited"]
pub struct WorkflowCall<'f, A, W: Workflow<A>>
where
    A: Send + Sync + 'static,
{
    flow: &'f Flow<'f, A>,
    name: String,
    workflow: &'f W,
    input: &'f W::Input,
}

impl<A: Send + Sync + 'static, W: Workflow<A>> WorkflowCall<'_, A, W> {
    /// Gives the call a name of its own. Within one run a name stands for one call.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    async fn make(self) -> Result<W::Output, StepError> {
        let parent = self.flow;
        let name = parent.path.clone() + &self.name;
        let nested = Flow {
            calls: parent.calls,
            run: parent.run.nested(&self.name),
            path: name.clone() + "/",
        };
        let execution = &parent.calls.execution;
        self.workflow
            .run(&nested, self.input)
            .await
            .map_err(|error| {
                if execution.check().is_err() {
                    return StepError::interrupted();
                }
                // The nested workflow failed by itself, not through a step.
                if error.is_permanent() {
                    execution.fail(&name, error.chain())
                } else {
                    execution.suspend(&name, &error)
                }
            })
    }
}

impl<'f, A: Send + Sync + 'static, W: Workflow<A>> IntoFuture for WorkflowCall<'f, A, W> {
    type Output = Result<W::Output, StepError>;
    type IntoFuture = BoxFuture<'f, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.make().boxed()
    }
}
