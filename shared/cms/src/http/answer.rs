//! What an HTTP answer, or the lack of one, means.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use serde::Deserialize;

use crate::{ApiKey, CmsBrand, CmsError};

/// As much of an answer's body as is read, in bytes. The rest is left, and the connection with it.
const BODY_LIMIT: usize = 16 * 1024;

/// As much of the CMS's reason as is kept, in characters.
const MESSAGE_LIMIT: usize = 200;

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

/// An answer that is no failure.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Its beginning.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The brand in the body, `{"brand": {…}}`. An answer without one says nothing about the brand: a page for maintenance,
    /// say.
    pub(super) fn brand(&self) -> Result<CmsBrand, CmsError> {
        #[derive(Deserialize)]
        struct Body {
            brand: CmsBrand,
        }
        let body: Result<Body, _> = serde_json::from_slice(&self.body);
        body.map(|body| body.brand)
            .map_err(|_| CmsError::Unavailable {
                status: self.status,
                retry_after: None,
            })
    }
}

/// The meaning of an answer. `settled` is the status that says: it is so already, if one does.
pub(super) async fn read(
    response: HttpResponse,
    settled: Option<u16>,
    api_key: &ApiKey,
) -> Result<Answer, CmsError> {
    let status = response.status();
    let retry_after = retry_after(&response);
    // The status has decided. The body is read even so: a connection is used again only when its answer was read.
    let body = body(response.into_body()).await;
    if status.is_success() || settled == Some(status.as_u16()) {
        Ok(Answer {
            status: status.as_u16(),
            body,
        })
    } else if status.as_u16() == 401 {
        Err(CmsError::Unauthorized {
            message: shown(&api_key.masked_in(&reason(&body))),
        })
    } else if is_transient(status) {
        Err(CmsError::Unavailable {
            status: status.as_u16(),
            retry_after,
        })
    } else {
        Err(CmsError::Refused {
            status: status.as_u16(),
            message: shown(&api_key.masked_in(&reason(&body))),
        })
    }
}

fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// `Retry-After` in seconds. Its other form, a date, says as much as the two clocks agree; it is passed over.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// The body's beginning. A body that breaks off changes nothing about the status before it.
async fn body(mut sent: SdkBody) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(Ok(frame)) = sent.frame().await {
        let Ok(chunk) = frame.into_data() else {
            break;
        };
        let room = BODY_LIMIT - body.len();
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    body
}

/// What the CMS says for itself: the `message` of a JSON body, or else the body.
fn reason(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Told {
        message: String,
    }
    serde_json::from_slice::<Told>(body).map_or_else(
        |_| String::from_utf8_lossy(body).into_owned(),
        |told| told.message,
    )
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
