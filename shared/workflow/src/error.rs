//! What can go wrong: in a step, in the journal, and in running a workflow.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use thiserror::Error;

use crate::{RunId, Timestamp};

type Source = Arc<dyn Error + Send + Sync>;

/// Why a step, a query or a workflow did not succeed.
///
/// Whether it may succeed later is part of the error, and never guessed from its text: a *transient* error is
/// retried and then suspends the run; a *permanent* one reverts it.
#[derive(Clone, Debug)]
pub struct StepError {
    kind: Kind,
    message: String,
    source: Option<Source>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Transient { retry_after: Option<Duration> },
    Permanent,
    Interrupted,
}

impl StepError {
    /// An error that may be gone at the next attempt: a time-out, a throttled request, a server's 503.
    pub fn transient(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Transient { retry_after: None },
            message: message.into(),
            source: None,
        }
    }

    /// An error that no repetition cures: the input is refused, the thing is not there.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Permanent,
            message: message.into(),
            source: None,
        }
    }

    /// What the engine answers once the run is to stop: the workflow passes it on with `?`.
    pub(crate) fn interrupted() -> Self {
        let message = "the run does not go on in this execution".to_owned();
        Self {
            kind: Kind::Interrupted,
            message,
            source: None,
        }
    }

    /// Keeps the error that this one comes from.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The other side said when to come back; no attempt is made before. Without meaning for a permanent error.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        if let Kind::Transient { retry_after } = &mut self.kind {
            *retry_after = Some(wait);
        }
        self
    }

    /// When the other side said to come back.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            Kind::Transient { retry_after } => retry_after,
            Kind::Permanent | Kind::Interrupted => None,
        }
    }

    /// Whether a later attempt may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Transient { .. })
    }

    /// Whether no later attempt can succeed.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.kind == Kind::Permanent
    }

    /// The message and those of its sources, from the outermost in.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = self.source();
        while let Some(source) = next {
            text.push_str(": ");
            text.push_str(&source.to_string());
            next = source.source();
        }
        text
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(formatter)
    }
}

impl Error for StepError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// Why the journal did not do what it was asked to.
#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// It did not answer, or not in time: whether a write was made is unknown.
    #[error("the journal is not available: {message}")]
    Unavailable {
        /// What it said.
        message: String,
        /// The error that this comes from.
        #[source]
        source: Option<Source>,
    },
    /// It refused the request for good: no permission, no such table.
    #[error("the journal refused the request: {message}")]
    Refused {
        /// What it said.
        message: String,
        /// The error that this comes from.
        #[source]
        source: Option<Source>,
    },
    /// What it holds for the run cannot be read.
    #[error("the record of run {id} cannot be read: {message}")]
    Unreadable {
        /// The run.
        id: RunId,
        /// What is wrong with the record.
        message: String,
    },
}

impl JournalError {
    /// The journal did not answer, with the error that tells why.
    pub fn unavailable(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable {
            message: source.to_string(),
            source: Some(Arc::new(source)),
        }
    }

    /// The journal refused for good, with the error that tells why.
    pub fn refused(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Refused {
            message: source.to_string(),
            source: Some(Arc::new(source)),
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Why a run could neither be finished nor brought to a defined state in this execution.
#[derive(Clone, Debug, Error)]
pub enum EngineError {
    /// The journal failed; what it holds is what counts, and a later execution goes on from there.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A run of this id exists with another workflow or another input.
    #[error("run {id} exists already, for another {what}")]
    Conflict {
        /// The run.
        id: RunId,
        /// What differs: "workflow" or "input".
        what: &'static str,
    },
    /// What the run recorded does not fit the code: it was begun by another version of the workflow. The run
    /// stays as it is, for the version that can finish it.
    #[error("run {id} does not fit the workflow's definition: {reason}")]
    Definition {
        /// The run.
        id: RunId,
        /// What does not fit.
        reason: String,
    },
    /// The input alone makes the record of the run too large; nothing is recorded and nothing is done.
    #[error(
        "the record of run {id} would take {size} bytes of at most {most}, with room for errors"
    )]
    TooLarge {
        /// The run.
        id: RunId,
        /// What it would take.
        size: usize,
        /// What the journal takes.
        most: usize,
    },
    /// The input, or the stored output, is no JSON of its type.
    #[error("the {what} of run {id} is no JSON of its type: {message}")]
    Json {
        /// The run.
        id: RunId,
        /// "input" or "output".
        what: &'static str,
        /// What serde says.
        message: String,
    },
}

impl EngineError {
    /// Whether a later execution may succeed without anything being changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Journal(error) if error.is_transient())
    }
}

/// One error in the life of a run, as it is kept in the run's record.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunError {
    /// The step's name within the run, or the workflow's where no step was to blame.
    pub step: String,
    /// What was being done.
    pub during: Phase,
    /// The error and its sources, cut to [`RunError::MAX_MESSAGE`] bytes.
    pub message: String,
    /// Which attempt of the run it was.
    pub attempt: u32,
    /// When it happened.
    pub at: Timestamp,
}

impl RunError {
    /// The most bytes of a message that are kept.
    pub const MAX_MESSAGE: usize = 1024;
}

impl fmt::Display for RunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step,
            during,
            message,
            ..
        } = self;
        match during {
            Phase::Invoke => write!(formatter, "{step}: {message}"),
            Phase::Compensate => write!(formatter, "compensating {step}: {message}"),
        }
    }
}

/// What was being done to a step when an error occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The step was being invoked.
    Invoke,
    /// The step was being compensated.
    Compensate,
}

/// `text`, cut to at most `most` bytes at a character's border.
pub(crate) fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
    }
    text
}
