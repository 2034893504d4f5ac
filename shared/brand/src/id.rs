//! The id of a brand.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::{NoContext, Uuid};

use crate::{IdempotencyKey, Timestamp};

/// The id of a brand: a UUID. Of version 7, so that ids sort by the time of creation; where the client names the request
/// by an idempotency key, of version 5, made of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BrandId(Uuid);

impl BrandId {
    /// A new id, for a brand created at that time.
    #[must_use]
    pub fn new(created_at: Timestamp) -> Self {
        let millis = created_at.as_millis();
        let nanos = u32::try_from(millis % 1000)
            .unwrap_or_default()
            .saturating_mul(1_000_000);
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(
            NoContext,
            millis / 1000,
            nanos,
        )))
    }

    /// The id of the brand that is created under that key.
    #[must_use]
    pub fn of(key: &IdempotencyKey) -> Self {
        Self(key.uuid())
    }

    /// The id of the brand that an entry of a target becomes. `target` names it, `entry` is its own id of the entry.
    #[must_use]
    pub fn of_entry(target: &str, entry: &str) -> Self {
        /// A random UUID, of this project alone.
        const ENTRIES: Uuid = Uuid::from_u128(0x6b0c_53f2_9d0e_4a61_8f5b_1c7a_e0d4_9b37);
        let name = format!("{} {target} {entry}", target.len());
        Self(Uuid::new_v5(&ENTRIES, name.as_bytes()))
    }

    /// The last 64 bits of the id. All but two of them are random, or a hash's.
    #[must_use]
    pub fn random_bits(self) -> u64 {
        self.0.as_u64_pair().1
    }

    /// When the brand was created, where the id tells.
    #[must_use]
    pub(crate) fn created_at(self) -> Option<Timestamp> {
        let is_of_version_7 = self.0.get_version_num() == 7;
        let time = self.0.get_timestamp().filter(|_| is_of_version_7)?;
        let (seconds, nanos) = time.to_unix();
        let millis = seconds.saturating_mul(1000);
        Some(Timestamp::from_millis(
            millis.saturating_add(u64::from(nanos / 1_000_000)),
        ))
    }

    /// Which of `shards` shards the brand falls into: evenly, since the last bytes of the id are random or a hash's.
    #[must_use]
    pub fn shard(self, shards: u8) -> u8 {
        let [.., last] = *self.0.as_bytes();
        last.checked_rem(shards).unwrap_or_default()
    }
}

impl fmt::Display for BrandId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(formatter)
    }
}

/// A text that is no id of a brand.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not the id of a brand: {0}")]
pub struct InvalidBrandId(uuid::Error);

impl FromStr for BrandId {
    type Err = InvalidBrandId;

    fn from_str(text: &str) -> Result<Self, InvalidBrandId> {
        Uuid::try_parse(text).map(Self).map_err(InvalidBrandId)
    }
}

impl TryFrom<String> for BrandId {
    type Error = InvalidBrandId;

    fn try_from(text: String) -> Result<Self, InvalidBrandId> {
        text.parse()
    }
}

impl From<BrandId> for String {
    fn from(id: BrandId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::BrandId;
    use crate::{IdempotencyKey, Timestamp};

    #[test]
    fn ids_sort_by_the_time_of_creation() {
        let older = BrandId::new(Timestamp::from_millis(1_700_000_000_000));
        let newer = BrandId::new(Timestamp::from_millis(1_700_000_000_001));
        assert!(older < newer);
        assert!(older.to_string() < newer.to_string());
    }

    #[test]
    fn an_id_of_one_moment_differs_from_the_next() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert_ne!(BrandId::new(now), BrandId::new(now));
    }

    #[test]
    fn an_id_tells_when_it_was_made_unless_it_is_that_of_a_key() {
        let now = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(BrandId::new(now).created_at(), Some(now));
        let key = IdempotencyKey::parse("user_1", b"k");
        assert_eq!(key.map(|key| BrandId::of(&key).created_at()), Ok(None));
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = BrandId::new(Timestamp::from_millis(1_700_000_000_000));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        assert!("brand_01".parse::<BrandId>().is_err());
    }

    #[test]
    fn brands_spread_over_all_shards() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let hit: std::collections::BTreeSet<u8> =
            (0..1000).map(|_| BrandId::new(now).shard(8)).collect();
        assert_eq!(hit.len(), 8);
    }
}
