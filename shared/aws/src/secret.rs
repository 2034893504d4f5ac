//! A secret of Secrets Manager, by one request.
//!
//! Without that service's SDK client: a function reads one secret in its life, when it starts, and to make the client is a
//! twentieth of that start. The request goes through the connector of all clients, and is signed and repeated as theirs are.
//!
//! Source: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{identity::Identity, orchestrator::HttpRequest},
};
use aws_smithy_types::body::SdkBody;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::{sleep, timeout};

use crate::{
    Sdk,
    error::is_passing_code,
    limits::{BACKOFF, Limits},
};

/// How long one attempt may take, and all of them.
const LIMITS: Limits = Limits::LONG;
/// How long it is waited before the second attempt and before the third, at most.
const WAITS: [Duration; 2] = [BACKOFF, BACKOFF.saturating_mul(2)];

/// A secret could not be had. It tells nothing of the secret.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The request could not be made: there is no region, or there are no credentials.
    #[error("the request cannot be signed")]
    Unsigned(#[source] BoxError),
    /// Nothing was answered, or nothing that can be read.
    #[error("Secrets Manager does not answer")]
    NoAnswer(#[source] BoxError),
    /// Secrets Manager has refused it.
    #[error("Secrets Manager answers {status}: {code}: {message}")]
    Refused {
        /// The status of HTTP.
        status: u16,
        /// What it is called: `AccessDeniedException`, say.
        code: String,
        /// What Secrets Manager says to it.
        message: String,
    },
    /// The secret has no text, but bytes or nothing.
    #[error("it has no text")]
    NoText,
}

impl SecretError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Unsigned(_) | Self::NoText => false,
            Self::NoAnswer(_) => true,
            Self::Refused { status, code, .. } => is_passing_code(*status, code),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue<'a> {
    secret_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: Option<String>,
}

/// An error of AWS in JSON. The message is called so by some services, and so by others.
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type")]
    code: String,
    #[serde(rename = "Message", alias = "message", default)]
    message: String,
}

impl Sdk {
    /// The text of the secret of that name or ARN. Three attempts are made in all, and then, or when their time is over, it is an
    /// error.
    pub async fn secret(&self, id: &str) -> Result<String, SecretError> {
        let answer = timeout(LIMITS.operation, self.ask_three_times(id)).await;
        answer.map_err(|elapsed| SecretError::NoAnswer(elapsed.into()))?
    }

    async fn ask_three_times(&self, id: &str) -> Result<String, SecretError> {
        for wait in WAITS {
            match self.ask_for_secret(id).await {
                Err(error) if error.is_transient() => sleep(wait.mul_f64(fastrand::f64())).await,
                answer => return answer,
            }
        }
        self.ask_for_secret(id).await
    }

    async fn ask_for_secret(&self, id: &str) -> Result<String, SecretError> {
        let request = self.signed(id).await.map_err(SecretError::Unsigned)?;
        let answered = timeout(LIMITS.attempt, self.send(request)).await;
        let answered = answered.map_err(BoxError::from);
        let (status, body) = answered.flatten().map_err(SecretError::NoAnswer)?;
        text_of(status, body.as_ref())
    }

    async fn signed(&self, id: &str) -> Result<HttpRequest, BoxError> {
        let region = self.config().region().ok_or("there is no region")?;
        let provider = self.config().credentials_provider();
        let credentials = provider.ok_or("there are no credentials")?;
        let identity: Identity = credentials.provide_credentials().await?.into();
        let endpoint = match self.endpoint_url("SECRETS_MANAGER") {
            Some(endpoint) => endpoint,
            None => self.secrets_manager().await?,
        };
        let body = serde_json::to_string(&GetSecretValue { secret_id: id })?;
        let mut request = http::Request::post(format!("{}/", endpoint.trim_end_matches('/')))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "secretsmanager.GetSecretValue")
            .body(SdkBody::from(body.as_str()))?;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region.as_ref())
            .name("secretsmanager")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = request.headers().iter();
        let headers =
            headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(
            "POST",
            request.uri().to_string(),
            headers,
            SignableBody::Bytes(body.as_bytes()),
        )?;
        let (signature, _) = sign(signable, &params)?.into_parts();
        signature.apply_to_request_http1x(&mut request);
        Ok(HttpRequest::try_from(request)?)
    }
}

fn text_of(status: u16, body: &[u8]) -> Result<String, SecretError> {
    if status == 200 {
        let secret = serde_json::from_slice::<SecretValue>(body);
        // What serde_json says of a body that it cannot read may have a piece of it.
        let secret = secret.map_err(|_| SecretError::NoAnswer("it is not JSON".into()))?;
        let text = secret.secret_string.filter(|text| !text.is_empty());
        return text.ok_or(SecretError::NoText);
    }
    let refusal = serde_json::from_slice(body).unwrap_or(Refusal {
        code: "unknown".to_owned(),
        message: String::new(),
    });
    Err(SecretError::Refused {
        status,
        // Some services put a namespace before it.
        code: refusal
            .code
            .rsplit('#')
            .next()
            .unwrap_or_default()
            .to_owned(),
        message: refusal.message,
    })
}

#[cfg(test)]
#[expect(clippy::panic, clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests;
