//! What Lambda does for functions beside running them: it receives from a queue, and keeps schedules.
//!
//! `cargo lambda watch` does neither, and LocalStack's free edition invokes nothing that it does not run itself. So this
//! stands between them: it receives as Lambda's event source mapping does, and invokes the functions over HTTP.
//! It is for the machine of a developer; on AWS Lambda does it.

mod event;
mod functions;
mod mapping;
mod response;
mod schedule;
mod stop;

pub use event::{Source, SourceError};
pub use functions::{Functions, FunctionsError, InvokeError};
pub use mapping::{Mapping, MappingError, Turn};
pub use response::{Malformed, failures};
pub use schedule::{Schedule, ScheduleError};
pub use stop::{Stop, Stopper};
