//! A run, as the journal holds it.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::Timestamp;

/// A run's id, chosen by the caller: the same id is the same run, however often it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// The run of that id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of a workflow that runs nested in this run under `name`.
    pub(crate) fn nested(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A value as JSON text: how the journal keeps inputs, outputs and undos. Text survives any database, while
/// numbers are at the mercy of each database's number type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(String);

impl Json {
    /// The JSON text of `value`.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(Self)
    }

    /// The value of this text.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both texts have the same meaning; the order of an object's members and white space do not count.
    pub(crate) fn means_the_same_as(&self, other: &Self) -> bool {
        let value = |json: &Self| json.parse::<serde_json::Value>().ok();
        self == other || value(self).is_some_and(|this| Some(this) == value(other))
    }
}

/// What the engine was doing to a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Invoking it.
    #[default]
    Invoke,
    /// Compensating it.
    Compensate,
}

/// An error in the life of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// The step's name within the run, or the workflow's where no step was to blame.
    pub step: String,
    /// What the engine was doing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub during: Phase,
    /// The error and its sources, cut to [`RunError::MAX_MESSAGE`] bytes.
    pub message: String,
    /// When it happened.
    pub at: Timestamp,
}

impl RunError {
    /// The most bytes of a message that are kept.
    pub const MAX_MESSAGE: usize = 200;

    pub(crate) fn new(step: &str, during: Phase, mut message: String, at: Timestamp) -> Self {
        message.truncate(message.floor_char_boundary(Self::MAX_MESSAGE));
        let step = step.to_owned();
        Self {
            step,
            during,
            message,
            at,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.during {
            Phase::Invoke => write!(formatter, "{}: {}", self.step, self.message),
            Phase::Compensate => write!(formatter, "compensating {}: {}", self.step, self.message),
        }
    }
}

/// How far a run is. Whether it waits ([`Run::resume_at`]) or is paused ([`Run::paused_at`]) is independent of this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Nothing is recorded yet.
    NotStarted,
    /// Its steps are being invoked.
    #[default]
    Invoking,
    /// Its steps are being compensated.
    Compensating,
    /// It succeeded: every effect stands.
    Done,
    /// It failed and everything is undone.
    Reverted,
    /// It failed and a compensation failed for good: [`Run::leftovers`] names what may still stand.
    Failed,
}

impl RunState {
    /// Whether the run is over: done or reverted. A failed run is not over; it needs attention.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Reverted)
    }

    /// Its name in the journal, in logs and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Invoking => "invoking",
            Self::Compensating => "compensating",
            Self::Done => "done",
            Self::Reverted => "reverted",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How far a step of a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It has begun; whether it has acted is unknown.
    #[default]
    Invoking,
    /// It succeeded.
    Done,
    /// It failed for good. Whether it has acted is unknown, so it is compensated.
    Failed,
    /// It is undone.
    Reverted,
    /// Its compensation failed for good: its effect may stand.
    CompensationFailed,
    /// It was optional, failed for good and is undone; the run went on without it.
    Skipped,
}

/// A step of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its name within the run; within a nested workflow, after that workflow's name and a slash.
    pub name: String,
    /// The declared step's name, by which its compensation is found; none where that is `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub state: StepState,
    /// Whether it has no compensation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub irreversible: bool,
    /// Whether the run goes on without it if it fails.
    #[serde(default, skip_serializing_if = "is_default")]
    pub optional: bool,
    /// What it is invoked with.
    pub input: Json,
    /// What it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    /// What its compensation needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Json>,
    /// How many times it was invoked after the first time, as far as that is recorded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retries: u32,
    /// How many times it was compensated, as far as that is recorded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub compensations: u32,
    /// The number in the idempotency key of its invocation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub key: u32,
    /// The number in the idempotency key of its compensation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub undo_key: u32,
    /// When it began, for a reader.
    pub began_at: Timestamp,
    /// When it began, in the order of all beginnings and ends of the run's steps.
    #[serde(default, skip_serializing_if = "is_default")]
    pub began: u32,
    /// When it ended, in that order. A step that began after that came later; the others ran beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u32>,
}

impl StepRecord {
    /// The declared step's name.
    #[must_use]
    pub fn declared(&self) -> &str {
        self.step.as_deref().unwrap_or(&self.name)
    }
}

