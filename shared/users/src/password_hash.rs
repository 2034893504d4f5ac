//! What is kept of a password, and checking one against it.

use std::{fmt, str::FromStr, sync::Arc};

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{self, phc},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::NewPassword;

/// A salted hash of a password with Argon2id, as a PHC string: it says by itself how it was made. Its `Debug` has nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash(phc::PasswordHash);

/// The hash of nobody's password: 32 random bytes. Made like those of [`Argon2id::hash`], so that it takes as long to check.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$jr4Zt8ifsftlqGEX4UcpRg$bcxzSWbqq/Z31MUPOISWuX9eus/BT6wHKSQKNGzCm6M";

impl PasswordHash {
    /// The hash to check a password against where there is no user, so that an email that nobody has takes as long to refuse
    /// as a wrong password. No password fits it.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "a constant, which a test parses"
    )]
    pub fn of_nobody() -> Self {
        NOBODYS.parse().expect("a PHC string")
    }
}

impl FromStr for PasswordHash {
    type Err = InvalidPasswordHash;

    fn from_str(text: &str) -> Result<Self, InvalidPasswordHash> {
        let hash = phc::PasswordHash::new(text).map_err(|_| InvalidPasswordHash)?;
        let can_be_checked = hash.algorithm == ARGON2ID_IDENT
            && hash.salt.is_some()
            && hash.hash.is_some()
            && Params::try_from(&hash).is_ok();
        can_be_checked
            .then_some(Self(hash))
            .ok_or(InvalidPasswordHash)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(***)")
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = InvalidPasswordHash;

    fn try_from(text: String) -> Result<Self, InvalidPasswordHash> {
        text.parse()
    }
}

impl From<PasswordHash> for String {
    fn from(hash: PasswordHash) -> Self {
        hash.0.to_string()
    }
}

/// A text is no hash of a password with Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is no PHC string of Argon2id")]
pub struct InvalidPasswordHash;

/// A password could not be hashed: the machine gave no random bytes or no memory.
#[derive(Clone, Debug, Error)]
#[error("the password could not be hashed")]
pub struct HashError(#[source] Arc<password_hash::Error>);

/// A way to check passwords. A port, so that a test can count how often one is checked.
pub trait Passwords: Send + Sync {
    /// Whether the hash is that password's.
    fn verify(&self, password: &str, hash: &PasswordHash) -> bool;
}

/// Argon2id, with OWASP's parameters: 19 MiB of memory, two passes, one lane.
///
/// Source: OWASP Password Storage Cheat Sheet. To check a password, the parameters are taken from its hash, so these can be
/// raised; whoever has a hash of before keeps it until `operate set-password`.
///
/// A hash takes a processor some tens of milliseconds, during which the thread does nothing else. In a Lambda function nobody waits for
/// it: an environment has one request at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Argon2id;

impl Argon2id {
    /// KiB of memory.
    const MEMORY: u32 = 19 * 1024;
    const PASSES: u32 = 2;
    const LANES: u32 = 1;

    /// Hashes a password, with a new random salt.
    pub fn hash(password: &NewPassword) -> Result<PasswordHash, HashError> {
        let failed = |error| HashError(Arc::new(error));
        let params = Params::new(Self::MEMORY, Self::PASSES, Self::LANES, None)
            .map_err(|error| failed(error.into()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = argon2.hash_password(password.as_bytes()).map_err(failed)?;
        Ok(PasswordHash(hash))
    }
}

impl Passwords for Argon2id {
    fn verify(&self, password: &str, hash: &PasswordHash) -> bool {
        // The parameters of this instance are not used: those of the hash are.
        Argon2::default()
            .verify_password(password.as_bytes(), &hash.0)
            .is_ok()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::{Argon2id, InvalidPasswordHash, PasswordHash, Passwords};
    use crate::NewPassword;

    /// Made by the reference implementation, with parameters that are not ours: the password is "password".
    const FOREIGN: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    fn hash(password: &str) -> PasswordHash {
        Argon2id::hash(&NewPassword::parse(password).unwrap()).unwrap()
    }

    #[test]
    fn a_password_fits_its_hash_and_no_other_does() {
        let hash = hash("supersecret");
        assert!(Argon2id.verify("supersecret", &hash));
        for other in ["", "Supersecret", "supersecret ", "supersecre"] {
            assert!(!Argon2id.verify(other, &hash), "{other}");
        }
    }

    #[test]
    fn a_hash_is_salted_and_says_how_it_was_made() {
        let (first, second) = (
            String::from(hash("supersecret")),
            String::from(hash("supersecret")),
        );
        assert_ne!(first, second);
        assert!(
            first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{first}"
        );
        let parsed: PasswordHash = first.parse().unwrap();
        assert!(Argon2id.verify("supersecret", &parsed));
    }

    #[test]
    fn parameters_are_those_of_the_hash() {
        let foreign: PasswordHash = FOREIGN.parse().unwrap();
        assert!(Argon2id.verify("password", &foreign));
        assert!(!Argon2id.verify("passwore", &foreign));
    }

    #[test]
    fn nobodys_hash_is_made_as_everybodys() {
        let (nobodys, somebodys) = (PasswordHash::of_nobody().0, hash("supersecret").0);
        assert_eq!(nobodys.algorithm, somebodys.algorithm);
        assert_eq!(nobodys.version, somebodys.version);
        assert_eq!(nobodys.params, somebodys.params);
        let length =
            |hash: argon2::password_hash::phc::PasswordHash| hash.hash.map(|output| output.len());
        assert_eq!(length(nobodys), length(somebodys));
        assert!(!Argon2id.verify("", &PasswordHash::of_nobody()));
    }

    #[test]
    fn what_cannot_be_checked_is_no_hash() {
        let hashes = [
            "",
            "supersecret",
            "$argon2id$v=19$m=19456,t=2,p=1",
            FOREIGN.trim_end_matches("$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
            &FOREIGN.replace("argon2id", "argon2i"),
            &FOREIGN.replace("argon2id", "scrypt"),
            &FOREIGN.replace("m=256", "m=1"),
        ];
        for hash in hashes {
            assert_eq!(
                hash.parse::<PasswordHash>(),
                Err(InvalidPasswordHash),
                "{hash}"
            );
        }
    }

    #[test]
    fn a_hash_does_not_show_itself() {
        assert_eq!(
            format!("{:?}", PasswordHash::of_nobody()),
            "PasswordHash(***)"
        );
    }
}
