//! An exhaustive check of the protocol that syncs a brand: row, outbox, queue, run and CMS, whatever fails in between.
//!
//! It is a model of the design, not the code. Every state that can be reached is looked at: for what must hold always, for how
//! the system comes to rest, and for whether it does. What is wrong in the model on purpose (`mutation`) is found.
//! Not in it: idempotency keys, tombstones that are removed, records that expire, retries within one delivery.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking, and the model's indices are its own"
)]

mod model;
mod mutation;
mod proof;
mod properties;
mod queue;
mod run;
mod search;
mod state;
mod trace;
mod worker;
