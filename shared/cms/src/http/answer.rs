//! What an HTTP answer, or the lack of one, means.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use http_body_util::BodyExt;
use serde_json::Value;

use crate::stub::{Reply, ReplyBody};
use crate::{ApiKey, CmsError};

/// As much of an answer's body as is read, in bytes: a page of 100 entries fits. The rest is left, and the connection with it.
const BODY_LIMIT: usize = 1024 * 1024;

/// As much of the CMS's reason as is kept, in characters.
const MESSAGE_LIMIT: usize = 200;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// An entry, or a page of entries.
    Read,
    /// A new entry.
    Create,
    /// Another state of an entry.
    Update,
    /// The end of an entry.
    Delete,
}

/// The meaning of a request that got no answer.
pub(super) fn none(error: ConnectorError) -> CmsError {
    let (timed_out, unsendable) = (error.is_timeout(), error.is_user());
    let source = error.into_source();
    if unsendable {
        CmsError::Unsendable("its URL or a header is not valid")
    } else if timed_out {
        CmsError::TimedOut { source }
    } else {
        CmsError::Unreachable { source }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    retry_after: Option<Duration>,
    body: Body,
    /// What the CMS says for itself, in one line, shortened, without the API key.
    message: String,
}

#[derive(Debug)]
enum Body {
    Empty,
    /// A JSON object, as every CMS here answers.
    Json(Value),
    /// A page, or anything else.
    Other,
}

impl Answer {
    /// Reads an answer to its end: a connection is used again only when its answer was read.
    pub(super) async fn read(response: HttpResponse, api_key: &ApiKey) -> Result<Self, CmsError> {
        let status = response.status();
        let retry_after = retry_after(&response);
        let bytes = match body(response.into_body()).await {
            Ok(bytes) => bytes,
            // The status of a failure has decided. A success shows in its body what it did.
            Err(source) if status.is_success() => return Err(CmsError::Unreachable { source }),
            Err(_) => Vec::new(),
        };
        let body = match serde_json::from_slice(&bytes) {
            Ok(json @ Value::Object(_)) => Body::Json(json),
            _ if bytes.is_empty() => Body::Empty,
            _ => Body::Other,
        };
        let message = reason(&body).unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Self {
            status: status.as_u16(),
            retry_after,
            body,
            message: shown(&api_key.masked_in(&message)),
        })
    }

    /// The answer of a CMS in this process.
    pub(crate) fn of(reply: Reply) -> Self {
        let (body, message) = match reply.body {
            ReplyBody::Json(json) => (Body::Json(json), None),
            ReplyBody::Page(html) => (Body::Other, Some(html.to_owned())),
        };
        let message = message.or_else(|| reason(&body)).unwrap_or_default();
        Self {
            status: reply.status,
            retry_after: reply.retry_after.map(|retry_after| retry_after.wait),
            body,
            message: shown(&message),
        }
    }

    /// What the answer means. An answer that is not a failure is a success, or says that there is no such entry
    /// ([`is_absent`](Self::is_absent)).
    ///
    /// An answer in JSON comes from the CMS. One that is not may come from anything in front of it: that there is no such
    /// entry, or that the entry is there, is believed in JSON alone.
    pub(crate) fn judge(self, operation: Operation) -> Result<Self, CmsError> {
        let is_json = matches!(self.body, Body::Json(_));
        let is_read = operation == Operation::Read;
        let (status, message) = (self.status, self.message.clone());
        Err(match status {
            200..=299 if has_errors(&self.body) && is_read => self.unclear(),
            200..=299 if has_errors(&self.body) => CmsError::Refused { status, message },
            200..=299 if matches!(self.body, Body::Other) && operation == Operation::Delete => {
                self.unclear()
            }
            200..=299 => return Ok(self),
            401 => CmsError::Unauthorized { message },
            403 => CmsError::Forbidden { message },
            408 | 425 | 429 | 500..=599 => CmsError::Unavailable {
                status,
                retry_after: self.retry_after,
            },
            404 | 410 if is_json && matches!(operation, Operation::Read | Operation::Delete) => {
                return Ok(self);
            }
            404 | 410 if is_json && operation == Operation::Update => {
                CmsError::Conflict { status, message }
            }
            409 | 412 if matches!(operation, Operation::Create | Operation::Update) => {
                CmsError::Conflict { status, message }
            }
            400..=499 if !is_read && !matches!(status, 404 | 405 | 407 | 410 | 421) => {
                CmsError::Refused { status, message }
            }
            _ => self.unclear(),
        })
    }

    /// Whether the CMS says that there is no such entry.
    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self.status, 404 | 410)
    }

    /// What its JSON has at this pointer.
    pub(crate) fn at(&self, pointer: &str) -> Option<&Value> {
        match &self.body {
            Body::Json(json) => json.pointer(pointer),
            Body::Empty | Body::Other => None,
        }
    }

    /// The items of the list that its JSON has at this pointer.
    pub(crate) fn list<T>(
        &self,
        pointer: &str,
        item: impl FnMut(&Value) -> Option<T>,
    ) -> Result<Vec<T>, CmsError> {
        let values = self.at(pointer).and_then(Value::as_array);
        let items = values.and_then(|values| values.iter().map(item).collect());
        items.ok_or_else(|| self.unclear())
    }

    /// That it says nothing about the brand.
    pub(crate) fn unclear(&self) -> CmsError {
        CmsError::Unclear {
            status: self.status,
            message: self.message.clone(),
        }
    }
}

/// Whether a body says that the request failed, whatever the status says.
fn has_errors(body: &Body) -> bool {
    let Body::Json(json) = body else {
        return false;
    };
    let is_error = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(errors) => !errors.is_empty(),
        _ => true,
    };
    ["errors", "error"]
        .iter()
        .any(|name| json.get(name).is_some_and(is_error))
}

/// `Retry-After`, in seconds or as a date. A date counts from the answer's own `Date`, so that the clocks need not agree; a
/// server with a clock sends one (RFC 9110, 6.6.1).
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let headers = response.headers();
    let value = headers.get("retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| DateTime::from_str(text, Format::HttpDate).ok();
    let (until, sent) = (date(value)?, date(headers.get("date")?)?);
    let seconds = until.secs().saturating_sub(sent.secs());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// The body's beginning.
async fn body(mut sent: SdkBody) -> Result<Vec<u8>, crate::BoxError> {
    let mut body = Vec::new();
    while let Some(frame) = sent.frame().await {
        let Ok(chunk) = frame?.into_data() else {
            break;
        };
        let room = BODY_LIMIT - body.len();
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}

/// What the CMS says for itself: `message`, or that of its first error as Payload and Strapi have it.
fn reason(body: &Body) -> Option<String> {
    let Body::Json(json) = body else {
        return None;
    };
    let pointers = [
        "/errors/0/data/errors/0/message",
        "/errors/0/message",
        "/error/message",
        "/message",
    ];
    let message = pointers.iter().find_map(|at| json.pointer(at)?.as_str());
    message.map(str::to_owned)
}

/// In one line, and not too long.
fn shown(message: &str) -> String {
    let mut line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(MESSAGE_LIMIT) {
        line.truncate(end);
        line.push('…');
    }
    line
}
