//! A message's body, parsed.

use brand::{BrandEvent, BrandId, BrandVersion, CloudEvent, SyncDue};
use circuit::ProbeToken;
use dead_letters::FailureKind;
use serde_json::Value;
use thiserror::Error;

type Event = CloudEvent<Value>;

/// The most bytes of an event. Ours have a few hundred; the queue itself takes a megabyte.
pub const MAX_EVENT: usize = 64 * 1024;

/// What a message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The event's id, for logs.
    pub event: String,
    /// Its type.
    pub event_type: String,
    /// The brand whose row to look at; none where the message is to probe the target alone.
    pub brand: Option<BrandId>,
    /// The probe's token, where the target's circuit is open.
    pub probe: Option<ProbeToken>,
}

/// Why a message is not an event that we can work on. Permanent.
#[derive(Debug, Error)]
pub enum Poison {
    /// The message has no body.
    #[error("the message has no body")]
    Empty,
    /// The body is larger than any event.
    #[error("the body has {0} bytes; an event has at most {MAX_EVENT}")]
    TooLarge(usize),
    /// The body is not an event.
    #[error("the body is not a CloudEvent")]
    NoEvent(#[source] serde_json::Error),
    /// The event follows another version of the specification.
    #[error("the event follows version {0:?} of the CloudEvents specification, not 1.0")]
    OtherVersion(String),
    /// There is no such event type.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// The event's data does not fit its type.
    #[error("the event's data does not fit its type")]
    Data(#[source] serde_json::Error),
    /// There is no such brand.
    #[error("brand with id {0} was not found")]
    UnknownBrand(BrandId),
}

impl Poison {
    /// What the message is parked as.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::TooLarge(_) => FailureKind::TooLarge,
            Self::UnknownType(_) => FailureKind::UnknownType,
            Self::UnknownBrand(_) => FailureKind::UnknownBrand,
            Self::Empty | Self::NoEvent(_) | Self::OtherVersion(_) | Self::Data(_) => {
                FailureKind::Malformed
            }
        }
    }
}

impl Hint {
    /// Parses a message's body.
    pub fn parse(body: Option<&str>) -> Result<Self, Poison> {
        let body = body.filter(|body| !body.is_empty()).ok_or(Poison::Empty)?;
        if body.len() > MAX_EVENT {
            return Err(Poison::TooLarge(body.len()));
        }
        let event: Event = serde_json::from_str(body).map_err(Poison::NoEvent)?;
        if event.specversion != Event::SPEC_VERSION {
            return Err(Poison::OtherVersion(event.specversion));
        }
        let is_brand_event = |known: &BrandEvent| known.event_type() == event.event_type;
        let due = if event.event_type == SyncDue::EVENT_TYPE {
            serde_json::from_value(event.data).map_err(Poison::Data)?
        } else if BrandEvent::ALL.iter().any(is_brand_event) {
            let brand: BrandVersion = serde_json::from_value(event.data).map_err(Poison::Data)?;
            SyncDue {
                id: Some(brand.id),
                probe: None,
            }
        } else {
            return Err(Poison::UnknownType(event.event_type));
        };
        Ok(Self {
            event: event.id,
            event_type: event.event_type,
            brand: due.id,
            probe: due.probe.map(ProbeToken::new),
        })
    }
}
