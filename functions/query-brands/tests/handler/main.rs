//! The handler behind the token check, fed with real events, on a store in memory.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod brands;
mod cms;
mod executions;
mod reconciliation;
mod sync;
mod world;
