//! The email that a user signs in with.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An email, in the one form that it is kept and looked up in.
///
/// White space around it is taken off and letters are made small, since that is what people and their keyboards add by
/// themselves. Nothing else is changed: `a.b@x` and `ab@x`, `a+shop@x` and `a@x`, `müller@x` composed and decomposed, a
/// domain and its punycode are different emails. Medusa itself tells even `A@x` and `a@x` apart.
///
/// It does not show itself in logs: its `Debug` has nothing of it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// The most bytes of an email (RFC 5321, 4.5.3.1.3, without the angle brackets).
    pub const MAX_BYTES: usize = 254;

    /// Parses an email. Whether somebody receives mail there is not asked.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim().to_lowercase();
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidEmail::TooLong);
        }
        let parts = text.rsplit_once('@');
        let has_parts =
            parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        let odd = |character: char| character.is_whitespace() || character.is_control();
        if !has_parts || text.contains(odd) {
            return Err(InvalidEmail::NoEmail);
        }
        Ok(Self(text))
    }

    /// The email as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no email.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidEmail {
    /// It lacks something before or after an `@`, or has white space or control characters in it.
    #[error("it is not of the form name@domain")]
    NoEmail,
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
            "mu\u{308}ller@x",
        ] {
            assert_eq!(parsed(text), Ok(text.to_owned()));
        }
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
            assert_eq!(parsed(text), Err(InvalidEmail::NoEmail), "{text:?}");
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
