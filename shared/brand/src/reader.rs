//! The port to lists of brands.

mod gathering;
mod search;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests;

use std::cmp::Ordering;

use crate::{Brand, BrandId, BrandName, StoreError, Timestamp};

pub(crate) use self::gathering::{Gathering, Later};
pub use self::search::Search;

/// Lists of brands, for those who must not write any. Deleted brands are not there.
///
/// A page may lag behind the last write.
pub trait BrandReader: Send + Sync {
    /// The page of at most `limit` brands from number `offset` on, in that order, and how many there are in all. What it
    /// costs grows with the number of all brands.
    fn list_and_count(
        &self,
        search: &Search,
        order: Order,
        offset: u32,
        limit: u16,
    ) -> impl Future<Output = Result<CountedPage, StoreError>> + Send;

    /// The page of at most `limit` brands, at least one, that follow a position by the time of creation; the first page where
    /// no position is given. What it costs does not depend on how many brands there are, but for a search, which may have
    /// to read them all to fill a page.
    fn list_after(
        &self,
        search: &Search,
        direction: Direction,
        after: Option<Position>,
        limit: u16,
    ) -> impl Future<Output = Result<NextPage, StoreError>> + Send;
}

/// A brand, as a list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBrand {
    /// Its id.
    pub id: BrandId,
    /// Its name.
    pub name: BrandName,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<&Brand> for ListedBrand {
    fn from(brand: &Brand) -> Self {
        Self {
            id: brand.id,
            name: brand.name.clone(),
            created_at: brand.created_at,
            updated_at: brand.updated_at,
        }
    }
}

/// A page of a list that is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedPage {
    /// The page's brands.
    pub brands: Vec<ListedBrand>,
    /// How many brands the whole list has.
    pub count: u64,
    /// The ids of rows that were left out since they cannot be read.
    pub unreadable: Vec<String>,
}

/// A page of a list that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextPage {
    /// The page's brands.
    pub brands: Vec<ListedBrand>,
    /// After what the next page begins; none where this is the last one.
    pub next: Option<Position>,
    /// The ids of rows that were left out since they cannot be read.
    pub unreadable: Vec<String>,
}

/// A place in the list of all brands by the time of creation: behind the brand that has or had that time and id. Brands of
/// one time follow each other by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// When the brand was created.
    pub created_at: Timestamp,
    /// Its id.
    pub id: BrandId,
}

impl Position {
    pub(crate) const fn of(brand: &ListedBrand) -> Self {
        Self {
            created_at: brand.created_at,
            id: brand.id,
        }
    }
}

/// Which way a list goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The smallest first.
    Ascending,
    /// The greatest first.
    Descending,
}

impl Direction {
    pub(crate) const fn apply(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Ascending => ordering,
            Self::Descending => ordering.reverse(),
        }
    }
}

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// The time of creation.
    CreatedAt,
    /// The name, by the numbers of its characters in Unicode: `Z` before `a`.
    Name,
    /// The id.
    Id,
}

/// How a list is sorted. Brands of the same key follow each other by id, so that no two orders are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: SortKey,
    /// Which way.
    pub direction: Direction,
}

impl Order {
    pub(crate) const fn of_creation(direction: Direction) -> Self {
        let by = SortKey::CreatedAt;
        Self { by, direction }
    }

    pub(crate) fn compare(self, one: &ListedBrand, other: &ListedBrand) -> Ordering {
        let by_key = match self.by {
            SortKey::CreatedAt => one.created_at.cmp(&other.created_at),
            SortKey::Name => one.name.as_str().cmp(other.name.as_str()),
            SortKey::Id => Ordering::Equal,
        };
        self.direction
            .apply(by_key.then_with(|| one.id.cmp(&other.id)))
    }
}
