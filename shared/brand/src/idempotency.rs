//! Repeating a request safely: the client's key names the brand, so that the repeat meets the brand of the first.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::BrandName;

/// A client's name for one request, as the header `Idempotency-Key` has it: a repeat bears the same, another request
/// another. What one caller names does not meet what another names alike.
///
/// Source: <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The most characters of a key.
    pub const MAX_CHARS: usize = 255;

    /// Parses a key of that caller: 1 to 255 visible ASCII characters, spaces between them allowed.
    pub fn parse(caller: &str, key: &[u8]) -> Result<Self, InvalidIdempotencyKey> {
        let key = key.trim_ascii();
        if key.is_empty() || key.len() > Self::MAX_CHARS {
            return Err(InvalidIdempotencyKey::Length);
        }
        if !key.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(InvalidIdempotencyKey::Character);
        }
        // A key has no line break, so the last one tells where the caller ends.
        Ok(Self(format!("{caller}\n{}", String::from_utf8_lossy(key))))
    }

    /// The key as a UUID of version 5, which is the id of the brand that is created under it.
    pub(crate) fn uuid(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, self.0.as_bytes())
    }
}

/// Why a text is no idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidIdempotencyKey {
    /// It is empty or longer than [`IdempotencyKey::MAX_CHARS`].
    #[error("an idempotency key has 1 to {} characters", IdempotencyKey::MAX_CHARS)]
    Length,
    /// It has a character that is not visible ASCII.
    #[error("an idempotency key has visible ASCII characters only")]
    Character,
}

/// What a brand was created from, so that a repeat of that request is told from another request under the same key.
///
/// A brand's name may change later; this does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestDigest(Uuid);

impl RequestDigest {
    /// The digest of a request to create a brand of that name: there is nothing else in it.
    #[must_use]
    pub fn of(name: &BrandName) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, name.as_str().as_bytes()))
    }
}

impl fmt::Display for RequestDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(formatter)
    }
}

/// The namespace of this application's name-based UUIDs. Random; it must not change.
const NAMESPACE: Uuid = Uuid::from_u128(0x6e1f_8a52_93c7_4d0e_b5a4_0c9d_7e36_1f28);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::{IdempotencyKey, InvalidIdempotencyKey, RequestDigest};
    use crate::{BrandId, BrandName};

    fn id(caller: &str, key: &str) -> BrandId {
        BrandId::of(&IdempotencyKey::parse(caller, key.as_bytes()).unwrap())
    }

    #[test]
    fn the_same_key_of_the_same_caller_names_the_same_brand_in_every_release() {
        assert_eq!(id("user_1", "k"), id("user_1", " k "));
        assert_eq!(
            id("user_1", "k").to_string(),
            "6c28dacd-4e58-5a26-a2a1-b695b12c36c5"
        );
    }

    #[test]
    fn another_key_or_another_caller_names_another_brand() {
        assert_ne!(id("user_1", "k"), id("user_1", "K"));
        assert_ne!(id("user_1", "k"), id("user_2", "k"));
        assert_ne!(id("user_1", "1k"), id("user_11", "k"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let parse = |key: &[u8]| IdempotencyKey::parse("", key);
        assert_eq!(parse(b" "), Err(InvalidIdempotencyKey::Length));
        assert_eq!(parse(&[b'k'; 256]), Err(InvalidIdempotencyKey::Length));
        assert!(parse(&[b'k'; 255]).is_ok());
        assert_eq!(parse(b"a\nb"), Err(InvalidIdempotencyKey::Character));
        assert_eq!(parse("é".as_bytes()), Err(InvalidIdempotencyKey::Character));
    }

    #[test]
    fn another_request_has_another_digest() {
        let digest = |name| RequestDigest::of(&BrandName::parse(name).unwrap());
        assert_eq!(digest("Acme"), digest("Acme"));
        assert_ne!(digest("Acme"), digest("Acme "));
    }
}
