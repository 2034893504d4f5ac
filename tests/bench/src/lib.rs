//! The stage that the functions are measured on: what plays Lambda, AWS and the CMS for them, in this process and without
//! delay of its own, and what is read of their processes.
//!
//! A function finds the stage through its environment, as it finds AWS: nothing in it knows of being measured.

mod certificate;
mod counts;
mod event;
mod function;
mod instructions;
mod quartiles;
mod runtime_api;
mod server;
mod service;
mod share;
mod stage;

pub use counts::Counts;
pub use event::Event;
pub use function::{Answer, Function};
pub use instructions::instructions;
pub use quartiles::Quartiles;
pub use service::Service;
pub use share::{CpuShare, FULL_CPU};
pub use stage::Stage;

/// Whatever goes wrong ends the measuring.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