/// A run, as the journal holds it: one record, replaced as a whole by each write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The version of the workflow's definition that began it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub version: u32,
    /// How far it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub state: RunState,
    /// Counts the attempts: a run that is over and is asked for again begins the next one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempt: u32,
    /// A random token of this attempt, which begins all of its idempotency keys.
    pub nonce: String,
    /// Rises with each write over the record's whole life.
    pub sequence: u64,
    /// A random token of the execution that holds, or last held, the lease.
    pub owner: String,
    /// Until when no other worker may take the run over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// When the run goes on, where it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Timestamp>,
    /// How many times this attempt was suspended since it began, or since its last pause.
    #[serde(default, skip_serializing_if = "is_default")]
    pub suspensions: u32,
    /// Since when the run has been paused: its time budget is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Timestamp>,
    /// When the current time budget began, where that is later than `began_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_from: Option<Timestamp>,
    /// When the run was asked to be cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_requested_at: Option<Timestamp>,
    /// What it is about.
    pub input: Json,
    /// What it resulted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    /// Its steps, in the order in which they began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRecord>,
    /// Why this attempt is being, or was, reverted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<RunError>,
    /// Other errors of this attempt, oldest first; the last [`Run::MAX_ERRORS`] of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<RunError>,
    /// When this attempt began.
    pub began_at: Timestamp,
    /// When the journal may forget the run; none while it is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Run {
    /// The most errors that are kept.
    pub const MAX_ERRORS: usize = 4;

    /// Whether an effect of this attempt may stand.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        let undone = |step: &StepRecord| match step.state {
            StepState::Reverted => true,
            StepState::Skipped => !step.irreversible,
            _ => false,
        };
        !self.steps.iter().all(undone)
    }

    /// The steps whose effect may stand although the run failed, newest first.
    pub fn leftovers(&self) -> impl Iterator<Item = &StepRecord> {
        let left = |step: &&StepRecord| step.state == StepState::CompensationFailed;
        self.steps.iter().rev().filter(left)
    }

    /// The error that says most about where the run stands: why it is reverted, else what went wrong last.
    #[must_use]
    pub fn last_error(&self) -> Option<&RunError> {
        self.cause.as_ref().or_else(|| self.errors.last())
    }

    /// What is shown of the run. `ended_at` is none while it is not over.
    #[must_use]
    pub fn summary(&self, ended_at: Option<Timestamp>) -> RunSummary {
        let steps = self.steps.iter().map(|step| StepSummary {
            name: step.name.clone(),
            state: step.state,
            irreversible: step.irreversible,
            began_at: step.began_at,
            retries: step.retries,
            compensations: step.compensations,
        });
        let errors = self.errors.iter().chain(&self.cause);
        RunSummary {
            workflow: self.workflow.clone(),
            state: self.state,
            began_at: self.began_at,
            ended_at,
            resume_at: self.resume_at,
            paused_at: self.paused_at,
            cancel_requested_at: self.cancel_requested_at,
            suspensions: self.suspensions,
            steps: steps.collect(),
            errors: errors.cloned().collect(),
        }
    }

    /// When the current time budget began.
    #[must_use]
    pub fn budget_began(&self) -> Timestamp {
        self.budget_from.unwrap_or(self.began_at)
    }
}

/// What is shown of a run, and kept of one that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The workflow's name.
    pub workflow: String,
    /// How far it is.
    pub state: RunState,
    /// When its current attempt began.
    pub began_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it goes on, where it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Timestamp>,
    /// Since when it has been paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Timestamp>,
    /// When it was asked to be cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_requested_at: Option<Timestamp>,
    /// How many times it was suspended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub suspensions: u32,
    /// Its steps, in the order in which they began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepSummary>,
    /// The last errors, oldest first; at the end the one that it was reverted for, where it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<RunError>,
}

impl RunSummary {
    /// How many times its steps were invoked, as far as that is recorded.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        let attempts = self.steps.iter().map(StepSummary::attempts);
        attempts.fold(0, u32::saturating_add)
    }
}

/// What is shown of a step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSummary {
    /// Its name within the run.
    pub name: String,
    /// How far it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub state: StepState,
    /// Whether it has no compensation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub irreversible: bool,
    /// When it began.
    pub began_at: Timestamp,
    /// How many times it was invoked after the first time, as far as that is recorded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retries: u32,
    /// How many times it was compensated, as far as that is recorded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub compensations: u32,
}

impl StepSummary {
    /// How many times it was invoked.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.retries.saturating_add(1)
    }
}

/// The result of running a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It is done, now or since before.
    Done(T),
    /// It waits, with its progress kept.
    Suspended {
        /// When it can go on.
        until: Timestamp,
        /// What it waits for to be gone.
        cause: RunError,
    },
    /// Another worker has it.
    Leased {
        /// Until when.
        until: Timestamp,
    },
    /// It failed, and everything is undone.
    Reverted {
        /// Why it failed.
        cause: RunError,
    },
    /// It failed, and not everything could be undone.
    Failed {
        /// Why it failed.
        cause: RunError,
        /// The names of the steps whose effect may stand.
        leftovers: Vec<String>,
    },
    /// Its time budget is used up. Nothing is undone; running it again resumes it with a new budget.
    Paused {
        /// What it waited for to be gone.
        cause: RunError,
    },
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const fn one() -> u32 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
const fn is_one(number: &u32) -> bool {
    *number == 1
}
