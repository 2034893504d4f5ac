//! Reconciliation: the brands here are compared with the entries of the CMS, and what differs is reported, or mended.
//!
//! - [`classify`]: how a brand differs, from three values. [`Repair`]: what the operator's [`Policies`] do about it. Both are pure.
//! - [`Reconciliation`]: the report, and where the one that is under way stands.
//! - [`ReconciliationStore`], [`Inbox`]: where that is kept, and what was asked for. [`ReconciliationView`]: both, for a person.
//!
//! This crate calls no CMS. `functions/reconcile-brands` does, and its README has the whole picture.

#[cfg(feature = "conformance")]
pub mod conformance;
mod dynamodb;
mod memory;
mod plan;
mod policy;
mod report;
mod store;
mod view;

pub use dynamodb::DynamoDbReconciliationStore;
pub use memory::MemoryReconciliationStore;
pub use plan::{Class, Ours, Repair, Standing, classify};
pub use policy::{Conflicts, Edits, Made, NotAPolicy, Orphans, Policies};
pub use report::{Cursor, Example, Lease, Reconciliation, Report, Request, Stage};
pub use store::{
    Asked, Hint, Inbox, MOST_HINTS, ReconciliationError, ReconciliationStore, Reconciliations,
};
pub use view::ReconciliationView;
