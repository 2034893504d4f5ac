//! The name of a brand.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The name of a brand: not blank, at most [`BrandName::MAX_CHARS`] characters, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BrandName(String);

impl BrandName {
    /// The most characters (Unicode scalar values) of a name.
    pub const MAX_CHARS: usize = 255;

    /// Parses a name. It is kept as it is given, white space at its ends included, as Medusa keeps it.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidBrandName> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(InvalidBrandName::Blank);
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(InvalidBrandName::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidBrandName::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no name of a brand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidBrandName {
    /// It is empty or white space alone.
    #[error("the name is blank")]
    Blank,
    /// It has more than [`BrandName::MAX_CHARS`] characters.
    #[error("the name has more than {} characters", BrandName::MAX_CHARS)]
    TooLong,
    /// It has a control character: a line break, a NUL.
    #[error("the name has a control character")]
    ControlCharacter,
}

impl fmt::Display for BrandName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl TryFrom<String> for BrandName {
    type Error = InvalidBrandName;

    fn try_from(text: String) -> Result<Self, InvalidBrandName> {
        Self::parse(text)
    }
}

impl From<BrandName> for String {
    fn from(name: BrandName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::{BrandName, InvalidBrandName};

    #[test]
    fn a_name_is_kept_as_it_is_given() {
        for text in [
            "Acme",
            "  Acme  ",
            "Žluťoučký 株式会社 🦀",
            "<script>alert(1)</script>",
        ] {
            assert_eq!(
                BrandName::parse(text).map(|name| name.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn a_blank_name_is_refused() {
        for text in ["", "   ", "\u{a0}"] {
            assert_eq!(
                BrandName::parse(text),
                Err(InvalidBrandName::Blank),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_name_has_at_most_255_characters_whatever_their_bytes() {
        assert!(BrandName::parse("🦀".repeat(255)).is_ok());
        assert_eq!(
            BrandName::parse("n".repeat(256)),
            Err(InvalidBrandName::TooLong)
        );
    }

    #[test]
    fn a_control_character_is_refused() {
        for text in ["a\0b", "a\nb", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(
                BrandName::parse(text),
                Err(InvalidBrandName::ControlCharacter),
                "{text:?}"
            );
        }
    }
}
