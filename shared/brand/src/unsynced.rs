//! The port to how far brands are, for those who look and must not write.

use std::{collections::BTreeSet, fmt, str::FromStr};

use thiserror::Error;

use crate::{BrandId, BrandRow, ListedBrand, SHARDS, Search, StoreError, SyncState, Timestamp};

/// What is read of the sync state of brands. Deleted brands are there until their rows are gone.
///
/// Brands that are not synced are found by the sparse indexes of rows that are due, and of rows that need attention: so it costs
/// what is found, not what there is. An index may lag behind the last write by a moment.
pub trait SyncReader: Send + Sync {
    /// The row of that brand, as the last write left it.
    fn find(
        &self,
        id: BrandId,
    ) -> impl Future<Output = Result<Option<BrandRow>, StoreError>> + Send;

    /// The rows of those brands, in that order; a brand that has none is left out. They may lag behind the last write.
    fn find_all(
        &self,
        ids: &[BrandId],
    ) -> impl Future<Output = Result<FoundRows, StoreError>> + Send;

    /// At most `limit` brands, at least one, that are in those indexes: shard by shard, and within each the longest waiting
    /// first. The first ones, or those that follow a place.
    fn unsynced(
        &self,
        indexes: Indexes,
        after: Option<&Place>,
        limit: u16,
    ) -> impl Future<Output = Result<UnsyncedPage, StoreError>> + Send;

    /// How many brands are in the indexes; counts up to 1,000 in each shard of each.
    fn count_unsynced(&self) -> impl Future<Output = Result<UnsyncedCount, StoreError>> + Send;
}

/// Rows that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundRows {
    /// Those that were found.
    pub rows: Vec<BrandRow>,
    /// The ids of those that cannot be read.
    pub unreadable: Vec<String>,
}

/// Which of the sparse indexes are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexes {
    /// Rows that are due, now or later: what waits or is under way.
    pub due: bool,
    /// Rows that need attention: what is marked.
    pub attention: bool,
}

impl Indexes {
    /// Both.
    pub const ALL: Self = Self {
        due: true,
        attention: true,
    };

    pub(crate) fn has(self, index: SparseIndex) -> bool {
        match index {
            SparseIndex::Attention => self.attention,
            SparseIndex::Due => self.due,
            SparseIndex::Listed => false,
        }
    }
}

/// A sparse index of brands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SparseIndex {
    /// Rows that need attention.
    Attention,
    /// Rows that are due.
    Due,
    /// Brands that are not deleted, by the time of creation.
    Listed,
}

impl SparseIndex {
    /// Those of brands that are not synced.
    pub(crate) const BOTH: [Self; 2] = [Self::Attention, Self::Due];
}

/// A place in the indexes: behind the row that has or had it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The index.
    pub index: SparseIndex,
    /// Its shard.
    pub shard: u8,
    /// The time by which the index has the row, as stored.
    pub at: String,
    /// The brand.
    pub id: BrandId,
}

/// A page of brands that are not synced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsyncedPage {
    /// The brands.
    pub ids: Vec<BrandId>,
    /// After what the next page begins; none where this is the last one.
    pub next: Option<Place>,
}

/// How many brands are not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnsyncedCount {
    /// Those that wait, or are under way.
    pub due: u64,
    /// Those that need attention.
    pub attention: u64,
}

/// As cursors carry it: index, shard, brand, time.
impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = match self.index {
            SparseIndex::Attention => 'a',
            SparseIndex::Due => 'd',
            SparseIndex::Listed => 'l',
        };
        let Self { shard, id, at, .. } = self;
        write!(formatter, "{index}.{shard}.{id}.{at}")
    }
}

