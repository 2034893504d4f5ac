//! The bridge as a process, between a queue and a function.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod emulator;
mod process;
mod server;
mod stand_in;
