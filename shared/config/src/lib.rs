//! A function's configuration, from environment variables and secrets.
//!
//! Each function has one struct that is filled once, at start, through [`Env`]; whatever is wrong is reported all at
//! once, by name and never by value.

mod env;
mod rate;
mod secret;

pub use env::{ConfigError, Env};
pub use rate::cms_rate_share;
pub use secret::{Secret, SecretError, fetch_secret};
