//! AWS, as a Lambda function meets it: the SDK's configuration, what its errors mean, secrets, its invocations and how much time
//! they have left, and how a trace goes along in a message.

mod error;
mod http;
mod invocations;
mod limits;
mod prime;
mod roots;
mod sdk;
mod secret;
mod settings;
mod time;
mod traced;

pub use aws_config::SdkConfig;
pub use error::is_transient;
pub use invocations::run;
pub use limits::Limits;
pub use sdk::{Sdk, operator_config, sdk_config};
pub use secret::SecretError;
pub use settings::ConfigError;
pub use time::{deadline, time_left};
pub use traced::TraceAttributes;