/// The text is not a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a place in the list")]
pub struct InvalidPlace;

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let mut parts = text.splitn(4, '.');
        let index = match parts.next() {
            Some("a") => SparseIndex::Attention,
            Some("d") => SparseIndex::Due,
            Some("l") => SparseIndex::Listed,
            _ => return Err(InvalidPlace),
        };
        let shard = parts.next().and_then(|shard| shard.parse().ok());
        let id = parts.next().and_then(|id| id.parse().ok());
        let place = Self {
            index,
            shard: shard.filter(|shard| *shard < SHARDS).ok_or(InvalidPlace)?,
            id: id.ok_or(InvalidPlace)?,
            // DynamoDB takes no key that is empty, or longer than 1,024 bytes.
            at: parts
                .next()
                .filter(|at| (1..=1024).contains(&at.len()))
                .ok_or(InvalidPlace)?
                .to_owned(),
        };
        // Each place has one spelling.
        if place.to_string() == text {
            Ok(place)
        } else {
            Err(InvalidPlace)
        }
    }
}

/// How many times the indexes are asked for one page: a page of rows that all are in other states, or have other names, ends
/// empty.
const ROUNDS: usize = 8;

/// Brands that are not synced, by their state and name.
#[derive(Clone, Debug)]
pub struct UnsyncedFilter {
    /// The states that are looked for.
    pub states: Vec<SyncState>,
    /// And only brands that this finds.
    pub search: Search,
}

impl UnsyncedFilter {
    fn indexes(&self) -> Indexes {
        let is_of_due =
            |state: &SyncState| matches!(state, SyncState::Waiting | SyncState::Syncing);
        let synced = SyncState::Synced;
        Indexes {
            due: self.states.iter().any(is_of_due),
            attention: self
                .states
                .iter()
                .any(|state| !is_of_due(state) && *state != synced),
        }
    }

    /// Whether it takes that row.
    #[must_use]
    pub fn takes(&self, row: &BrandRow, now: Timestamp) -> bool {
        self.states.contains(&SyncState::of(row, now))
            && self.search.finds(&ListedBrand::from(&row.brand))
    }

    /// The next page of at most `limit` rows that the filter takes. It may have fewer, even none, and yet a next page.
    pub async fn page<S: SyncReader>(
        &self,
        store: &S,
        mut after: Option<Place>,
        limit: u16,
        now: Timestamp,
    ) -> Result<FilteredPage, StoreError> {
        let (mut page, mut seen) = (FilteredPage::default(), BTreeSet::new());
        for _ in 0..ROUNDS {
            let room = limit.saturating_sub(page.rows.len().try_into().unwrap_or(u16::MAX));
            let mut found = store.unsynced(self.indexes(), after.as_ref(), room).await?;
            // A row that has just moved may be in both indexes.
            found.ids.retain(|id| seen.insert(*id));
            let rows = store.find_all(&found.ids).await?;
            page.unreadable.extend(rows.unreadable);
            let taken = rows.rows.into_iter().filter(|row| self.takes(row, now));
            page.rows.extend(taken);
            after = found.next;
            if after.is_none() || page.rows.len() >= limit.into() {
                break;
            }
        }
        page.next = after;
        Ok(page)
    }
}

/// A page of rows that a filter takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilteredPage {
    /// The rows.
    pub rows: Vec<BrandRow>,
    /// After what the next page begins; none where this is the last one.
    pub next: Option<Place>,
    /// The ids of rows that were left out since they cannot be read.
    pub unreadable: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::{InvalidPlace, Place, SparseIndex};
    use crate::{BrandId, Timestamp};

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else_is() {
        let id = BrandId::new(Timestamp::from_millis(1_795_427_107_966));
        for (index, at) in [
            (SparseIndex::Due, "2026-11-28T19:00:00.123Z"),
            (SparseIndex::Attention, "no time. at all"),
        ] {
            let at = at.to_owned();
            let shard = 7;
            let place = Place {
                index,
                shard,
                at,
                id,
            };
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in [
            String::new(),
            format!("x.1.{id}.t"),
            format!("a.8.{id}.t"),
            format!("a.01.{id}.t"),
            format!("a.1.{id}."),
            format!("a.1.{id}"),
            "a.1.x.t".to_owned(),
            format!("a.1.{id}.{}", "t".repeat(1025)),
        ] {
            assert_eq!(text.parse::<Place>(), Err(InvalidPlace), "{text}");
        }
    }
}
