//! A function's configuration, from environment variables and secrets.
//!
//! Each function has one struct that is filled once, at start, through [`Env`]; whatever is wrong is reported all at
//! once, by name and never by value.

mod env;
mod secret;

pub use env::{ConfigError, Env};
pub use secret::{Secret, SecretError, fetch_secret};
