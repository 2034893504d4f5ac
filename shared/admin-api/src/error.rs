//! The errors of the admin API, and the one place that maps them to HTTP.

use std::time::Duration;

use lambda_http::{
    Body, Response,
    http::{StatusCode, header},
};
use serde_json::{Value, json};
use thiserror::Error;

use crate::{entity_tag, shown};

/// Why a request is not answered as it wished. The message is for the client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApiError {
    /// The request is not one that can be carried out: 400.
    #[error("{0}")]
    InvalidData(String),
    /// The request contradicts an earlier one: 409.
    #[error("{0}")]
    Conflict(String),
    /// The brand is not as the request expects it (any more): 412, with its entity tag.
    #[error("The brand has changed: its ETag is \"{version}\" now")]
    PreconditionFailed {
        /// The brand's version now.
        version: u32,
    },
    /// There is nothing of that name: 404.
    #[error("{0}")]
    NotFound(String),
    /// Such a request is not allowed to anybody: 400, as in Medusa.
    #[error("{0}")]
    NotAllowed(String),
    /// The request carries no good token: 401. It does not learn what is wrong with the one it carries.
    #[error("Unauthorized")]
    Unauthorized,
    /// Whoever signs in is not who they say: 401.
    #[error("{0}")]
    SignInRefused(String),
    /// Too much was tried: 429. There is no such error in Medusa; the body is what its error handler makes of one by HTTP's
    /// own name (`mapStatusCodeToErrorType`, as for 413).
    #[error("Too Many Requests")]
    TooManyRequests {
        /// After how long it may be tried again.
        retry_after: Duration,
    },
    /// The request's body is larger than [`MAX_BODY`](crate::MAX_BODY): 413.
    #[error("request entity too large")]
    TooLarge,
    /// The request's body is packed, in a way that is not unpacked here: 415, in the words of Medusa's parser.
    #[error("unsupported content encoding \"{0}\"")]
    UnsupportedEncoding(String),
    /// It failed on this side: 500. What happened is in the log, not in the answer.
    #[error("An unknown error occurred.")]
    Unknown,
}

impl ApiError {
    /// That there is no brand of that id, as the client gave it, in Medusa's words.
    #[must_use]
    pub fn no_such_brand(id: &str) -> Self {
        Self::NotFound(format!("Brand with id: {} was not found", shown(id)))
    }

    /// The status it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::InvalidData(_) | Self::NotAllowed(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::SignInRefused(_) => StatusCode::UNAUTHORIZED,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::PreconditionFailed { .. } => StatusCode::PRECONDITION_FAILED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The body it is answered with.
    #[must_use]
    pub fn body(&self) -> Value {
        let message = self.to_string();
        match self {
            Self::InvalidData(_) => json!({ "type": "invalid_data", "message": message }),
            Self::Conflict(_) | Self::PreconditionFailed { .. } => {
                json!({ "code": "invalid_state_error", "type": "conflict", "message": message })
            }
            Self::NotFound(_) => json!({ "type": "not_found", "message": message }),
            Self::NotAllowed(_) => json!({ "type": "not_allowed", "message": message }),
            Self::Unauthorized => json!({ "message": message }),
            Self::SignInRefused(_) => json!({ "type": "unauthorized", "message": message }),
            Self::TooLarge | Self::TooManyRequests { .. } | Self::UnsupportedEncoding(_) => {
                json!({ "type": "unknown_error", "message": message })
            }
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
        match self {
            // RFC 9110, 11.6.1: such an answer names the way to authenticate.
            Self::Unauthorized => {
                let bearer = header::HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, bearer);
            }
            Self::TooManyRequests { retry_after } => {
                let seconds = retry_after.as_secs().max(1).into();
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            Self::PreconditionFailed { version } => {
                response
                    .headers_mut()
                    .insert(header::ETAG, entity_tag(version));
            }
            // RFC 9110, 15.5.16.
            Self::UnsupportedEncoding(_) => {
                let identity = header::HeaderValue::from_static("identity");
                response
                    .headers_mut()
                    .insert(header::ACCEPT_ENCODING, identity);
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::time::Duration;

    use lambda_http::{Body, http::StatusCode};

    use super::ApiError;

    #[test]
    fn a_request_without_a_good_token_is_told_no_more_than_that() {
        let answer = ApiError::Unauthorized.into_response();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.body(), &Body::from(r#"{"message":"Unauthorized"}"#));
        assert_eq!(answer.headers().get("www-authenticate").unwrap(), &"Bearer");
    }

    #[test]
    fn too_many_requests_says_after_how_many_seconds_to_try_again() {
        let retry_after = Duration::from_secs(90);
        let answer = ApiError::TooManyRequests { retry_after }.into_response();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers().get("retry-after").unwrap(), &"90");
        let expected = r#"{"message":"Too Many Requests","type":"unknown_error"}"#;
        assert_eq!(answer.body(), &Body::from(expected));
    }
}
