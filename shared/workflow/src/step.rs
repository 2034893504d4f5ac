//! Steps and queries: the pieces that a workflow is made of.

use std::{any::TypeId, collections::BTreeMap};

use futures::{FutureExt, future::BoxFuture};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Json, RetryPolicy, RunId, StepError, Timestamp};

/// A reversible step: an action, and the compensation that undoes it.
///
/// The journal holds the intent before the step acts, so whatever becomes of it is compensated. A step without a
/// compensation does not compile:
///
/// ```compile_fail,E0046
/// use workflow::{Call, Step, StepResponse, StepResult};
///
/// struct Charge;
///
/// impl Step<()> for Charge {
///     const NAME: &'static str = "charge";
///     type Input = u32;
///     type Output = ();
///     type Undo = ();
///
///     async fn invoke(&self, (): &(), _: &u32, _: &Call) -> StepResult<Self, ()> {
///         Ok(StepResponse::new(()))
///     }
/// }
/// ```
///
/// The author's obligations:
///
/// - **The action is idempotent.** After a crash or an unanswered call it is invoked again, with the same input and the
///   same [`Call::idempotency_key`].
/// - **The compensation tolerates absence**, and is idempotent too. It runs for steps that succeeded, for the one that
///   failed, and for those whose outcome is unknown; then `undo` is `None` and there may be nothing to undo. Where the
///   other side knows the action only by its key, [`Call::invocation_keys`] has it.
/// - **An unanswered call has no late effect.** The engine drops an attempt's future at its time-out. A request that is
///   still under way then must take effect within [`EngineConfig::lease_margin`](crate::EngineConfig::lease_margin), or
///   never.
pub trait Step<A: Send + Sync + 'static>: Send + Sync + 'static {
    /// The step's name in the journal, in logs and in idempotency keys. Changing it changes the workflow's definition.
    const NAME: &'static str;
    /// What it works on. It is recorded with the intent, and every attempt gets it as it was recorded.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// What it gives to the workflow.
    type Output: Serialize + DeserializeOwned + Send + Sync;
    /// What its compensation needs besides the input.
    type Undo: Serialize + DeserializeOwned + Send + Sync;

    /// How the action and the compensation are retried.
    fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy::default()
    }

    /// Acts.
    fn invoke(
        &self,
        app: &A,
        input: &Self::Input,
        call: &Call,
    ) -> impl Future<Output = StepResult<Self, A>> + Send;

    /// Undoes what [`invoke`](Self::invoke) did, or may have done. `undo` comes from its response; it is `None` where
    /// the outcome is unknown or the response had none.
    fn compensate(
        &self,
        app: &A,
        input: &Self::Input,
        undo: Option<&Self::Undo>,
        call: &Call,
    ) -> impl Future<Output = Result<(), StepError>> + Send;
}

/// The result of a reversible step's action.
pub type StepResult<S, A> = Result<StepResponse<S, A>, StepError>;

/// The response of a step that succeeded: its output, and what its compensation needs.
pub struct StepResponse<S: Step<A> + ?Sized, A: Send + Sync + 'static> {
    output: S::Output,
    undo: Option<S::Undo>,
}

impl<S: Step<A> + ?Sized, A: Send + Sync + 'static> StepResponse<S, A> {
    /// The step succeeded with this output.
    pub fn new(output: S::Output) -> Self {
        Self { output, undo: None }
    }

    /// What the compensation gets as `undo`.
    #[must_use]
    pub fn undo(mut self, undo: S::Undo) -> Self {
        self.undo = Some(undo);
        self
    }
}

/// A step that nothing undoes, such as an e-mail. Put it after the steps that may fail: where the run is reverted, its
/// effect stands.
///
/// Its action is idempotent, like a reversible step's.
pub trait IrreversibleStep<A: Send + Sync + 'static>: Send + Sync + 'static {
    /// The step's name in the journal, in logs and in idempotency keys. Changing it changes the workflow's definition.
    const NAME: &'static str;
    /// What it works on. It is recorded with the intent, and every attempt gets it as it was recorded.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// What it gives to the workflow.
    type Output: Serialize + DeserializeOwned + Send + Sync;

    /// How the action is retried.
    fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy::default()
    }

    /// Acts.
    fn invoke(
        &self,
        app: &A,
        input: &Self::Input,
        call: &Call,
    ) -> impl Future<Output = Result<Self::Output, StepError>> + Send;
}

/// A read: it changes nothing, is not recorded, and is made again when a run is resumed.
///
/// A step that depends on what was read gets it in its input, which is recorded: so it is the same after a resumption.
pub trait Query<A: Send + Sync + 'static>: Send + Sync {
    /// The query's name in logs and errors.
    const NAME: &'static str;
    /// What it asks for.
    type Input: Sync + ?Sized;
    /// What it answers.
    type Output: Send;

    /// How it is retried.
    fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy::default()
    }

    /// Reads.
    fn fetch(
        &self,
        app: &A,
        input: &Self::Input,
    ) -> impl Future<Output = Result<Self::Output, StepError>> + Send;
}

/// One attempt at a step or at its compensation.
#[derive(Clone, Debug)]
pub struct Call {
    /// The run; within a nested workflow, that workflow's own id.
    pub run: RunId,
    /// The step's name within the run.
    pub step: String,
    /// Pass this on to the other side, so that it recognises a repetition. It is recorded before it is used and stays
    /// the same until a call under it is answered. No other request, of this run or of any other, has the same key.
    pub idempotency_key: String,
    /// For a compensation: all keys under which the step may have been invoked in this attempt of the run, newest first.
    pub invocation_keys: Vec<String>,
    /// Until when an earlier call under this key, which was not answered, may still take effect; none where none may. Until then
    /// make the same request or none.
    pub unsettled_until: Option<Timestamp>,
    /// Which attempt this is, counted from 1 over all executions of the run. What an earlier one did may be unknown.
    pub attempt: u32,
    /// When the run began, or was taken up again after a pause.
    pub run_since: Timestamp,
    /// When the attempt is made.
    pub now: Timestamp,
    /// When the engine ends the attempt.
    pub deadline: Timestamp,
}

