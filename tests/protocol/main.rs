//! An exhaustive check of the protocol that syncs a brand: one row with its runs, its lease and its next look; hints; targets that
//! fail in every way; editors who change the entry in the CMS, and the reconciliation that finds out; and the circuit, in a model of
//! its own.
//!
//! It is a model of the design, not the code. Every state that can be reached is looked at: for what must hold always, for how the
//! system comes to rest, and for whether it does. What is wrong in the model on purpose (`mutation`) is found.
//! Not in it: how long things take, beyond their order; poison; the rate limit; entries that bear no id of ours, which nothing touches.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking, and the model's indices are its own"
)]

mod circuit;
mod model;
mod mutation;
mod proof;
mod properties;
mod reconcile;
mod run;
mod search;
mod state;
mod trace;
mod worker;
