//! The functions, as whoever runs them offers them over HTTP.

use std::time::Duration;

use reqwest::{Client, StatusCode, header::CONTENT_TYPE};
use serde_json::Value;
use thiserror::Error;

/// Functions that are invoked as with the Lambda API, by a POST; `cargo lambda watch` answers so.
#[derive(Clone, Debug)]
pub struct Functions {
    client: Client,
    url: String,
}

/// There can be no client.
#[derive(Debug, Error)]
#[error("no HTTP client can be made")]
pub struct FunctionsError(#[source] reqwest::Error);

/// The function did not do what it was invoked for, as far as is known.
#[derive(Debug, Error)]
pub enum InvokeError {
    /// No answer.
    #[error("the function did not answer")]
    NoAnswer(#[source] reqwest::Error),
    /// The function, or whoever runs it, answers that it failed.
    #[error("the function failed with status {status}: {answer}")]
    Failed {
        /// The answer's status.
        status: StatusCode,
        /// What is said of the failure: with a function, `errorType` and `errorMessage`.
        answer: String,
    },
}

impl Functions {
    /// Those at that URL; each may take that long to answer.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, FunctionsError> {
        // reqwest wants a provider of TLS even where nothing is spoken over it. An error says that there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(timeout)
            .build()
            .map_err(FunctionsError)?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { client, url })
    }

    /// Invokes one, and waits for what it answers.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Vec<u8>, InvokeError> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.url);
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .body(event.to_string());
        let answer = request.send().await.map_err(InvokeError::NoAnswer)?;
        let status = answer.status();
        // Lambda answers 200 with this header; cargo-lambda 500.
        let failed = !status.is_success() || answer.headers().contains_key("x-amz-function-error");
        let body = answer.bytes().await.map_err(InvokeError::NoAnswer)?;
        if failed {
            let answer = String::from_utf8_lossy(&body).into_owned();
            return Err(InvokeError::Failed { status, answer });
        }
        Ok(body.into())
    }
}
