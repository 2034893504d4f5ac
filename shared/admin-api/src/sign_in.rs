//! Signing in: what is accepted and answered.

use serde::Serialize;
use serde_json::Value;

use crate::{ApiError, request::Document};

/// The body of POST /auth/user/emailpass. It has no `Debug`, so that no password is shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct SignInRequest {
    /// The email, as the client gave it; not empty.
    pub email: String,
    /// The password, as the client gave it; not empty.
    pub password: String,
}

impl SignInRequest {
    /// Parses a body, and finds fault with it in the order in which Medusa's emailpass provider does: the password first.
    ///
    /// Medusa passes the whole body to the provider, which takes two fields and leaves the others alone; so does this, other
    /// than where a body is kept. A field that is given twice is refused as everywhere.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = match Document::parse(body)? {
            Document::Object(fields) => fields,
            // A list has no fields.
            Document::List => Vec::new(),
        };
        let mut text = |name: &str| {
            let index = fields.iter().position(|(known, _)| known == name)?;
            match fields.swap_remove(index).1 {
                Value::String(text) if !text.is_empty() => Some(text),
                _ => None,
            }
        };
        let refused = |message: &str| ApiError::SignInRefused(message.to_owned());
        let password = text("password").ok_or_else(|| refused("Password should be a string"))?;
        let email = text("email").ok_or_else(|| refused("Email should be a string"))?;
        Ok(Self { email, password })
    }
}

/// The answer to whoever has signed in.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct TokenResponse {
    /// The token to be sent along with requests.
    pub token: String,
}

#[cfg(test)]
mod tests {
    use super::SignInRequest;
    use crate::{ApiError, MAX_BODY};

    fn refusal(body: &[u8]) -> Option<ApiError> {
        SignInRequest::parse(body).err()
    }

    #[test]
    fn an_email_and_a_password_are_taken_as_they_are_whatever_else_is_sent() {
        let body = br#"{"password":" pass word ","remember":true,"email":" A@example.com"}"#;
        let request = SignInRequest::parse(body).ok();
        let request = request.map(|request| (request.email, request.password));
        let expected = (" A@example.com".to_owned(), " pass word ".to_owned());
        assert_eq!(request, Some(expected));
    }

    #[test]
    fn a_password_that_is_missing_or_no_text_or_empty_is_refused_first() {
        let bodies: [&[u8]; 7] = [
            b"",
            b"{}",
            b"[]",
            br#"{"email":5}"#,
            br#"{"email":"a@b.c","password":""}"#,
            br#"{"email":"a@b.c","password":5}"#,
            br#"{"email":"a@b.c","password":null}"#,
        ];
        let expected = ApiError::SignInRefused("Password should be a string".to_owned());
        for body in bodies {
            assert_eq!(
                refusal(body).as_ref(),
                Some(&expected),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn an_email_that_is_missing_or_no_text_or_empty_is_refused() {
        let expected = ApiError::SignInRefused("Email should be a string".to_owned());
        for email in [
            "",
            r#","email":"""#,
            r#","email":["a@b.c"]"#,
            r#","email":null"#,
        ] {
            let body = format!(r#"{{"password":"p"{email}}}"#);
            assert_eq!(refusal(body.as_bytes()).as_ref(), Some(&expected), "{body}");
        }
    }

    #[test]
    fn what_is_no_body_is_refused_as_everywhere() {
        let twice = br#"{"email":"a","password":"b","password":"c"}"#;
        for body in [twice.as_slice(), br#"{"email":"a"#, br#""text""#, b"\xff"] {
            assert!(matches!(refusal(body), Some(ApiError::InvalidData(_))));
        }
        assert_eq!(refusal(&vec![b' '; MAX_BODY + 1]), Some(ApiError::TooLarge));
    }
}
