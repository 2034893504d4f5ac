//! What the engine promises, one sentence each.

mod attempts;
mod cancelling;
mod definitions;
mod identity;
mod leases;
mod prelude;
mod records;
mod reverting;
mod series;