/// The steps that a workflow declares, by name.
pub struct Steps<A> {
    declared: BTreeMap<&'static str, (TypeId, Box<dyn Compensation<A>>)>,
    clash: Option<&'static str>,
}

impl<A: Send + Sync + 'static> Steps<A> {
    /// No steps.
    #[must_use]
    pub fn new() -> Self {
        Self {
            declared: BTreeMap::new(),
            clash: None,
        }
    }

    /// These, and `step`.
    #[must_use]
    pub fn with<S: Step<A>>(mut self, step: S) -> Self {
        self.add(S::NAME, (TypeId::of::<S>(), Box::new(step)));
        self
    }

    /// These, and those of a nested workflow.
    #[must_use]
    pub fn with_all(mut self, nested: Self) -> Self {
        self.clash = self.clash.or(nested.clash);
        for (name, declared) in nested.declared {
            self.add(name, declared);
        }
        self
    }

    fn add(&mut self, name: &'static str, declared: (TypeId, Box<dyn Compensation<A>>)) {
        let type_id = declared.0;
        let before = self.declared.insert(name, declared);
        if before.is_some_and(|(before, _)| before != type_id) {
            self.clash = Some(name);
        }
    }

    /// A name that two different steps have.
    pub(crate) const fn clash(&self) -> Option<&'static str> {
        self.clash
    }

    /// The compensation of the step of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&dyn Compensation<A>> {
        self.declared.get(name).map(|(_, step)| &**step)
    }
}

impl<A: Send + Sync + 'static> Default for Steps<A> {
    fn default() -> Self {
        Self::new()
    }
}

/// The half of a step that reverting needs, with its types erased.
pub(crate) trait Compensation<A>: Send + Sync {
    fn retry_policy(&self) -> RetryPolicy;

    fn compensate<'a>(
        &'a self,
        app: &'a A,
        input: &'a Json,
        undo: Option<&'a Json>,
        call: Call,
    ) -> BoxFuture<'a, Result<(), StepError>>;
}

impl<A: Send + Sync + 'static, S: Step<A>> Compensation<A> for S {
    fn retry_policy(&self) -> RetryPolicy {
        Step::retry_policy(self)
    }

    fn compensate<'a>(
        &'a self,
        app: &'a A,
        input: &'a Json,
        undo: Option<&'a Json>,
        call: Call,
    ) -> BoxFuture<'a, Result<(), StepError>> {
        async move {
            let unreadable = |error: serde_json::Error| {
                StepError::permanent("the step's record does not match its types")
                    .with_source(error)
            };
            let input: S::Input = input.parse().map_err(unreadable)?;
            let undo: Option<S::Undo> = undo.map(Json::parse).transpose().map_err(unreadable)?;
            Step::compensate(self, app, &input, undo.as_ref(), &call).await
        }
        .boxed()
    }
}

/// The half of a step that a workflow calls, whether it is reversible or not.
pub trait Action<A>: Send + Sync {
    #[doc(hidden)]
    const NAME: &'static str;
    #[doc(hidden)]
    const IRREVERSIBLE: bool;
    #[doc(hidden)]
    type Input: Serialize + DeserializeOwned + Send + Sync;
    #[doc(hidden)]
    type Output: Serialize + DeserializeOwned + Send + Sync;

    #[doc(hidden)]
    fn retry_policy(&self) -> RetryPolicy;

    /// Acts; answers the output, and what the compensation needs.
    #[doc(hidden)]
    fn invoke(
        &self,
        app: &A,
        input: &Self::Input,
        call: Call,
    ) -> impl Future<Output = Result<(Self::Output, Option<Json>), StepError>> + Send;
}

/// A reversible step, as an action.
#[derive(Debug)]
pub struct Reversible<'a, S>(pub(crate) &'a S);

/// An irreversible step, as an action.
#[derive(Debug)]
pub struct Irreversible<'a, S>(pub(crate) &'a S);

impl<A: Send + Sync + 'static, S: Step<A>> Action<A> for Reversible<'_, S> {
    const NAME: &'static str = S::NAME;
    const IRREVERSIBLE: bool = false;
    type Input = S::Input;
    type Output = S::Output;

    fn retry_policy(&self) -> RetryPolicy {
        Step::retry_policy(self.0)
    }

    async fn invoke(
        &self,
        app: &A,
        input: &S::Input,
        call: Call,
    ) -> Result<(S::Output, Option<Json>), StepError> {
        let StepResponse { output, undo } = self.0.invoke(app, input, &call).await?;
        let undo = undo.as_ref().map(Json::of).transpose().map_err(|error| {
            StepError::permanent("its undo cannot be written as JSON").with_source(error)
        })?;
        Ok((output, undo))
    }
}

impl<A: Send + Sync + 'static, S: IrreversibleStep<A>> Action<A> for Irreversible<'_, S> {
    const NAME: &'static str = S::NAME;
    const IRREVERSIBLE: bool = true;
    type Input = S::Input;
    type Output = S::Output;

    fn retry_policy(&self) -> RetryPolicy {
        self.0.retry_policy()
    }

    async fn invoke(
        &self,
        app: &A,
        input: &S::Input,
        call: Call,
    ) -> Result<(S::Output, Option<Json>), StepError> {
        let output = self.0.invoke(app, input, &call).await?;
        Ok((output, None))
    }
}
