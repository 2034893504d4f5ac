//! The handler, fed with real events, on everything in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod failing;
mod messages;
mod syncing;
mod world;
