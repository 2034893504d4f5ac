//! A brand.

use serde::{Deserialize, Serialize};

use crate::{BrandId, BrandName, IdempotencyKey, RequestDigest, Timestamp};

/// A brand, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brand {
    /// Its id.
    pub id: BrandId,
    /// Its name.
    pub name: BrandName,
    /// Rises with each change of the brand, from [`Brand::FIRST_VERSION`].
    pub version: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted. The row of a deleted brand stays until every subscriber has heard of the deletion, and a while
    /// longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// What it was created from. Every brand has it, but a row that was damaged; that equals no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestDigest>,
}

impl Brand {
    /// The version of a brand that has just been created.
    pub const FIRST_VERSION: u32 = 1;

    /// A new brand of that name.
    #[must_use]
    pub fn new(name: BrandName, now: Timestamp) -> Self {
        Self {
            id: BrandId::new(now),
            request: Some(RequestDigest::of(&name)),
            name,
            version: Self::FIRST_VERSION,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        }
    }

    /// The same brand, with the id that follows from the key.
    #[must_use]
    pub fn with_idempotency_key(self, key: &IdempotencyKey) -> Self {
        Self {
            id: BrandId::of(key),
            ..self
        }
    }
}
