//! The proof that a run is all or nothing, whatever is cut: see `crash_matrix` and `random`; and that the engine keeps what
//! it promises, one sentence each: see `promises`.
//!
//! These tests were tested: each guard of the engine was taken out once, and some of them turned red. Guards that cost
//! nothing and that no test needs: the take-over of a run is written by itself, although the next write would include it; a
//! worker's sequence is raised to the one it finds; a fence has the owner beside the sequence, which the conformance cases
//! ask for.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod crash_matrix;
mod driver;
mod program;
mod promises;
mod random;
mod sim;
mod world;

use std::panic::{self, AssertUnwindSafe};

/// Runs a test without the thousands of messages of steps that panic as planned.
pub(crate) fn without_planned_panics<T>(test: impl FnOnce() -> T) -> T {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some("as planned") {
            hook(info);
        }
    }));
    match panic::catch_unwind(AssertUnwindSafe(test)) {
        Ok(passed) => passed,
        Err(failed) => panic::resume_unwind(failed),
    }
}
