//! The errors of the admin API, and the one place that maps them to HTTP.

use lambda_http::{
    Body, Response,
    http::{StatusCode, header},
};
use serde_json::{Value, json};
use thiserror::Error;

/// Why a request is not answered as it wished. The message is for the client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApiError {
    /// The request is not one that can be carried out: 400.
    #[error("{0}")]
    InvalidData(String),
    /// The request contradicts an earlier one: 409.
    #[error("{0}")]
    Conflict(String),
    /// The request's body is larger than [`MAX_BODY`](crate::MAX_BODY): 413.
    #[error("request entity too large")]
    TooLarge,
    /// It failed on this side: 500. What happened is in the log, not in the answer.
    #[error("An unknown error occurred.")]
    Unknown,
}

impl ApiError {
    /// The status it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::InvalidData(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The body it is answered with.
    #[must_use]
    pub fn body(&self) -> Value {
        let message = self.to_string();
        match self {
            Self::InvalidData(_) => json!({ "type": "invalid_data", "message": message }),
            Self::Conflict(_) => {
                json!({ "code": "invalid_state_error", "type": "conflict", "message": message })
            }
            Self::TooLarge => json!({ "type": "unknown_error", "message": message }),
            Self::Unknown => {
                json!({ "code": "unknown_error", "type": "unknown_error", "message": message })
            }
        }
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::Text(self.body().to_string()));
        *response.status_mut() = self.status();
        let json = header::HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}
