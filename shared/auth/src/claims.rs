//! What a token says.

use serde::{Deserialize, Serialize};

use crate::{Actor, InvalidToken};

/// How many seconds a token is good for: a day, as Medusa's.
pub(crate) const LIFETIME: u64 = 24 * 60 * 60;
/// By how many seconds the clocks of who signs and who checks may differ.
pub(crate) const LEEWAY: u64 = 60;

/// The actor type of whoever may use the admin API.
const USER: &str = "user";

/// Whom a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user who acts with the token.
    pub actor: Actor,
    /// The id of how the user signs in: in Medusa, what connects a user to a password.
    pub auth_identity_id: String,
    /// Which password the user signed in with, counted from the first: once there is a later one, the token is refused.
    pub password_version: u32,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The user who acts with it.
    pub actor: Actor,
    /// Which password the user signed in with.
    pub password_version: u32,
}

/// The claims as they are signed, under Medusa's names.
#[derive(Serialize)]
pub(crate) struct Claims<'a> {
    actor_id: &'a str,
    actor_type: &'static str,
    auth_identity_id: &'a str,
    auth_provider: &'static str,
    app_metadata: AppMetadata<'a>,
    user_metadata: UserMetadata,
    /// Medusa has no such claim: its tokens stay good when the password is another.
    password_version: u32,
    iat: u64,
    exp: u64,
}

#[derive(Serialize)]
struct AppMetadata<'a> {
    user_id: &'a str,
}

#[derive(Serialize)]
struct UserMetadata {}

impl<'a> Claims<'a> {
    /// The claims of a token that is issued now. Times are in seconds since the Unix epoch, here and below.
    pub(crate) fn of(identity: &'a Identity, now: u64) -> Self {
        Self {
            actor_id: identity.actor.id(),
            actor_type: USER,
            auth_identity_id: &identity.auth_identity_id,
            auth_provider: "emailpass",
            app_metadata: AppMetadata {
                user_id: identity.actor.id(),
            },
            user_metadata: UserMetadata {},
            password_version: identity.password_version,
            iat: now,
            exp: now.saturating_add(LIFETIME),
        }
    }
}

/// The claims that decide whether a token is accepted. Others are not looked at.
#[derive(Deserialize)]
pub(crate) struct Presented {
    actor_id: String,
    actor_type: String,
    password_version: u32,
    iat: u64,
    exp: u64,
    nbf: Option<u64>,
}

impl Presented {
    /// What it says, if the token is good now.
    pub(crate) fn check(self, now: u64) -> Result<Checked, InvalidToken> {
        if now >= self.exp.saturating_add(LEEWAY) {
            return Err(InvalidToken::Expired);
        }
        if self.iat.max(self.nbf.unwrap_or_default()) > now.saturating_add(LEEWAY) {
            return Err(InvalidToken::NotYetGood);
        }
        // A customer's token is signed with the same secret, where Medusa has issued it.
        if self.actor_type != USER {
            return Err(InvalidToken::NoUser);
        }
        let actor = Actor::of(self.actor_id).ok_or(InvalidToken::NoUser)?;
        let password_version = self.password_version;
        Ok(Checked {
            actor,
            password_version,
        })
    }
}
