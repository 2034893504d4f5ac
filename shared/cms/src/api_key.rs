//! The secret that opens the CMS, in a type that does not let it out.

use std::fmt;
use std::str::FromStr;

/// What is shown in place of a key.
pub(crate) const MASK: &str = "***";

/// The API key of the CMS. It can be neither displayed nor serialized, and its `Debug` is `ApiKey(***)`.
#[derive(Clone)]
pub struct ApiKey(String);

/// Why a text is no API key. It does not quote the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// The text is empty.
    #[error("the api key is empty")]
    Empty,
    /// The text would break the header that carries it; a line end that came along with a secret is the usual case.
    #[error(
        "the api key holds a character that is not visible ASCII, a space or a line end perhaps"
    )]
    NotVisibleAscii,
}

impl FromStr for ApiKey {
    type Err = ApiKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ApiKeyError::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApiKeyError::NotVisibleAscii);
        }
        Ok(Self(text.to_owned()))
    }
}

impl ApiKey {
    /// The key itself, for the header that carries it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with the key masked wherever it occurs: a CMS may quote a bad key in its answer.
    pub(crate) fn masked_in(&self, text: &str) -> String {
        text.replace(&self.0, MASK)
    }

    /// Whether `header` is this key's `Authorization`. Looks at every byte, so that the time it takes does not tell how
    /// much of a guess was right.
    #[cfg(feature = "server")]
    pub(crate) fn authorizes(&self, header: &[u8]) -> bool {
        let bearer = format!("Bearer {}", self.0);
        bearer.len() == header.len()
            && bearer
                .bytes()
                .zip(header)
                .fold(0, |difference, (a, b)| difference | (a ^ b))
                == 0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({MASK})")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_nothing_of_itself_in_debug() {
        let key: ApiKey = "sk-very-secret".parse().unwrap();
        assert_eq!(format!("{key:?}"), "ApiKey(***)");
        assert_eq!(format!("{:?}", Some(key)), "Some(ApiKey(***))");
    }

    #[test]
    fn a_key_that_no_header_could_carry_is_refused_without_being_quoted() {
        assert_eq!("".parse::<ApiKey>().unwrap_err(), ApiKeyError::Empty);
        for text in ["secret\n", "sec ret", "sécret"] {
            let error = text.parse::<ApiKey>().unwrap_err();
            assert_eq!(error, ApiKeyError::NotVisibleAscii);
            assert!(!error.to_string().contains(text.trim()));
        }
    }

    #[test]
    fn a_key_is_masked_wherever_a_text_quotes_it() {
        let key: ApiKey = "k3y".parse().unwrap();
        assert_eq!(key.masked_in("bad key k3y (k3y)"), "bad key *** (***)");
    }

    #[cfg(feature = "server")]
    #[test]
    fn only_the_whole_key_authorizes() {
        let key: ApiKey = "k3y".parse().unwrap();
        assert!(key.authorizes(b"Bearer k3y"));
        for header in ["Bearer k3", "Bearer k3yy", "Bearer k3z", "k3y", ""] {
            assert!(!key.authorizes(header.as_bytes()), "{header}");
        }
    }
}
