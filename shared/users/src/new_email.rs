//! The email of a user who is created.

use icu_properties::{
    CodePointMapData,
    props::{GeneralCategory, GeneralCategoryGroup},
};
use thiserror::Error;
use unicode_security::{
    GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection,
    confusable_detection::skeleton,
};

use crate::{Email, InvalidEmail};

/// An email that a user may be created with: one that people can read, and that does not pass for another.
///
/// Letters come from the scripts of living languages; before the `@`, and in each label of the domain, from one writing system (UTS 39,
/// Highly Restrictive). So there is no invisible, bidirectional, format or unassigned character, no symbol, and no `а` from Cyrillic among
/// Latin letters. A part in another script that reads as ASCII from end to end is refused too: `аррӏе` for `apple`.
///
/// Beside letters there are ASCII digits, hyphens and dots, and before the `@` the other characters of an RFC 5322 dot-atom.
///
/// Only creating a user takes this. Signing in takes an [`Email`]: rows from before keep working, and the function does not link these
/// tables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewEmail(Email);

/// The characters of a dot-atom beside letters, digits and dots (RFC 5322, 3.2.3).
const ATOM: &str = "!#$%&'*+-/=?^_`{|}~";

impl NewEmail {
    /// Parses an email of a new user.
    pub fn parse(text: &str) -> Result<Self, InvalidNewEmail> {
        let email = Email::parse(text)?;
        let (local, domain) = email.as_str().split_once('@').unwrap_or_default();
        check(local.split('.'), |character| ATOM.contains(character))?;
        check_scripts(local)?;
        check(domain.split('.'), |character| character == '-')?;
        domain.split('.').try_for_each(check_scripts)?;
        Ok(Self(email))
    }
}

impl From<NewEmail> for Email {
    fn from(email: NewEmail) -> Self {
        email.0
    }
}

/// Checks each part between dots: not empty, and of letters, digits and those ASCII characters.
fn check<'text>(
    parts: impl Iterator<Item = &'text str>,
    is_allowed: fn(char) -> bool,
) -> Result<(), InvalidNewEmail> {
    for part in parts {
        if part.is_empty() {
            return Err(InvalidNewEmail::EmptyPart);
        }
        let mut previous = None;
        for character in part.chars() {
            let is_allowed = if character.is_ascii() {
                character.is_ascii_alphanumeric() || is_allowed(character)
            } else {
                is_letter_or_mark_after(previous, character)
            };
            if !is_allowed {
                return Err(InvalidNewEmail::Character(character));
            }
            previous = Some(character);
        }
    }
    Ok(())
}

/// Whether it is a letter, or a mark on a letter. The same mark twice looks like once (UTS 39, 5.4).
fn is_letter_or_mark_after(previous: Option<char>, character: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new();
    let is = |character, group: GeneralCategoryGroup| group.contains(category.get(character));
    let is_in_place = if is(character, GeneralCategoryGroup::Mark) {
        previous.is_some_and(|previous| {
            previous != character
                && is(
                    previous,
                    GeneralCategoryGroup::Letter.union(GeneralCategoryGroup::Mark),
                )
        })
    } else {
        is(character, GeneralCategoryGroup::Letter)
    };
    is_in_place && character.identifier_allowed()
}

fn check_scripts(text: &str) -> Result<(), InvalidNewEmail> {
    if text.is_ascii() {
        return Ok(());
    }
    let letters: String = text
        .chars()
        .filter(|character| !character.is_ascii() || character.is_ascii_alphanumeric())
        .collect();
    if !letters
        .as_str()
        .check_restriction_level(RestrictionLevel::HighlyRestrictive)
    {
        return Err(InvalidNewEmail::MixedScripts);
    }
    if skeleton(text).all(|character| character.is_ascii()) {
        return Err(InvalidNewEmail::LooksLikeAscii);
    }
    Ok(())
}

/// Why a user cannot be created with a text as the email.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidNewEmail {
    /// It is not an email.
    #[error(transparent)]
    NotAnEmail(#[from] InvalidEmail),
    /// There is nothing before, after or between dots.
    #[error("it has nothing before, after or between two dots")]
    EmptyPart,
    /// It has a character that is not a letter, digit, or one of a few others, or is in the wrong place. The message names the
    /// character by its number, since it may be invisible.
    #[error("it must not have the character U+{:04X} where it has it", u32::from(*.0))]
    Character(char),
    /// It mixes letters of different scripts.
    #[error("it mixes letters of different scripts, as a forgery does")]
    MixedScripts,
    /// It is not ASCII, and looks as if it were.
    #[error("it has a part of other than ASCII letters that looks like ASCII")]
    LooksLikeAscii,
}

#[cfg(test)]
mod tests {
    use super::{InvalidNewEmail, NewEmail};
    use crate::{Email, InvalidEmail};

    fn parsed(text: &str) -> Result<String, InvalidNewEmail> {
        NewEmail::parse(text).map(|email| Email::from(email).as_str().to_owned())
    }

