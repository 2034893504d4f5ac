//! Secrets, from Secrets Manager.

use std::fmt;

use aws::Sdk;
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
#[error("secret {id} could not be read")]
pub struct SecretError {
    id: String,
    source: aws::SecretError,
}

/// Reads a secret's text. `id` is its name or ARN. A function does it once, at start.
pub async fn fetch_secret(sdk: &Sdk, id: &str) -> Result<Secret, SecretError> {
    let text = sdk.secret(id).await;
    text.map(Secret).map_err(|source| SecretError {
        id: id.to_owned(),
        source,
    })
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
