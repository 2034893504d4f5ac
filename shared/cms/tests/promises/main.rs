//! What this crate promises, over real connections where HTTP is concerned.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

mod bench;
mod client_answers;
mod client_requests;
mod contract;
mod fault_rules;
mod logs;
mod memory;
mod openapi;
mod stub_process;
mod stub_server;
