//! What the stub answers, before it is HTTP.

use std::time::Duration;

use serde_json::{Value, json};

/// An answer of the stub that is not a success.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: ReplyBody,
    pub(crate) retry_after: Option<RetryAfter>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ReplyBody {
    Json(Value),
    /// HTML, as something in front of a CMS answers.
    Page(&'static str),
}

/// When to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetryAfter {
    pub(crate) wait: Duration,
    /// Whether the header has a date instead of seconds.
    pub(crate) as_date: bool,
}

impl Reply {
    pub(crate) const fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: ReplyBody::Json(body),
            retry_after: None,
        }
    }

    pub(crate) fn message(status: u16, message: impl Into<String>) -> Self {
        Self::json(status, json!({"message": message.into()}))
    }

    pub(crate) const fn page(html: &'static str) -> Self {
        Self {
            status: 200,
            body: ReplyBody::Page(html),
            retry_after: None,
        }
    }
}
