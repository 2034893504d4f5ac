//! The port for writing brands, and what its errors mean.

use std::{error::Error, sync::Arc};

use thiserror::Error;

use crate::{Brand, BrandId, BrandName, Timestamp};

/// Creates, changes and deletes brands: the API's side of a row.
///
/// Each write also makes the row due a little later, so that the sweep notifies again if the event gets lost. None of them
/// touches what subscribers keep in the row; a mark names its version, so it dies with the change.
///
/// Of changes that come at once and expect the same version, one is made. A later version has the later `updated_at`: where the
/// caller's clock is behind, the time is one after that of the version before. A change is one request, and one more for each
/// time that another change was faster, or had a later time.
pub trait BrandWriter: Send + Sync {
    /// Stores a new brand, unless one with its id is stored.
    fn create(&self, brand: &Brand) -> impl Future<Output = Result<Created, StoreError>> + Send;

    /// Renames a brand: its next version. With `expected`, only that version is changed.
    fn update(
        &self,
        id: BrandId,
        name: &BrandName,
        expected: Option<u32>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;

    /// Deletes a brand: its next and last version. The row stays until the deletion is synced, and a while longer. With
    /// `expected`, only that version is deleted.
    fn delete(
        &self,
        id: BrandId,
        expected: Option<u32>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Changed, StoreError>> + Send;
}

/// The outcome of [`BrandWriter::create`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The brand is stored.
    New,
    /// A brand with this id was stored before: as it stands now.
    Existing(Box<Brand>),
}

/// The outcome of changing or deleting a brand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The brand as it stands now.
    Done(Box<Brand>),
    /// There is no such brand.
    Missing,
    /// It was deleted before. `needs_attention` says that a subscriber has given up on the deletion.
    Deleted {
        /// The deleted brand.
        brand: Box<Brand>,
        /// Whether the deletion is marked as refused, failed or paused.
        needs_attention: bool,
    },
    /// It has another version than expected.
    Conflict(Box<Brand>),
}

/// Why the store did not do what it was asked to.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// No answer, or not in time: whether a write was made is unknown.
    #[error("the table of brands is not available")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The table refused the request for good.
    #[error("the table of brands refused the request")]
    Refused(#[source] Arc<dyn Error + Send + Sync>),
    /// The row of this brand cannot be read.
    #[error("the row of brand {id} cannot be read")]
    Unreadable {
        /// The row's id, as stored.
        id: String,
        /// What is wrong with it.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
