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
    /// When it was deleted; none while it is not. A deleted brand is kept until the CMS has forgotten it, and a while longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// What it was created from.
    pub request: RequestDigest,
    /// The name under which the CMS holds it, as the last sync left it; none while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_cms: Option<BrandName>,
    /// When this version of it reached the CMS; none while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_at: Option<Timestamp>,
    /// Why its sync was given up, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_failure: Option<SyncFailure>,
}

impl Brand {
    /// The version of a brand that has just been created.
    pub const FIRST_VERSION: u32 = 1;

    /// A new brand of that name.
    #[must_use]
    pub fn new(name: BrandName, now: Timestamp) -> Self {
        Self {
            id: BrandId::new(now),
            request: RequestDigest::of(&name),
            name,
            version: Self::FIRST_VERSION,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            in_cms: None,
            synced_at: None,
            sync_failure: None,
        }
    }

    /// The same brand, under the id that the key names.
    #[must_use]
    pub fn under(self, key: &IdempotencyKey) -> Self {
        Self {
            id: BrandId::of(key),
            ..self
        }
    }

    /// The name under which the CMS is to hold it; none where it is to hold none.
    #[must_use]
    pub fn wanted_in_cms(&self) -> Option<&BrandName> {
        self.deleted_at.is_none().then_some(&self.name)
    }

    /// Whether it is still to be synced: it is not, and nobody has given that up.
    #[must_use]
    pub const fn is_to_be_synced(&self) -> bool {
        self.synced_at.is_none() && self.sync_failure.is_none()
    }
}

/// That a brand's sync was given up. It is not tried again until somebody asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncFailure {
    /// What kind of failure it was, in one word that does not change: that of the parked event.
    pub kind: String,
    /// Why, for a reader.
    pub cause: String,
    /// Since when.
    pub since: Timestamp,
}

impl SyncFailure {
    /// The most bytes of a cause that are kept.
    pub const MAX_CAUSE: usize = 1024;

    /// A failure of that kind. A cause that is too long is cut.
    #[must_use]
    pub fn new(kind: &str, cause: &str, since: Timestamp) -> Self {
        let mut cause = cause.to_owned();
        cause.truncate(cause.floor_char_boundary(Self::MAX_CAUSE));
        let kind = kind.to_owned();
        Self { kind, cause, since }
    }
}
