//! A brand.

use serde::{Deserialize, Serialize};

use crate::{BrandId, BrandName, Timestamp};

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
    /// When this version of it reached the CMS; none while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_at: Option<Timestamp>,
}

impl Brand {
    /// The version of a brand that has just been created.
    pub const FIRST_VERSION: u32 = 1;

    /// A new brand of that name.
    #[must_use]
    pub fn new(name: BrandName, now: Timestamp) -> Self {
        Self {
            id: BrandId::new(now),
            name,
            version: Self::FIRST_VERSION,
            created_at: now,
            updated_at: now,
            synced_at: None,
        }
    }
}
