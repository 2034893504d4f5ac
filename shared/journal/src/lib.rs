//! The workflow engine's journal in the rows of brands: the record of a run is a part of the row that the run is about.
//!
//! A [`Visit`] is one worker's work on one row, for one version of its brand. It gives a journal to the run of each subscriber, and
//! writes all of them through the row's one lease. What follows from a run's state for the row is decided in [`state`]: which
//! version is reached, what is marked, when the row is due.
//!
//! So a run has no table of its own, and no transaction keeps two of them in step: one conditional write changes the record
//! and everything that depends on it.

mod cancel;
#[cfg(feature = "fixture")]
pub mod fixture;
mod state;
mod visit;

pub use cancel::{Cancelled, cancel};
pub use state::{Projection, SyncInput, idle_schedule, run_summary};
pub use visit::{Participant, Visit};
