//! The email that a user signs in with.

use std::fmt;

use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An email, in the one form in which it is stored and looked up: without white space around it, in lower case, in Unicode's
/// normalization form NFKC.
///
/// So one address is one account, however a keyboard writes it: `é` as one character or as two, letters and `@` in full width, `。` for
/// the dots of a domain. Nothing else is changed: `a.b@x` and `ab@x`, `a+shop@x` and `a@x`, a domain and its punycode are different
/// emails. Medusa itself tells even `A@x` and `a@x` apart.
///
/// This is lenient, as a lookup may be: it finds a user or it does not. The email of a new user is a [`NewEmail`](crate::NewEmail),
/// which is strict. Its `Debug` hides the email from logs.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// The most bytes of an email (RFC 5321, 4.5.3.1.3, without the angle brackets).
    pub const MAX_BYTES: usize = 254;
    /// The most bytes of a text that is normalized, to bound the work. A character in full width has three bytes for one.
    const MAX_TEXT_BYTES: usize = 4 * Self::MAX_BYTES;

    /// Parses an email. Whether mail arrives there is not checked.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        if text.len() > Self::MAX_TEXT_BYTES {
            return Err(InvalidEmail::TooLong);
        }
        let text = normalized(text);
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidEmail::TooLong);
        }
        let odd = |character: char| character.is_whitespace() || character.is_control();
        if text.contains(odd) {
            return Err(InvalidEmail::NotAnEmail);
        }
        match text.rsplit_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => {
                // The dots that IDNA takes for `.` (RFC 3490, 3.1); NFKC has made this one of the others.
                Ok(Self(format!("{local}@{}", domain.replace('\u{3002}', "."))))
            }
            _ => Err(InvalidEmail::NotAnEmail),
        }
    }

    /// The email as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// NFKC and lower case, in a form that the same again leaves as it is. NFKC comes first, since it makes capital letters of some signs,
/// and again, since lower case can undo it.
fn normalized(text: &str) -> String {
    const NFKC: ComposingNormalizerBorrowed<'_> = ComposingNormalizer::new_nfkc();
    let lower = NFKC.normalize(text).to_lowercase();
    NFKC.normalize(&lower).into_owned()
}

/// Why a text is not an email.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidEmail {
    /// It lacks something before or after an `@`, or has white space or control characters in it.
    #[error("it is not of the form name@domain")]
    NotAnEmail,
    /// It has more than [`Email::MAX_BYTES`] bytes.
    #[error("it has more than {} bytes", Email::MAX_BYTES)]
    TooLong,
}

impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Email(***)")
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        Self::parse(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Email, InvalidEmail};

    fn parsed(text: &str) -> Result<String, InvalidEmail> {
        Email::parse(text).map(String::from)
    }

    #[test]
    fn space_around_and_capital_letters_do_not_matter() {
        for text in [
            "admin@example.com",
            " Admin@Example.COM\n",
            "ADMIN@EXAMPLE.COM",
        ] {
            assert_eq!(parsed(text), Ok("admin@example.com".to_owned()), "{text}");
        }
        assert_eq!(
            parsed("ÄRZTE@example.com"),
            Ok("ärzte@example.com".to_owned())
        );
    }

    #[test]
    fn everything_else_does() {
        for text in [
            "a.b@x.org",
            "a+shop@x.org",
            "\"a@b\"@x.org",
            "m\u{fc}ller@x",
            "a@xn--mller-kva.example",
        ] {
            assert_eq!(parsed(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn an_email_is_the_same_in_whichever_unicode_form_it_is_typed() {
        for (text, email) in [
            ("mu\u{308}ller@example.com", "m\u{fc}ller@example.com"),
            ("MU\u{308}LLER@example.com", "m\u{fc}ller@example.com"),
            (
                "\u{ff21}dmin\u{ff20}example\u{ff0e}com",
                "admin@example.com",
            ),
            ("admin@example\u{3002}co\u{ff61}jp", "admin@example.co.jp"),
            ("o\u{fb03}ce@example.com", "office@example.com"),
            // The Kelvin sign, and a sign of which NFKC makes capital letters.
            ("\u{212a}@example.com", "k@example.com"),
            ("\u{2122}@example.com", "tm@example.com"),
            // A capital letter of which lower case makes two characters.
            ("\u{130}@example.com", "i\u{307}@example.com"),
            // The same where that puts two marks out of order.
            ("\u{130}\u{327}@example.com", "i\u{327}\u{307}@example.com"),
            ("\u{3000}admin@example.com\u{a0}", "admin@example.com"),
        ] {
            assert_eq!(parsed(text), Ok(email.to_owned()), "{text:?}");
        }
    }

    /// With each character of the ranges of Unicode in which NFKC or lower case changes any, beside marks that it may combine with.
    #[test]
    fn what_is_stored_is_found_again() {
        let mut parsed_once = 0;
        let ranges = [
            '\0'..='\u{33ff}',
            '\u{a640}'..='\u{abff}',
            '\u{f900}'..='\u{ffff}',
            '\u{10400}'..='\u{118ff}',
            '\u{16e40}'..='\u{16eff}',
            '\u{1d400}'..='\u{1f2ff}',
            '\u{2f800}'..='\u{2fa1f}',
        ];
        for character in ranges.into_iter().flatten() {
            for text in [
                format!("a{character}@b{character}c.d"),
                format!("{character}\u{307}\u{323}@b"),
            ] {
                if let Ok(once) = parsed(&text) {
                    assert_eq!(parsed(&once).as_ref(), Ok(&once), "{text:?}");
                    parsed_once += 1;
                }
            }
        }
        assert!(parsed_once > 50_000, "{parsed_once}");
    }

    #[test]
    fn what_is_no_email_is_refused() {
        for text in [
            "",
            "  ",
            "admin",
            "@example.com",
            "admin@",
            "ad min@example.com",
            "admin@exa\0mple.com",
        ] {
            assert_eq!(parsed(text), Err(InvalidEmail::NotAnEmail), "{text:?}");
        }
        // Long before NFKC, and long after it: eleven times as long.
        let long = "\u{ff41}".repeat(250);
        assert!(parsed(&format!("{long}@b")).is_ok());
        for text in [
            format!("{}@b", "\u{ff41}".repeat(339)),
            format!("{}@b", "\u{fdfa}".repeat(8)),
            format!("a@{}", "e\u{301}".repeat(90 * 1024)),
        ] {
            assert_eq!(parsed(&text), Err(InvalidEmail::TooLong));
        }
        let domain = "d".repeat(Email::MAX_BYTES - 2);
        assert!(parsed(&format!("a@{domain}")).is_ok());
        assert_eq!(parsed(&format!("aa@{domain}")), Err(InvalidEmail::TooLong));
    }

    #[test]
    fn an_email_does_not_show_itself() {
        let email = Email::parse("admin@example.com");
        assert_eq!(format!("{email:?}"), "Ok(Email(***))");
    }
}
