//! What can go wrong: in a step, in the journal, and in running a workflow.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use thiserror::Error;

use crate::RunId;

type Source = Arc<dyn Error + Send + Sync>;

/// Why a step, a query or a workflow did not succeed.
///
/// Whether it may succeed later is part of the error and never guessed from its text. A *transient* error is retried and
/// then suspends the run; a *permanent* one reverts it.
#[derive(Clone, Debug)]
pub struct StepError {
    kind: Kind,
    message: String,
    source: Option<Source>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Transient {
        unanswered: bool,
        retry_after: Option<Duration>,
    },
    Permanent,
    Interrupted,
}

impl StepError {
    /// The other side answered that the request failed, and a later one may succeed: it throttles, or it is overloaded.
    ///
    /// The next attempt has a new idempotency key, since many services store a failure under its key. So an answer that
    /// leaves open whether a request under this key has acted, such as "another request with this key is under way",
    /// is [unanswered](Self::unanswered).
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Kind::transient(false), message.into())
    }

    /// The call was not answered, or the answer says nothing about its effect: it may have acted, and may still act
    /// within [`EngineConfig::lease_margin`](crate::EngineConfig::lease_margin). A time-out, a connection reset, a
    /// gateway's 502 or 504.
    ///
    /// The error is transient. The next attempt has the same idempotency key, and until the margin has passed the engine
    /// makes no other call.
    pub fn unanswered(message: impl Into<String>) -> Self {
        Self::new(Kind::transient(true), message.into())
    }

    /// An error that no repetition cures: the input is refused, the thing does not exist.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(Kind::Permanent, message.into())
    }

    /// The engine's answer once the run must stop: the workflow passes it on with `?`.
    pub(crate) fn interrupted() -> Self {
        let message = "the run does not go on in this execution".to_owned();
        Self::new(Kind::Interrupted, message)
    }

    const fn new(kind: Kind, message: String) -> Self {
        Self {
            kind,
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

    /// The other side said when to come back; no attempt is made before. Ignored for a permanent error.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        if let Kind::Transient { retry_after, .. } = &mut self.kind {
            *retry_after = Some(wait);
        }
        self
    }

    /// When the other side said to come back.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            Kind::Transient { retry_after, .. } => retry_after,
            Kind::Permanent | Kind::Interrupted => None,
        }
    }

    /// Whether a later attempt may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Transient { .. })
    }

    /// Whether the call may still take effect.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(
            self.kind,
            Kind::Transient {
                unanswered: true,
                ..
            }
        )
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

impl Kind {
    const fn transient(unanswered: bool) -> Self {
        Self::Transient {
            unanswered,
            retry_after: None,
        }
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

/// Why the journal failed.
#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// It did not answer, or not in time; the outcome of a write is unknown.
    #[error("the journal is not available: {message}")]
    Unavailable {
        /// What happened.
        message: String,
        /// The error that this comes from.
        #[source]
        source: Option<Source>,
    },
    /// It refused the request for good: no permission, no such table.
    #[error("the journal refused the request: {message}")]
    Refused {
        /// What happened.
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
    /// The journal did not answer, for this reason.
    pub fn unavailable(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable {
            message: source.to_string(),
            source: Some(Arc::new(source)),
        }
    }

    /// The journal refused for good, for this reason.
    pub fn refused(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Refused {
            message: source.to_string(),
            source: Some(Arc::new(source)),
        }
    }

    /// The journal did not answer in time.
    pub(crate) fn timed_out(after: Duration) -> Self {
        let message = format!("no answer within {} ms", after.as_millis());
        Self::Unavailable {
            message,
            source: None,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Why an execution ended without an [`Outcome`](crate::Outcome). The run's state is what the journal holds.
#[derive(Clone, Debug, Error)]
pub enum EngineError {
    /// The journal failed. A later execution goes on from what it holds.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An unfinished run of this id has another workflow or another input.
    #[error("run {id} exists already, for another {what}")]
    Conflict {
        /// The run.
        id: RunId,
        /// What differs: "workflow" or "input".
        what: &'static str,
    },
    /// The workflow's code contradicts itself, or the record: it calls a step that it does not declare, or another
    /// version of it began the run. The run stays as it is, for the version that can finish it.
    #[error("run {id} does not fit the workflow's definition: {reason}")]
    Definition {
        /// The run.
        id: RunId,
        /// What does not fit.
        reason: String,
    },
    /// The input alone makes the record of the run too large. Nothing is recorded and nothing is done.
    #[error(
        "the record of run {id} would take {size} bytes of at most {most}, with room for errors"
    )]
    TooLarge {
        /// The run.
        id: RunId,
        /// The size of the record.
        size: usize,
        /// The largest size that the journal takes.
        most: usize,
    },
    /// The input or the stored output does not match its type.
    #[error("the {what} of run {id} does not match its type: {message}")]
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
    /// Whether a later execution may succeed as things are.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Journal(error) if error.is_transient())
    }
}
