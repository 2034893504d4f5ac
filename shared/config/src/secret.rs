//! Secrets, from Secrets Manager.

use std::fmt;

use aws::SdkConfig;
use aws_sdk_secretsmanager::{Client, error::DisplayErrorContext};
use thiserror::Error;

/// A secret. It never shows itself: whoever needs it asks for it by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret of that value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one who has to send or check it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(***)")
    }
}

/// A secret could not be had.
#[derive(Debug, Error)]
#[error("secret {id} could not be read: {reason}")]
pub struct SecretError {
    id: String,
    reason: String,
}

/// Reads a secret's text. `id` is its name or ARN. A function does it once, at start, and so needs no client of its own.
pub async fn fetch_secret(sdk: &SdkConfig, id: &str) -> Result<Secret, SecretError> {
    let failed = |reason: String| SecretError {
        id: id.to_owned(),
        reason,
    };
    let request = Client::new(sdk).get_secret_value().secret_id(id);
    let answer = request.send().await;
    let answer = answer.map_err(|error| failed(DisplayErrorContext(&error).to_string()))?;
    let text = answer.secret_string.filter(|text| !text.is_empty());
    text.map(Secret)
        .ok_or_else(|| failed("it has no text".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(***)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
