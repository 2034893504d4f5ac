//! The port to where reports are kept, and what was asked for.

use std::{collections::BTreeSet, error::Error, sync::Arc};

use async_trait::async_trait;
use thiserror::Error;

use crate::{Reconciliation, Request};

/// The most hints that wait. One more, and everything is looked at instead.
pub const MOST_HINTS: usize = 200;

/// Where the reconciliation with a target is kept, by the target's name.
#[async_trait]
pub trait ReconciliationStore: Send + Sync {
    /// It, as the last write left it.
    async fn load(&self, target: &str) -> Result<Reconciliation, ReconciliationError>;

    /// Writes it in place of the one with the expected revision, or in place of none; false where it has changed. A write that finds
    /// itself has been applied: it was repeated because its reply was lost.
    async fn commit(
        &self,
        target: &str,
        next: &Reconciliation,
        expected: Option<&str>,
    ) -> Result<bool, ReconciliationError>;
}

/// What was asked for, until a worker takes it.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Asks for a reconciliation, in place of one that was asked for and has not begun.
    async fn ask(&self, target: &str, request: &Request) -> Result<(), ReconciliationError>;

    /// Asks for a look at one brand, or at the entries without a brand. False where too many wait.
    async fn hint(&self, target: &str, hint: &Hint) -> Result<bool, ReconciliationError>;

    /// What was asked for.
    async fn look(&self, target: &str) -> Result<Asked, ReconciliationError>;

    /// Takes that out, unless something else was asked for since.
    async fn take(&self, target: &str, asked: &Asked) -> Result<(), ReconciliationError>;
}

/// Both.
pub trait Reconciliations: ReconciliationStore + Inbox {}

impl<S: ReconciliationStore + Inbox> Reconciliations for S {}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// A reconciliation.
    pub request: Option<Request>,
    /// Looks at single brands and entries.
    pub hints: BTreeSet<Hint>,
}

/// What is to be looked at: the id of a brand, or `entries` for those without one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint(String);

impl Hint {
    /// The entry that bears this id.
    #[must_use]
    pub fn brand(id: brand::BrandId) -> Self {
        Self(id.to_string())
    }

    /// The entries without a brand's id.
    #[must_use]
    pub fn entries() -> Self {
        Self("entries".to_owned())
    }

    /// As it is kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The brand; none for entries without one.
    #[must_use]
    pub fn id(&self) -> Option<brand::BrandId> {
        self.0.parse().ok()
    }

    pub(crate) const fn kept(text: String) -> Self {
        Self(text)
    }
}

/// The report could not be read or written.
#[derive(Clone, Debug, Error)]
pub enum ReconciliationError {
    /// The store did not answer, or not in time. A write may have been made.
    #[error("the table with the reconciliation is not available")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The store refused the request for good.
    #[error("the table with the reconciliation refused the request")]
    Refused(#[source] Arc<dyn Error + Send + Sync>),
    /// The item is no reconciliation.
    #[error("the reconciliation cannot be read")]
    Unreadable(#[source] Arc<dyn Error + Send + Sync>),
}

impl ReconciliationError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
