//! The one place where failures become HTTP.

use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::http::header::{DATE, RETRY_AFTER};
use axum::response::{Html, IntoResponse, Response};

use crate::stub::{Failure, Reply, ReplyBody};

/// An answer that is not a success.
#[derive(Debug)]
pub(super) struct Problem(Reply);

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self(Reply::message(status.as_u16(), message))
    }

    /// Waits for ever where a rule has the call hang.
    pub(super) async fn settle<T>(result: Result<T, Failure>) -> Result<T, Self> {
        match result {
            Ok(value) => Ok(value),
            Err(Some(reply)) => Err(Self(reply)),
            Err(None) => std::future::pending().await,
        }
    }
}

impl From<Reply> for Problem {
    fn from(reply: Reply) -> Self {
        Self(reply)
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = match self.body {
            ReplyBody::Json(body) => (status, Json(body)).into_response(),
            ReplyBody::Page(html) => (status, Html(html)).into_response(),
        };
        let Some(retry_after) = self.retry_after else {
            return response;
        };
        let now = SystemTime::now();
        let date = |wait| DateTime::from(now + wait).fmt(Format::HttpDate).ok();
        let wait = if retry_after.as_date {
            date(retry_after.wait)
        } else {
            Some(retry_after.wait.as_secs().to_string())
        };
        let values = [(RETRY_AFTER, wait), (DATE, date(Duration::ZERO))];
        for (name, value) in values {
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}
