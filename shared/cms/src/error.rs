//! Why a call to the CMS failed, told apart by what the caller can do about it.

use std::error::Error;
use std::time::Duration;

/// The cause underneath a [`CmsError`], of whichever client met it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A failed call to the CMS. The variant decides; the text is for people. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum CmsError {
    /// There was no connection, or it broke before the answer came. Transient; the outcome is unknown.
    #[error("the cms could not be reached, or the connection to it broke")]
    Unreachable {
        /// What the client met.
        source: BoxError,
    },

    /// No answer came in time. Transient; the outcome is unknown, and most often the request was carried out.
    #[error("the cms did not answer in time")]
    TimedOut {
        /// What the client met.
        source: BoxError,
    },

    /// The CMS cannot serve this now: status 408, 425, 429 or any 5xx. Transient; the outcome is unknown.
    #[error("the cms cannot serve this now (status {status})")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// How long to wait before the next try, where the CMS said so. Not capped.
        retry_after: Option<Duration>,
    },

    /// The answer is not one of this CMS: a maintenance page, a redirect, a route that is not there. Transient: what
    /// answers is not the CMS, or not where it should be, and nothing about the brand is wrong. The outcome is unknown.
    #[error("the cms's answer (status {status}) is not understood: {message}")]
    Unclear {
        /// The HTTP status. A redirect is not followed, so that no other server gets the API key.
        status: u16,
        /// The beginning of the answer, in one line.
        message: String,
    },

    /// The CMS does not take our API key (401). Transient: an operator changes the key, and nothing about the brand is wrong.
    #[error("the cms refused the api key (status 401): {message}")]
    Unauthorized {
        /// The reason that the CMS gave, shortened, in one line.
        message: String,
    },

    /// The API key does not permit this (403). Transient for a while: the key's permissions may be wrong for all brands, or
    /// the CMS may refuse this one.
    #[error("the cms forbids this (status 403): {message}")]
    Forbidden {
        /// The reason that the CMS gave, shortened, in one line.
        message: String,
    },

    /// The CMS holds another state than the request supposes: 409, 412, or 404 for an update. Ask it what it holds.
    #[error("the cms holds another state (status {status}): {message}")]
    Conflict {
        /// The HTTP status.
        status: u16,
        /// The reason that the CMS gave, shortened, in one line.
        message: String,
    },

    /// The CMS will not do this, however often it is asked. Permanent.
    #[error("the cms refused (status {status}): {message}")]
    Refused {
        /// The HTTP status. 200 where the answer says in its body that the request failed.
        status: u16,
        /// The reason that the CMS gave, shortened, in one line.
        message: String,
    },

    /// The request cannot be put into HTTP, so it was not sent. Permanent.
    #[error("the request to the cms cannot be sent: {0}")]
    Unsendable(&'static str),
}

impl CmsError {
    /// A conflict that an adapter has found itself.
    pub(crate) fn conflict(status: u16, message: impl Into<String>) -> Self {
        Self::Conflict {
            status,
            message: message.into(),
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Unavailable { .. }
            | Self::Unclear { .. }
            | Self::Unauthorized { .. }
            | Self::Forbidden { .. } => true,
            Self::Conflict { .. } | Self::Refused { .. } | Self::Unsendable(_) => false,
        }
    }

    /// Whether the CMS itself has not answered: the call may still take effect. A gateway that answers 502 or 504 has none
    /// of its own to give.
    #[must_use]
    pub const fn is_unanswered(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::Unavailable {
                    status: 502 | 504,
                    ..
                }
        )
    }

    /// How long the CMS asks to be left alone before the next try, if it said so. The CMS may ask for any time: the caller
    /// bounds it by what it can afford.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
