//! The proof that a run is all or nothing, whatever is cut: see `crash_matrix` and `random`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod crash_matrix;
mod driver;
mod program;
mod random;
mod sim;
mod world;
