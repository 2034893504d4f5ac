//! The AWS SDK's configuration for a Lambda function, and what its errors mean.

mod error;
mod sdk;

pub use error::is_transient;
pub use sdk::sdk_config;
