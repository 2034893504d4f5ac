//! What a function tells of itself: logs, metrics, traces.
//!
//! - **Logs**: JSON lines through `tracing`; [`init`] sets that up. Not `lambda_runtime`'s own set-up, which does the same: its
//!   filter is built on regular expressions, and it has no place for the exporter below.
//! - **Metrics**: [`Metrics`], one line of an invocation's log in CloudWatch's embedded metric format, at no request's cost.
//! - **Traces**: a [`Trace`] comes with a request, goes along in the message that the request causes, and is in the log
//!   lines of both. Built with the feature `otlp`, spans are exported as well, to the collector that
//!   `OTEL_EXPORTER_OTLP_ENDPOINT` names; without the feature nothing of that is in the executable.

mod logs;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod trace;

use std::error::Error;

pub use logs::{Telemetry, init};
pub use metrics::{Metrics, NAMESPACE, Unit};
pub use trace::{Trace, TraceContext};

/// An error's message and those of its sources, from the outermost in: for a log line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
