//! The handler, fed with real events, on everything in memory.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod cancelling;
mod changing;
mod clocks;
mod editors;
mod failing;
mod messages;
mod oddities;
mod outage;
mod pacing;
mod reporting;
mod second_subscriber;
mod syncing;
mod world;
