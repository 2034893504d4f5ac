//! An answer that says what is wrong: `{"message"}` under a status. The one place where failures become HTTP.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::CmsError;

#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    message: String,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after: None,
        }
    }
}

impl From<CmsError> for Problem {
    fn from(error: CmsError) -> Self {
        let retry_after = error.retry_after();
        let (status, message) = match error {
            CmsError::Refused { status, message } => (status, message),
            CmsError::Unauthorized { message } => (401, message),
            CmsError::Unavailable { status, .. } => {
                (status, "the stub was told to be unavailable".to_owned())
            }
            // The stub calls nobody, so it cannot fail as a client does.
            other => (500, other.to_string()),
        };
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            message,
            retry_after,
        }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = (self.status, Json(json!({ "message": self.message })));
        match self.retry_after {
            Some(wait) => ([(RETRY_AFTER, wait.as_secs().to_string())], body).into_response(),
            None => body.into_response(),
        }
    }
}
