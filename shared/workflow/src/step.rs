//! Steps and queries: the pieces that a workflow is made of.

use serde::{Serialize, de::DeserializeOwned};

use crate::{Application, RetryPolicy, RunId, StepError, Timestamp};

/// What a step's action leaves in the world, and so what the engine records before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It acts on something outside, and [`Step::compensate`] takes that back. The journal holds the intent
    /// before the step acts, so that whatever becomes of it is compensated.
    Compensated,
    /// It acts on something outside and nothing takes that back (an e-mail). It may happen again after a crash,
    /// with the same idempotency key.
    Kept,
    /// It acts only through the [writes it hands over](StepResponse::write), or not at all (it computes, or
    /// reads what the rest of the run must not see change). It needs neither intent nor compensation.
    Journalled,
}

/// A step: an action, and the compensation that takes it back.
///
/// What its author owes the engine:
///
/// - **The action is idempotent.** After a crash, a time-out or a lost reply it is invoked again with the same
///   input and the same [`Call::idempotency_key`].
/// - **The compensation tolerates absence**, and is idempotent too. It is called for steps that succeeded, for
///   the one that failed, and for those whose outcome is unknown; then `undo` is `None` and there may be
///   nothing to take back.
/// - **An action that has been ended has no later effect.** The engine drops an attempt's future at its
///   time-out; a request that is still under way then must take effect within
///   [`EngineConfig::lease_margin`](crate::EngineConfig::lease_margin), or not at all.
pub trait Step<A: Application>: Send + Sync + 'static {
    /// The step's name: in the journal, in logs and in idempotency keys. Changing it changes the workflow's definition.
    const NAME: &'static str;
    /// What the action leaves in the world.
    const EFFECT: Effect = Effect::Compensated;
    /// What it works on. It is recorded with the intent, and an attempt after a crash gets it as it was.
    type Input: Serialize + DeserializeOwned + Send + Sync;
    /// What it gives to the workflow.
    type Output: Serialize + DeserializeOwned + Send + Sync;
    /// What its compensation needs beside the input.
    type Undo: Serialize + DeserializeOwned + Send + Sync;

    /// How often and how long the action, and the compensation, are tried.
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

    /// Takes back what [`invoke`](Self::invoke) did, or may have done: `undo` is what it answered, and `None`
    /// where its outcome is unknown or it handed over nothing.
    ///
    /// A step whose [`EFFECT`](Self::EFFECT) is [`Effect::Compensated`] must have one: without it this fails for good.
    fn compensate(
        &self,
        app: &A,
        input: &Self::Input,
        undo: Option<&Self::Undo>,
        call: &Call,
    ) -> impl Future<Output = Result<(), StepError>> + Send {
        let _ = (app, input, undo, call);
        std::future::ready(Err(StepError::permanent("the step has no compensation")))
    }
}

/// What a step answers.
pub type StepResult<S, A> = Result<StepResponse<S, A>, StepError>;

/// What a step that succeeded answers: its output, what its compensation needs, and writes it hands over.
pub struct StepResponse<S: Step<A> + ?Sized, A: Application> {
    pub(crate) output: S::Output,
    pub(crate) undo: Option<S::Undo>,
    pub(crate) writes: Vec<A::Write>,
}

impl<S: Step<A> + ?Sized, A: Application> StepResponse<S, A> {
    /// The step succeeded with this output.
    pub fn new(output: S::Output) -> Self {
        Self {
            output,
            undo: None,
            writes: Vec::new(),
        }
    }

    /// What the compensation gets as `undo`.
    #[must_use]
    pub fn undo(mut self, undo: S::Undo) -> Self {
        self.undo = Some(undo);
        self
    }

    /// Hands over a write, to be made in the transaction that ends the run: so it is made if and only if the run is
    /// done, and nothing has to take it back. If its condition fails then, this step has failed for good.
    ///
    /// Until then nothing of it is recorded, and a run that is resumed invokes the step again.
    #[must_use]
    pub fn write(mut self, write: A::Write) -> Self {
        self.writes.push(write);
        self
    }
}

/// A read: it changes nothing, is not recorded, and is made anew when a run is resumed.
///
/// A decision that later steps depend on, and that must not come out otherwise when the run is resumed, belongs
/// into a step with [`Effect::Journalled`] instead.
pub trait Query<A: Application>: Send + Sync {
    /// The query's name, in logs and errors.
    const NAME: &'static str;
    /// What it asks for.
    type Input: Sync + ?Sized;
    /// What it answers.
    type Output: Send;

    /// How often and how long it is tried.
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
    /// The same for every attempt at this effect of this run, and for no other effect: to be passed on to
    /// whatever the step acts on, so that it can tell a repetition.
    pub idempotency_key: String,
    /// Which attempt it is, counted from 1 over all executions of the run.
    pub attempt: u32,
    /// When the attempt is made.
    pub now: Timestamp,
    /// When the attempt is ended, if it takes that long.
    pub deadline: Timestamp,
}
