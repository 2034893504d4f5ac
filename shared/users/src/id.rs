//! The ids of a user: Medusa's prefixes, before the UUID of version 7 that ids are in this project.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a user: `user_01a20c70-a8c0-79f3-97c8-60a35459a718`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

/// The id of how a user signs in, as Medusa tells it from the user: `authid_01a20c70-…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuthIdentityId(String);

impl UserId {
    /// A new id.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("user_{}", Uuid::now_v7()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AuthIdentityId {
    /// A new id.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("authid_{}", Uuid::now_v7()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
