//! A user.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AuthIdentityId, Email, NewEmail, PasswordHash, UserId};

/// A user, as the table keeps it. The names of the fields are those of its attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The email, by which the user is found.
    pub email: Email,
    /// The id, by which others refer to the user. It stays when the email is another.
    pub user_id: UserId,
    /// The id of how the user signs in.
    pub auth_identity_id: AuthIdentityId,
    /// What the password is checked against.
    pub password_hash: PasswordHash,
    /// Which password it is, counted from the first: tokens of an earlier one are refused.
    #[serde(default)]
    pub password_version: u32,
    /// Since when there is the user.
    #[serde(with = "milliseconds")]
    pub created_at: Timestamp,
}

impl User {
    /// A new user with new ids.
    #[must_use]
    pub fn new(email: NewEmail, password_hash: PasswordHash, created_at: Timestamp) -> Self {
        Self {
            email: email.into(),
            user_id: UserId::random(),
            auth_identity_id: AuthIdentityId::random(),
            password_hash,
            password_version: 1,
            created_at,
        }
    }
}

/// RFC 3339 in UTC with milliseconds, as brands have it.
mod milliseconds {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        at: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{at:.3}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
