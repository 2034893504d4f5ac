//! The port to where brands are kept.

use std::{error::Error, sync::Arc};

use thiserror::Error;

use crate::{Brand, BrandId, Timestamp};

/// Where brands are kept.
///
/// A brand that is not synced yet is marked so by its own row: the row is the outbox of the event that announces it.
pub trait BrandStore: Send + Sync {
    /// A write that can be made together with others, all or none.
    type Write: Clone + Send + Sync + 'static;

    /// Stores a new brand, marked as not synced, unless one of its id is stored.
    fn create(&self, brand: &Brand) -> impl Future<Output = Result<Created, StoreError>> + Send;

    /// The brand of that id, as the last write left it.
    fn get(&self, id: BrandId) -> impl Future<Output = Result<Option<Brand>, StoreError>> + Send;

    /// The write that marks this version of a brand as synced. It is refused if the brand is gone or has changed.
    fn mark_synced(&self, brand: &Brand, at: Timestamp) -> Self::Write;
}

/// What became of storing a new brand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is stored.
    New,
    /// One of that id was stored before: as it stands.
    Existing(Box<Brand>),
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
