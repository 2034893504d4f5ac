//! The name of a brand.
//!
//! Strict at the edge, lenient when reading: [`BrandName::parse`] decides what a client may send; [`BrandName::stored`] takes
//! what a row has. So a rule that is added to `parse` never makes a stored brand unreadable.

use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointSetData,
    props::{DefaultIgnorableCodePoint, NoncharacterCodePoint},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The name of a brand. One that a client sends has something visible, at most [`BrandName::MAX_CHARS`] characters, and no
/// control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct BrandName(String);

impl BrandName {
    /// The most characters (Unicode scalar values) of a name, in its composed form.
    pub const MAX_CHARS: usize = 255;

    /// Into how many characters the canonical decomposition takes one apart, at most.
    const MOST_DECOMPOSED: usize = 4;

    /// Parses the name that a client sends. It is kept in the composed form (NFC), so that names which look alike to the
    /// letter are the same text. White space at its ends stays, as Medusa keeps it.
    ///
    /// Characters without a meaning in this version of Unicode are accepted: the next version may give them one. Private
    /// ones are accepted, too, since logos are among them. Noncharacters are refused: Unicode keeps them out of text that
    /// is exchanged, and XML cannot hold all of them.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, InvalidBrandName> {
        let text = text.as_ref();
        // Not even composed would it be short enough. This bounds the work of composing.
        let most = Self::MAX_CHARS * Self::MOST_DECOMPOSED;
        if text.chars().nth(most).is_some() {
            return Err(InvalidBrandName::TooLong);
        }
        let name = ComposingNormalizerBorrowed::new_nfc().normalize(text);
        if name.chars().all(is_invisible) {
            return Err(InvalidBrandName::Blank);
        }
        if name.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(InvalidBrandName::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(InvalidBrandName::ControlCharacter);
        }
        if name.chars().any(is_not_text) {
            return Err(InvalidBrandName::NotText);
        }
        Ok(Self(name.into_owned()))
    }

    /// The name that a row has, whatever [`parse`](Self::parse) would say to it.
    #[must_use]
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
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
    /// It has nothing visible: it is empty, or has white space and invisible characters alone.
    #[error("the name is blank")]
    Blank,
    /// It has more than [`BrandName::MAX_CHARS`] characters.
    #[error("the name has more than {} characters", BrandName::MAX_CHARS)]
    TooLong,
    /// It has a control character: a line break, a NUL.
    #[error("the name has a control character")]
    ControlCharacter,
    /// It has U+FFFD, which stands where bytes were lost, or a noncharacter.
    #[error("the name is not valid text")]
    NotText,
}

/// Whether nothing is to be seen of a character: white space, what Unicode lets fonts leave out (zero-width characters, fillers,
/// variation selectors, tags), the anchors of annotations, and characters that are drawn as a blank.
fn is_invisible(char: char) -> bool {
    const BLANK: [char; 2] = ['\u{2800}', '\u{1d159}']; // a pattern of no dots, a note without a head
    let is_ignorable = || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(char);
    char.is_whitespace()
        || BLANK.contains(&char)
        || matches!(char, '\u{fff9}'..='\u{fffb}')
        || !char.is_ascii() && is_ignorable()
}

fn is_not_text(char: char) -> bool {
    char == char::REPLACEMENT_CHARACTER
        || !char.is_ascii() && CodePointSetData::new::<NoncharacterCodePoint>().contains(char)
}

impl fmt::Display for BrandName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl From<String> for BrandName {
    /// For serde: it reads what is stored.
    fn from(text: String) -> Self {
        Self::stored(text)
    }
}

impl From<BrandName> for String {
    fn from(name: BrandName) -> Self {
        name.0
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::{BrandName, InvalidBrandName};

    fn parsed(text: &str) -> Result<String, InvalidBrandName> {
        BrandName::parse(text).map(String::from)
    }

    #[test]
    fn a_composed_name_is_kept_as_it_is_given() {
        for text in [
            "Acme",
            "  Acme  ",
            "Žluťoučký 株式会社 🦀",
            "<script>alert(1)</script>",
            "👩\u{200d}🚀 \u{2764}\u{fe0f}",
            "\u{f8ff}",    // private: a logo
            "\u{e1234}a",  // ignorable, but not alone
            "\u{378}",     // without a meaning so far
            "क\u{93f}ताब", // vowel signs are marks
        ] {
            assert_eq!(parsed(text), Ok(text.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_stored_in_the_composed_form_and_counted_in_it() {
        assert_eq!(parsed("Nestle\u{301}"), Ok("Nestlé".to_owned()));
        assert_eq!(parsed("\u{212b}"), Ok("\u{c5}".to_owned()));
        assert_eq!(
            parsed("ﬁ"),
            Ok("ﬁ".to_owned()),
            "a ligature is another text"
        );
        let four_to_one = "\u{3b1}\u{313}\u{300}\u{345}".repeat(255);
        assert_eq!(parsed(&four_to_one), Ok("\u{1f82}".repeat(255)));
        // These are longer composed, since Unicode keeps them apart.
        assert!(parsed(&"\u{fb2c}".repeat(85)).is_ok());
        let refused = parsed(&"\u{fb2c}".repeat(86));
        assert_eq!(refused, Err(InvalidBrandName::TooLong));
    }

    #[test]
    fn a_name_with_nothing_visible_is_refused() {
        let invisible = "\u{200b}\u{200c}\u{200d}\u{200e}\u{2060}\u{2064}\u{ad}\u{34f}\u{61c}\u{3164}\u{115f}\u{1160}\u{ffa0}\u{feff}\u{180e}\u{180b}\u{17b4}\u{2800}\u{fe00}\u{fe0f}\u{e0100}\u{e0001}\u{e0041}\u{e007f}\u{fff9}\u{1d173}\u{202e}\u{3000}\u{a0}";
        let each = invisible.chars().map(String::from);
        for text in each.chain(["", "   ", invisible, " \u{200b} "].map(String::from)) {
            assert_eq!(parsed(&text), Err(InvalidBrandName::Blank), "{text:?}");
            assert!(parsed(&format!("{text}A")).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_name_has_at_most_255_characters_whatever_their_bytes() {
        assert!(BrandName::parse("🦀".repeat(255)).is_ok());
        for length in [256, 1020, 1021, 100_000] {
            let refused = BrandName::parse("n".repeat(length));
            assert_eq!(refused, Err(InvalidBrandName::TooLong), "{length}");
        }
    }

    #[test]
    fn a_control_character_is_refused() {
        for text in ["a\0b", "a\nb", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(parsed(text), Err(InvalidBrandName::ControlCharacter));
        }
    }

    #[test]
    fn what_was_lost_and_noncharacters_are_refused() {
        for text in [
            "Nestl\u{fffd}",
            "\u{fffd}",
            "a\u{ffff}",
            "a\u{fdd0}",
            "a\u{1fffe}",
        ] {
            assert_eq!(parsed(text), Err(InvalidBrandName::NotText), "{text:?}");
        }
    }

    #[test]
    fn what_is_stored_is_read_whatever_a_client_may_send_today() {
        for text in ["", "\u{200b}", "a\nb", "\u{fffd}", &"n".repeat(256)] {
            assert!(BrandName::parse(text).is_err());
            let read: BrandName = serde_json::from_value(text.into()).unwrap();
            assert_eq!(read.as_str(), text);
        }
    }
}
