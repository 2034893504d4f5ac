//! The port to where brands are kept.

use std::{error::Error, sync::Arc};

use thiserror::Error;

use crate::{Brand, BrandId, BrandName, BrandVersion, SyncFailure, Timestamp};

/// Where brands are kept.
///
/// A brand that is to be synced is marked so by its own row, which makes the row the outbox of the event that announces
/// it: the mark is set by the write that makes the brand so, and goes with the one that makes it synced, or given up.
/// The marks are kept in [`SHARDS`](Self::SHARDS) shards.
pub trait BrandStore: Send + Sync {
    /// A write that can be made together with others, all or none.
    type Write: Clone + Send + Sync + 'static;

    /// How many shards the brands that are to be synced fall into.
    const SHARDS: u8;

    /// Stores a new brand, marked as to be synced, unless one of its id is stored.
    fn create(&self, brand: &Brand) -> impl Future<Output = Result<Created, StoreError>> + Send;

    /// Gives a brand another name: its next version, marked as to be synced. Where a version is expected, only that one is
    /// changed.
    fn update(
        &self,
        id: BrandId,
        name: &BrandName,
        expected: Option<u32>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;

    /// Deletes a brand: its next and last version, marked as to be synced. Its row stays until that is done, and a while
    /// longer. Where a version is expected, only that one is deleted.
    fn delete(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;

    /// The brand of that id, deleted or not, as the last write left it.
    fn get(&self, id: BrandId) -> impl Future<Output = Result<Option<Brand>, StoreError>> + Send;

    /// The write that marks this version of a brand as synced. It is refused if the brand is gone or has changed.
    fn mark_synced(&self, brand: &Brand, at: Timestamp) -> Self::Write;

    /// The write that marks the sync of this version of a brand as given up: it leaves the outbox. It is refused if the brand
    /// is gone, has changed, or is synced.
    fn give_up_sync(&self, brand: BrandVersion, failure: &SyncFailure) -> Self::Write;

    /// The write that puts this version of a brand, whose sync was given up, back into the outbox. It is refused if it is
    /// not given up, or is no longer the latest version.
    fn take_up_sync(&self, brand: BrandVersion, now: Timestamp) -> Self::Write;

    /// Brands of a shard that are to be synced and to be announced again by `now`, the longest waiting first; at most
    /// `limit`. It may lag behind the last write. A row that cannot be read is an error by itself.
    fn to_announce(
        &self,
        shard: u8,
        now: Timestamp,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<Result<Brand, StoreError>>, StoreError>> + Send;

    /// Keeps this version of a brand, which is announced, from being announced again before that time.
    fn announced(
        &self,
        brand: BrandVersion,
        again: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What became of storing a new brand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is stored.
    New,
    /// One of that id was stored before: as it stands.
    Existing(Box<Brand>),
}

/// What became of changing a brand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is changed: as it now stands.
    Done(Box<Brand>),
    /// There is no such brand.
    Missing,
    /// It was deleted before.
    Deleted(Box<Brand>),
    /// It is of another version than was expected.
    Conflict(Box<Brand>),
}

/// The store did not do what it was asked to.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// It did not answer, or not in time: whether a write was made is unknown.
    #[error("the brands' table is not available")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// It refused the request for good.
    #[error("the brands' table refused the request")]
    Refused(#[source] Arc<dyn Error + Send + Sync>),
    /// What it holds for a brand cannot be read.
    #[error("the row of a brand cannot be read")]
    Unreadable(#[source] Arc<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
