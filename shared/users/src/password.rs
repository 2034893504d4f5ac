//! Passwords that are to be set.

use std::borrow::Cow;

use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};
use icu_properties::{CodePointMapData, props::GeneralCategory};
use thiserror::Error;

/// A password that a user may be given, in Unicode's normalization form NFKC. It has no `Debug`.
///
/// Keyboards and systems write one and the same character differently: `é` as one character or as two, letters in full width. NIST SP
/// 800-63B (revision 3, 5.1.1.2) asks to normalize before hashing; a password is normalized when it is set and when it is checked.
/// Spaces and case are kept.
///
/// A password that was hashed before this was so, and is not in NFKC, has to be set again.
pub struct NewPassword(String);

impl NewPassword {
    /// The fewest characters, as NIST SP 800-63B (revision 3, 5.1.1.2) asks for. It asks for no mixture of signs, and neither does
    /// this.
    pub const MIN_CHARS: usize = 8;
    /// The most bytes: more than anybody remembers, and few enough that hashing them takes no time to speak of.
    pub const MAX_BYTES: usize = 1024;

    /// Parses a password. Its length is that of its normalized form.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, InvalidPassword> {
        let text = normalized(text.as_ref())?;
        if text.chars().count() < Self::MIN_CHARS {
            return Err(InvalidPassword::TooShort);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidPassword::ControlCharacter);
        }
        let category = CodePointMapData::<GeneralCategory>::new();
        if text
            .chars()
            .any(|character| category.get(character) == GeneralCategory::Unassigned)
        {
            return Err(InvalidPassword::UnassignedCharacter);
        }
        Ok(Self(text.into_owned()))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A password's form NFKC. The length is limited before, to bound the work, and after: NFKC makes some texts eleven times as long.
pub(crate) fn normalized(text: &str) -> Result<Cow<'_, str>, InvalidPassword> {
    const NFKC: ComposingNormalizerBorrowed<'_> = ComposingNormalizer::new_nfkc();
    let bounded = |text: &str| text.len() <= NewPassword::MAX_BYTES;
    if !bounded(text) {
        return Err(InvalidPassword::TooLong);
    }
    let text = NFKC.normalize(text);
    bounded(&text)
        .then_some(text)
        .ok_or(InvalidPassword::TooLong)
}

/// Why a text cannot be a password.
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
    /// It has a character that Unicode does not define yet: a later version may give it another normalized form.
    #[error("the password has a character that Unicode does not define")]
    UnassignedCharacter,
}

#[cfg(test)]
mod tests {
    use super::{InvalidPassword, NewPassword};

    #[test]
    fn a_password_has_8_characters_at_least_whatever_they_are() {
        for text in ["12345678", "pass word", "žluťoučký", "🦀🦀🦀🦀🦀🦀🦀🦀"] {
            assert!(NewPassword::parse(text).is_ok(), "{text}");
        }
        // Counted as normalized: seven letters and seven marks are seven characters.
        let decomposed = "e\u{301}".repeat(7);
        for text in ["", "1234567", "🦀🦀🦀🦀🦀🦀🦀", &decomposed] {
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
        // 3 bytes each, and 33 in NFKC.
        assert_eq!(refusal("\u{fdfa}".repeat(31)), None);
        assert_eq!(
            refusal("\u{fdfa}".repeat(32)),
            Some(InvalidPassword::TooLong)
        );
        assert_eq!(
            refusal("password\u{378}".to_owned()),
            Some(InvalidPassword::UnassignedCharacter)
        );
        assert_eq!(
            refusal("password\r".to_owned()),
            Some(InvalidPassword::ControlCharacter)
        );
    }
}
