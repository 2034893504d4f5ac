//! Issuing tokens and checking them.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use config::Secret;
use thiserror::Error;

use crate::{
    Checked, Identity,
    claims::{Claims, Presented},
    jws::{self, Key, Refused},
};

/// Issues tokens and checks them, with one secret, or with two while one takes the other's place.
pub struct Tokens {
    signing: Key,
    /// Those that may have signed; the signing one is among them.
    accepted: Vec<Key>,
}

impl Tokens {
    /// The fewest bytes of a secret: as many as the signature has (RFC 7518, 3.2).
    pub const MIN_SECRET: usize = 32;

    /// Tokens signed with the secret's first line. Where it has a second line, what was signed with that is accepted as well.
    pub fn signed_with(secret: &Secret) -> Result<Self, InvalidSecret> {
        let lines: Vec<&str> = secret.expose().lines().collect();
        if lines.len() > 2 {
            return Err(InvalidSecret::Lines(lines.len()));
        }
        let key = |line: &&str| {
            let long_enough = line.len() >= Self::MIN_SECRET;
            let key = long_enough.then(|| Key::new(line.as_bytes())).flatten();
            key.ok_or(InvalidSecret::TooShort(line.len()))
        };
        let accepted = lines.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let signing = accepted
            .first()
            .cloned()
            .ok_or(InvalidSecret::TooShort(0))?;
        Ok(Self { signing, accepted })
    }

    /// A token for that identity, good from now on for 24 hours.
    pub fn issue(&self, identity: &Identity, now: SystemTime) -> Result<String, serde_json::Error> {
        let claims = serde_json::to_vec(&Claims::of(identity, seconds(now)))?;
        Ok(self.signing.sign(&claims))
    }

    /// What that token says, if it is good now.
    pub fn check(&self, token: &str, now: SystemTime) -> Result<Checked, InvalidToken> {
        let claims = jws::verify(&self.accepted, token).map_err(|refused| match refused {
            Refused::Malformed => InvalidToken::Malformed,
            Refused::Signature => InvalidToken::Signature,
            Refused::Header => InvalidToken::Algorithm,
        })?;
        let claims: Presented =
            serde_json::from_slice(&claims).map_err(|_| InvalidToken::Malformed)?;
        claims.check(seconds(now))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tokens(***)")
    }
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Why a secret cannot sign tokens. It tells nothing of the secret but its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidSecret {
    /// It, or one of its lines, is too short to sign with.
    #[error("the secret that signs tokens has a line of {0} bytes, and at least {min} are needed", min = Tokens::MIN_SECRET)]
    TooShort(usize),
    /// It has more than two lines: more than the secret that signs and the one before it.
    #[error("the secret that signs tokens has {0} lines, and at most 2 are known of")]
    Lines(usize),
}

/// Why a token is not accepted: for the log. Whoever sent it is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidToken {
    /// It is no token, or lacks a claim.
    #[error("the token is malformed")]
    Malformed,
    /// No secret that is known has signed it.
    #[error("the token's signature is not ours")]
    Signature,
    /// Its header asks for another algorithm than HS256, or for what is not understood here.
    #[error("the token's header is not accepted")]
    Algorithm,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It is from the future.
    #[error("the token is not good yet")]
    NotYetGood,
    /// It is for another type of actor, or for nobody.
    #[error("the token is not a user's")]
    NoUser,
    /// Its user has another password by now.
    #[error("the token is of an earlier password")]
    Revoked,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests;
