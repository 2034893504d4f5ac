//! A run, as the journal holds it.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{RunError, Timestamp};

/// A run's id, chosen by the caller: the same id is the same run, however often it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    /// The id of a workflow that runs nested in this run under `path`.
    pub(crate) fn nested(&self, path: &str) -> Self {
        Self(format!("{}/{path}", self.0))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A value as JSON text: what the journal keeps of inputs, outputs and undos. Journals store text, so no
/// number of the value is at the mercy of a database's idea of numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Whether both texts mean the same: the order of an object's members and white space do not count.
    pub(crate) fn means_the_same_as(&self, other: &Self) -> bool {
        let value = |json: &Self| json.parse::<serde_json::Value>().ok();
        self == other || value(self).is_some_and(|this| Some(this) == value(other))
    }
}

/// The state of a run, in Medusa's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Nothing has been recorded yet.
    NotStarted,
    /// Its steps are being invoked, or wait for the next delivery to be.
    Invoking,
    /// It is to be reverted, and waits for the next delivery to be.
    WaitingToCompensate,
    /// Its steps are being compensated.
    Compensating,
    /// It succeeded: every effect stands.
    Done,
    /// It failed and everything is taken back: no effect stands.
    Reverted,
    /// It failed and a compensation failed for good: [`Run::leftovers`] names what may still stand.
    Failed,
}

impl RunState {
    /// Whether the run is over: done, or reverted. A failed run is not: somebody has to look after it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Reverted)
    }

    /// Its name as the journal, logs and metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Invoking => "invoking",
            Self::WaitingToCompensate => "waiting_to_compensate",
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

/// The state of a step within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It has begun: whether it has acted is unknown.
    Invoking,
    /// It succeeded.
    Done,
    /// It failed for good. Whether it has acted is unknown, so it is compensated.
    Failed,
    /// It is taken back.
    Reverted,
    /// Its compensation failed for good: its effect may stand.
    CompensationFailed,
    /// It was optional, failed for good, and is taken back; the run went on without it.
    Skipped,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its name within the run; within a nested workflow, after that workflow's name and a slash.
    pub name: String,
    /// The declared step's name, by which its compensation is found.
    pub step: String,
    /// How far it is.
    pub state: StepState,
    /// Whether there is something to take back.
    pub compensated: bool,
    /// Whether the run goes on without it if it fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// What it was invoked with.
    pub input: Json,
    /// What it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    /// What its compensation needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Json>,
    /// How often it was invoked.
    pub attempts: u32,
    /// How often it was compensated.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub compensations: u32,
    /// When, in the order of the run's beginnings and ends of steps, it began.
    pub began: u32,
    /// When, in that order, it ended. What began after that came later; what did not ran beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u32>,
    /// When it was first invoked.
    pub started_at: Timestamp,
    /// When it succeeded or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A run, as the journal holds it: one record, replaced as a whole by each write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The version of the workflow's definition that began it.
    pub version: u32,
    /// How far it is.
    pub state: RunState,
    /// Which attempt this is: a reverted run that is asked for again begins the next one.
    pub attempt: u32,
    /// Rises whenever another worker takes the run over. A write is made only if it stands as the writer knows it.
    pub epoch: u64,
    /// Rises with each write of one epoch: how a worker recognises its own write after a lost reply.
    pub sequence: u64,
    /// The worker that made the last write: a random token of one execution.
    pub owner: String,
    /// Until when no other worker may take the run over; none where nobody works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// When somebody asked for the run to be cancelled.
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
    /// What went wrong, oldest first, the last [`Run::MAX_ERRORS`] of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<RunError>,
    /// When it was first recorded.
    pub created_at: Timestamp,
    /// When the record was last written.
    pub updated_at: Timestamp,
    /// When the journal may forget it; none while it is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl Run {
    /// The most errors that are kept.
    pub const MAX_ERRORS: usize = 16;

    /// What made the current attempt fail: its first error that was not an optional step's.
    #[must_use]
    pub fn cause(&self) -> Option<&RunError> {
        let optional = |name: &str| {
            self.steps
                .iter()
                .any(|step| step.name == name && step.optional)
        };
        let current = || {
            self.errors
                .iter()
                .filter(|error| error.attempt == self.attempt)
        };
        current()
            .find(|error| !optional(&error.step))
            .or_else(|| current().next())
    }

    /// The steps whose effect may stand although the run failed, newest first.
    pub fn leftovers(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps
            .iter()
            .rev()
            .filter(|step| step.state == StepState::CompensationFailed)
    }
}
