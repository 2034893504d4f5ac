//! Workflows, and the steps that they declare.

use std::{any::TypeId, collections::BTreeMap};

use futures::{FutureExt, future::BoxFuture};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Application, Call, Flow, Json, RetryPolicy, RunError, RunState, Step, StepError, Timestamp,
};

/// A workflow: an async function over its steps. Branches, loops and mapping are plain Rust.
///
/// It is run again from its start whenever a run is resumed; recorded steps then answer at once with what they
/// answered before. So it must do nothing by itself, only through steps, and ask nothing but through queries.
pub trait Workflow<A: Application>: Send + Sync {
    /// The workflow's name: in the journal and in logs.
    const NAME: &'static str;
    /// The definition's version. Raise it with a change that a run begun before must not be resumed with: such
    /// a run is then refused with [`EngineError::Definition`](crate::EngineError::Definition).
    const VERSION: u32 = 1;
    /// Whether a run may be followed by another of the same id that is about something else, which its input says: the
    /// next state of a thing, say, where the id names the thing.
    ///
    /// Such runs are conducted one after the other, never side by side, and each begins with what the one before has left
    /// settled: one that is still open is first taken to its end, with its own input. It is then replaced in the journal.
    /// Otherwise another input is refused as a [conflict](crate::EngineError::Conflict).
    const SERIAL: bool = false;
    /// What a run is about.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// What a run results in.
    type Output: Serialize + DeserializeOwned + Send + Sync;

    /// The steps whose compensation a run may need. It is by this list, not by running the workflow again, that
    /// a run is reverted; a step that is not in it, and has a compensation, is refused before it acts.
    fn steps(&self) -> Steps<A>;

    /// A write to be made in the transaction that gives a run up: that ends it as reverted, or as failed with something left
    /// over. If it is refused, the run ends without it. So whoever looks at what is written sees it given up exactly while
    /// it is.
    ///
    /// The input is that of the run which is given up; or, where that has something left over and so keeps another one of a
    /// [series](Self::SERIAL) from being begun, of the one that was asked for.
    ///
    /// A second write, before or after the run's end, could not do that: another worker may have begun the run afresh by
    /// then, and die, and what is marked as given up would be under way with nobody to carry on.
    fn given_up(
        &self,
        _app: &A,
        _input: &Self::Input,
        _given_up: &GivenUp<'_>,
    ) -> Option<A::Write> {
        None
    }

    /// A write to be made when a run that has failed with something left over is asked for again, before that is taken back:
    /// it takes back what [`given_up`](Self::given_up) wrote. If it is refused, the run goes on without it. A run that is
    /// begun afresh does so by itself, with [`Flow::alongside`].
    fn taken_up(&self, _app: &A, _input: &Self::Input) -> Option<A::Write> {
        None
    }

    /// The workflow itself.
    fn run(
        &self,
        flow: &Flow<'_, A>,
        input: &Self::Input,
    ) -> impl Future<Output = Result<Self::Output, StepError>> + Send;
}

/// How a run is given up.
#[derive(Clone, Copy, Debug)]
pub struct GivenUp<'a> {
    /// [Reverted](RunState::Reverted), or [failed](RunState::Failed) with something left over.
    pub state: RunState,
    /// Why.
    pub cause: &'a RunError,
    /// When.
    pub at: Timestamp,
}

/// The steps that a workflow declares, by name.
pub struct Steps<A: Application> {
    declared: BTreeMap<&'static str, Declared<A>>,
    clash: Option<&'static str>,
}

struct Declared<A> {
    type_id: TypeId,
    step: Box<dyn Compensation<A>>,
}

impl<A: Application> Steps<A> {
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
        let declared = Declared {
            type_id: TypeId::of::<S>(),
            step: Box::new(step),
        };
        self.add(S::NAME, declared);
        self
    }

    /// These, and those of a workflow that runs nested in this one.
    #[must_use]
    pub fn with_workflow<W: Workflow<A>>(mut self, workflow: &W) -> Self {
        let nested = workflow.steps();
        self.clash = self.clash.or(nested.clash);
        for (name, declared) in nested.declared {
            self.add(name, declared);
        }
        self
    }

    fn add(&mut self, name: &'static str, declared: Declared<A>) {
        let type_id = declared.type_id;
        if let Some(before) = self.declared.insert(name, declared)
            && before.type_id != type_id
        {
            self.clash = Some(name);
        }
    }

    /// A name that two different steps bear, if there is one.
    pub(crate) fn clash(&self) -> Option<&'static str> {
        self.clash
    }

    /// The step of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&dyn Compensation<A>> {
        self.declared.get(name).map(|declared| &*declared.step)
    }
}

impl<A: Application> Default for Steps<A> {
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
        call: &'a Call,
    ) -> BoxFuture<'a, Result<(), StepError>>;
}

impl<A: Application, S: Step<A>> Compensation<A> for S {
    fn retry_policy(&self) -> RetryPolicy {
        Step::retry_policy(self)
    }

    fn compensate<'a>(
        &'a self,
        app: &'a A,
        input: &'a Json,
        undo: Option<&'a Json>,
        call: &'a Call,
    ) -> BoxFuture<'a, Result<(), StepError>> {
        async move {
            let unreadable = |error: serde_json::Error| {
                StepError::permanent("what the run recorded for the step cannot be read")
                    .with_source(error)
            };
            let input: S::Input = input.parse().map_err(unreadable)?;
            let undo: Option<S::Undo> = undo.map(Json::parse).transpose().map_err(unreadable)?;
            Step::compensate(self, app, &input, undo.as_ref(), call).await
        }
        .boxed()
    }
}
