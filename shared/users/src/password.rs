//! Passwords that are to be set.

use thiserror::Error;

/// A password that a user may be given. It has no `Debug`.
pub struct NewPassword(String);

impl NewPassword {
    /// The fewest characters, as NIST SP 800-63B (revision 3, 5.1.1.2) asks for. It asks for no mixture of signs, and neither does
    /// this.
    pub const MIN_CHARS: usize = 8;
    /// The most bytes: more than anybody remembers, and few enough that hashing them takes no time to speak of.
    pub const MAX_BYTES: usize = 1024;

    /// Parses a password. It is kept as it is, spaces included, and is not brought into a normal form of Unicode.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidPassword> {
        let text = text.into();
        if text.chars().count() < Self::MIN_CHARS {
            return Err(InvalidPassword::TooShort);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidPassword::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidPassword::ControlCharacter);
        }
        Ok(Self(text))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Why a text is no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidPassword {
    /// It has fewer than [`NewPassword::MIN_CHARS`] characters.
    #[error("the password has fewer than {} characters", NewPassword::MIN_CHARS)]
    TooShort,
    /// It has more than [`NewPassword::MAX_BYTES`] bytes.
    #[error("the password has more than {} bytes", NewPassword::MAX_BYTES)]
    TooLong,
    /// It has a control character, which came there by accident: a line break of a file, say.
    #[error("the password has a control character")]
    ControlCharacter,
}

#[cfg(test)]
mod tests {
    use super::{InvalidPassword, NewPassword};

    #[test]
    fn a_password_has_8_characters_at_least_whatever_they_are() {
        for text in ["12345678", "pass word", "žluťoučký", "🦀🦀🦀🦀🦀🦀🦀🦀"] {
            assert!(NewPassword::parse(text).is_ok(), "{text}");
        }
        for text in ["", "1234567", "🦀🦀🦀🦀🦀🦀🦀"] {
            assert_eq!(
                NewPassword::parse(text).err(),
                Some(InvalidPassword::TooShort),
                "{text}"
            );
        }
    }

    #[test]
    fn a_password_that_cannot_be_meant_is_refused() {
        let refusal = |text: String| NewPassword::parse(text).err();
        assert_eq!(refusal("p".repeat(1024)), None);
        assert_eq!(refusal("p".repeat(1025)), Some(InvalidPassword::TooLong));
        assert_eq!(
            refusal("password\r".to_owned()),
            Some(InvalidPassword::ControlCharacter)
        );
    }
}
