//! A message's body, parsed.

use brand::CloudEvent;
use dead_letters::FailureKind;
use serde_json::Value;
use thiserror::Error;

/// An event that somebody may subscribe to.
pub type Event = CloudEvent<Value>;

/// The most bytes of an event. Ours have a few hundred; the queue itself takes a megabyte.
pub const MAX_EVENT: usize = 64 * 1024;

/// Why a message is no event that can be worked on. No repetition cures it.
#[derive(Debug, Error)]
pub enum Poison {
    /// The message has no body.
    #[error("the message has no body")]
    Empty,
    /// The body is larger than any event.
    #[error("the body has {0} bytes, and an event has at most {MAX_EVENT}")]
    TooLarge(usize),
    /// The body is no JSON, or no event.
    #[error("the body is no CloudEvent")]
    NoEvent(#[source] serde_json::Error),
    /// The event follows another version of the specification.
    #[error("the event follows version {0:?} of the CloudEvents specification, not 1.0")]
    OtherVersion(String),
    /// Nobody knows events of that type.
    #[error("no event is of type {0:?}")]
    UnknownType(String),
    /// The event's data is not what an event of its type has.
    #[error("the data of the event is not that of its type")]
    Data(#[source] serde_json::Error),
}

impl Poison {
    /// What a message is parked for.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::TooLarge(_) => FailureKind::TooLarge,
            Self::UnknownType(_) => FailureKind::UnknownType,
            Self::Empty | Self::NoEvent(_) | Self::OtherVersion(_) | Self::Data(_) => {
                FailureKind::Malformed
            }
        }
    }
}

/// Parses a message's body.
pub(crate) fn parse(body: Option<&str>) -> Result<Event, Poison> {
    let body = body.filter(|body| !body.is_empty()).ok_or(Poison::Empty)?;
    if body.len() > MAX_EVENT {
        return Err(Poison::TooLarge(body.len()));
    }
    let event: Event = serde_json::from_str(body).map_err(Poison::NoEvent)?;
    if event.specversion == Event::SPEC_VERSION {
        Ok(event)
    } else {
        Err(Poison::OtherVersion(event.specversion))
    }
}
