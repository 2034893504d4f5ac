//! Where logs go, and which are wanted.

use std::env;

use tracing::{Subscriber, warn};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// What [`init`] has set up, to be told when an invocation ends.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    exporter: Option<crate::otlp::Exporter>,
}

impl Telemetry {
    /// Sends what is still to be exported: Lambda stops the process between invocations, and may never let it go on. It
    /// waits for that, as long as the exporter is given (`OTEL_EXPORTER_OTLP_TIMEOUT`). Where spans are not exported it does
    /// nothing.
    pub fn flush(&self) {
        #[cfg(feature = "otlp")]
        if let Some(exporter) = &self.exporter {
            exporter.flush();
        }
    }
}

/// Sets up logs, and the export of spans where it was built in and is asked for. Once, at start.
///
/// `RUST_LOG` tells what is logged, in the syntax of [`Targets`] (`info,brand=debug`); where it is not set,
/// `AWS_LAMBDA_LOG_LEVEL` does, which Lambda sets to the function's log level; else `info`. The lines are JSON if
/// `AWS_LAMBDA_LOG_FORMAT` says so, and for people otherwise. They bear no time: CloudWatch keeps one for each line.
pub fn init() -> Telemetry {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let wanted = variable("RUST_LOG").or_else(|| variable("AWS_LAMBDA_LOG_LEVEL"));
    let (filter, problem) = filter(wanted.as_deref());
    let is_json =
        variable("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json"));
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with(lines(is_json));
    #[cfg(feature = "otlp")]
    let telemetry = {
        let (exporter, problem) = crate::otlp::exporter();
        let layer = exporter.as_ref().map(crate::otlp::Exporter::layer);
        registry.with(layer).init();
        if let Some(problem) = problem {
            warn!(error = problem, "spans are not exported");
        }
        Telemetry { exporter }
    };
    #[cfg(not(feature = "otlp"))]
    let telemetry = {
        registry.init();
        if variable("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
            warn!("spans are not exported: this was built without the feature otlp");
        }
        Telemetry::default()
    };
    if let Some(problem) = problem {
        warn!(error = problem, "RUST_LOG is not understood");
    }
    telemetry
}

fn lines<S>(is_json: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = fmt::layer().with_target(false).without_time();
    if is_json {
        lines.json().boxed()
    } else {
        lines.boxed()
    }
}

fn filter(wanted: Option<&str>) -> (Targets, Option<String>) {
    let info = || Targets::new().with_default(LevelFilter::INFO);
    match wanted {
        None => (info(), None),
        // Lambda's highest level, which tracing does not have.
        Some("FATAL") => (Targets::new().with_default(LevelFilter::ERROR), None),
        Some(wanted) => match wanted.parse() {
            Ok(filter) => (filter, None),
            Err(error) => (info(), Some(format!("{wanted:?}: {error}"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::filter;

    #[test]
    fn lambdas_levels_and_rusts_directives_are_understood() {
        let enables = |wanted, target, level| filter(wanted).0.would_enable(target, &level);
        assert!(enables(None, "brand", Level::INFO));
        assert!(!enables(None, "brand", Level::DEBUG));
        assert!(enables(Some("DEBUG"), "brand", Level::DEBUG));
        assert!(enables(Some("FATAL"), "brand", Level::ERROR));
        assert!(!enables(Some("FATAL"), "brand", Level::WARN));
        assert!(enables(
            Some("info,brand=trace"),
            "brand::sqs",
            Level::TRACE
        ));
        assert!(!enables(Some("info,brand=trace"), "cms", Level::DEBUG));
    }

    #[test]
    fn what_is_not_understood_is_told_and_logs_as_usual() {
        let (filter, problem) = filter(Some("info=loud=very"));
        assert!(filter.would_enable("brand", &Level::INFO));
        assert!(!filter.would_enable("brand", &Level::DEBUG));
        assert!(problem.is_some_and(|problem| problem.starts_with("\"info=loud=very\": ")));
    }
}
