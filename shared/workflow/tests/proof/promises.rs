//! What the engine promises, one sentence each.

mod attempts;
mod cancelling;
mod charges;
mod definitions;
mod identity;
mod keys;
mod leases;
mod prelude;
mod records;
mod reverting;
mod unanswered;
mod waiting;