    #[test]
    fn emails_that_people_have_are_allowed() {
        for text in [
            "admin@example.com",
            "first.last+shop_1@sub-1.example.co.uk",
            "o'brien@example.ie",
            "admin@localhost",
            "m\u{fc}ller@b\u{fc}cher.example",
            "nguy\u{1ec5}n@example.vn",
            "\u{438}\u{432}\u{430}\u{43d}@example.com",
            "\u{438}\u{432}\u{430}\u{43d}@\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.\u{440}\u{444}",
            "\u{7530}\u{4e2d}\u{3055}\u{3093}.tanaka@example.jp",
            "\u{645}\u{62f}\u{64a}\u{631}@example.eg",
            "\u{930}\u{93e}\u{92e}@example.in",
            "\u{d55c}\u{ae00}@example.kr",
            "a@xn--mller-kva.example",
        ] {
            assert_eq!(parsed(text), Ok(text.to_owned()), "{text:?}");
        }
        assert_eq!(
            parsed(" \u{ff21}dmin\u{ff20}Example\u{3002}com "),
            Ok("admin@example.com".to_owned())
        );
    }

    #[test]
    fn a_character_that_cannot_be_seen_or_read_is_refused() {
        let mut refused = 0;
        for character in [
            '\u{ad}',    // soft hyphen
            '\u{34f}',   // combining grapheme joiner
            '\u{61c}',   // Arabic letter mark
            '\u{115f}',  // Hangul filler, which is a letter
            '\u{3164}',  // the same of another block
            '\u{180e}',  // Mongolian vowel separator
            '\u{200b}',  // zero width space
            '\u{200c}',  // zero width non-joiner
            '\u{200d}',  // zero width joiner
            '\u{200e}',  // left-to-right mark
            '\u{202e}',  // right-to-left override
            '\u{2060}',  // word joiner
            '\u{2066}',  // left-to-right isolate
            '\u{2800}',  // Braille blank
            '\u{fe0f}',  // variation selector
            '\u{feff}',  // byte order mark
            '\u{fff9}',  // interlinear annotation
            '\u{fffd}',  // replacement character
            '\u{e0041}', // a tag
            '\u{e000}',  // private use
            '\u{378}',   // unassigned
            '\u{ffff}',  // never assigned
            '\u{1f600}', // a symbol
            '\u{2010}',  // a hyphen that is not ASCII's
            '\u{2044}',  // fraction slash
            '\u{2019}',  // a quotation mark
            '\u{13a0}',  // Cherokee, of limited use
            '\u{16a0}',  // a rune
            '\u{661}',   // a digit that is not ASCII's
            '"',
            '@',
        ] {
            for text in [
                format!("ad{character}min@example.com"),
                format!("admin@exam{character}ple.com"),
            ] {
                let answer = parsed(&text);
                assert!(
                    matches!(answer, Err(InvalidNewEmail::Character(_))),
                    "{text:?}: {answer:?}"
                );
                refused += 1;
            }
        }
        assert_eq!(refused, 62);
    }

    #[test]
    fn a_look_alike_is_refused() {
        for (text, expected) in [
            // A Cyrillic а, a Greek ο.
            ("\u{430}dmin@example.com", InvalidNewEmail::MixedScripts),
            ("admin@ex\u{430}mple.com", InvalidNewEmail::MixedScripts),
            (
                "adm\u{3b9}n.\u{3bf}@example.com",
                InvalidNewEmail::MixedScripts,
            ),
            // Cyrillic from end to end: apple.
            (
                "\u{430}\u{440}\u{440}\u{4cf}\u{435}@example.com",
                InvalidNewEmail::LooksLikeAscii,
            ),
            (
                "admin@\u{430}\u{440}\u{440}\u{4cf}\u{435}.com",
                InvalidNewEmail::LooksLikeAscii,
            ),
            // A Latin i without a dot.
            ("adm\u{131}n@example.com", InvalidNewEmail::LooksLikeAscii),
        ] {
            assert_eq!(parsed(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn a_mark_stands_on_a_letter_and_once() {
        for text in [
            "\u{301}admin@example.com",
            "a.\u{323}b@example.com",
            "+\u{323}@example.com",
            "x\u{323}\u{323}@example.com",
        ] {
            let answer = parsed(text);
            assert!(
                matches!(answer, Err(InvalidNewEmail::Character(_))),
                "{text:?}: {answer:?}"
            );
        }
    }

    #[test]
    fn a_dot_stands_between_two_parts() {
        for text in [
            ".admin@example.com",
            "admin.@example.com",
            "ad..min@example.com",
            "admin@.example.com",
            "admin@example.com.",
            "admin@example\u{3002}\u{3002}com",
        ] {
            assert_eq!(parsed(text), Err(InvalidNewEmail::EmptyPart), "{text:?}");
        }
        assert_eq!(
            parsed("admin"),
            Err(InvalidNewEmail::NotAnEmail(InvalidEmail::NotAnEmail))
        );
    }

    /// Whatever an operator types, the answer is an email that is found again, or a reason.
    #[test]
    fn no_character_panics_and_what_is_allowed_is_found_again() {
        let mut allowed = 0;
        for character in '\0'..='\u{ffff}' {
            let text = format!("{character}{character}@{character}.example");
            if let Ok(email) = parsed(&text) {
                assert_eq!(Email::parse(&email).map(String::from), Ok(email));
                allowed += 1;
            }
        }
        assert!((20_000..60_000).contains(&allowed), "{allowed}");
    }
}
