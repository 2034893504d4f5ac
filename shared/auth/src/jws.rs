//! Signed texts: a JWS in compact form (RFC 7515), with HMAC-SHA-256 and nothing else.
//!
//! Own code, since it is less of it than of anybody's: `jsonwebtoken` signs either with aws-lc, a second library of
//! cryptography beside ring, or with `rust_crypto`, which brings RSA and three elliptic curves; what is used here is linked
//! already, for the AWS SDK signs its requests with it. And there is nothing to choose: the algorithm is not taken from the
//! token, so a token cannot ask for a weaker one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use sha2::Sha256;

/// A secret, ready to sign and to check with. It has no `Debug`.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

/// The header of what is signed here: `{"alg":"HS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// The parts of a header that matter. Others say nothing that a receiver must know, unless `crit` says that they do.
#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Whether it is there, with whatever value: `null` is no list of names (RFC 7515, 4.1.11).
    #[serde(default, rename = "crit", deserialize_with = "is_there")]
    is_critical: bool,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Why a text is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It does not consist of three parts in base64url.
    Malformed,
    /// No key has signed it.
    Signature,
    /// A key has signed it, but its header asks for another algorithm, or for what is not understood here.
    Header,
}

impl Key {
    pub(crate) fn new(secret: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(secret).ok().map(Self)
    }

    /// The payload, signed.
    pub(crate) fn sign(&self, payload: &[u8]) -> String {
        let mut text = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(payload));
        let signature = self.mac(&text).finalize().into_bytes();
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        text
    }

    /// Compares in constant time: how much of a forged signature is right cannot be measured.
    fn has_signed(&self, signed: &str, signature: &[u8]) -> bool {
        self.mac(signed).verify_slice(signature).is_ok()
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        self.0.clone().chain_update(text)
    }
}

/// The payload of a text that one of the keys has signed. Nothing of it is read before the signature is found right.
pub(crate) fn verify(keys: &[Key], text: &str) -> Result<Vec<u8>, Refused> {
    let (signed, signature) = text.rsplit_once('.').ok_or(Refused::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(Refused::Malformed)?;
    let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed);
    let signature = decode(signature)?;
    if !keys.iter().any(|key| key.has_signed(signed, &signature)) {
        return Err(Refused::Signature);
    }
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Refused::Header)?;
    if header.alg != "HS256" || header.is_critical {
        return Err(Refused::Header);
    }
    decode(payload)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::{HEADER, Key, Refused, verify};

    /// RFC 7515, appendix A.1.
    const RFC_KEY: &str =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const RFC_TEXT: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
        .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
        .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const RFC_PAYLOAD: &str =
        "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

    fn rfc_key() -> Key {
        Key::new(&URL_SAFE_NO_PAD.decode(RFC_KEY).unwrap()).unwrap()
    }

    /// A text with that header, rightly signed.
    fn with_header(header: &str) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode("{}")
        );
        let signature = hmac::Mac::finalize(rfc_key().mac(&signed)).into_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn the_example_of_rfc_7515_is_accepted() {
        let payload = verify(&[rfc_key()], RFC_TEXT);
        assert_eq!(payload, Ok(RFC_PAYLOAD.as_bytes().to_vec()));
    }

    #[test]
    fn the_example_of_rfc_7515_is_refused_once_any_character_of_it_is_another() {
        let mut changed = 0;
        for (index, character) in RFC_TEXT.char_indices() {
            let other = if character == 'A' { "B" } else { "A" };
            let mut text = RFC_TEXT.to_owned();
            text.replace_range(index..=index, other);
            assert!(verify(&[rfc_key()], &text).is_err(), "{text}");
            changed += 1;
        }
        assert_eq!(changed, RFC_TEXT.len());
    }

    #[test]
    fn what_was_signed_is_accepted_and_says_how_it_was_signed() {
        let text = rfc_key().sign(b"payload");
        assert_eq!(verify(&[rfc_key()], &text), Ok(b"payload".to_vec()));
        assert_eq!(
            URL_SAFE_NO_PAD.decode(HEADER).unwrap(),
            br#"{"alg":"HS256","typ":"JWT"}"#
        );
    }

    #[test]
    fn any_of_the_keys_may_have_signed() {
        let other = Key::new(&[7; 32]).unwrap();
        let keys = [other.clone(), rfc_key()];
        assert!(verify(&keys, &rfc_key().sign(b"{}")).is_ok());
        assert_eq!(
            verify(&[other], &rfc_key().sign(b"{}")),
            Err(Refused::Signature)
        );
        assert_eq!(verify(&[], &rfc_key().sign(b"{}")), Err(Refused::Signature));
    }

    #[test]
    fn a_header_with_another_algorithm_is_refused_even_if_the_signature_is_right() {
        for alg in [
            "none", "None", "HS384", "HS512", "RS256", "ES256", "hs256", "",
        ] {
            let text = with_header(&format!(r#"{{"alg":"{alg}"}}"#));
            assert_eq!(verify(&[rfc_key()], &text), Err(Refused::Header), "{alg}");
        }
        for header in [
            "{}",
            "[]",
            r#"{"alg":null}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            "x",
        ] {
            assert_eq!(
                verify(&[rfc_key()], &with_header(header)),
                Err(Refused::Header),
                "{header}"
            );
        }
    }

    #[test]
    fn a_header_needs_no_typ_and_may_say_more_but_nothing_critical() {
        for header in [
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"HS256","typ":"JWT","kid":"1"}"#,
        ] {
            assert!(
                verify(&[rfc_key()], &with_header(header)).is_ok(),
                "{header}"
            );
        }
        for crit in [r#"["exp"]"#, "[]", "null", "false", r#""exp""#] {
            let critical = with_header(&format!(r#"{{"alg":"HS256","crit":{crit},"exp":1}}"#));
            assert_eq!(
                verify(&[rfc_key()], &critical),
                Err(Refused::Header),
                "{crit}"
            );
        }
    }

    #[test]
    fn what_is_no_three_parts_is_refused() {
        let signed = rfc_key().sign(b"{}");
        let unsigned = signed.rsplit_once('.').unwrap().0;
        let cases = [
            String::new(),
            "..".to_owned(),
            "a.b".to_owned(),
            "not.a.token".to_owned(),
            format!("{unsigned}."),
            unsigned.to_owned(),
            format!("{signed}."),
            format!("{signed}.{signed}"),
            format!("{signed}="),
            format!(" {signed}"),
        ];
        for text in cases {
            assert!(verify(&[rfc_key()], &text).is_err(), "{text}");
        }
    }
}
