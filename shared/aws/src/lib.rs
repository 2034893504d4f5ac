//! AWS, as a Lambda function meets it: the SDK's configuration, what its errors mean, and how much time is left.

mod error;
mod sdk;
mod time;

pub use aws_config::SdkConfig;
pub use error::is_transient;
pub use sdk::{operator_config, sdk_config};
pub use time::{deadline, time_left};
