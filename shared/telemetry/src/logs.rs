//! Where logs go, and which are wanted.

use std::{env, io};

use tracing::{Subscriber, warn};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
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
/// `RUST_LOG` selects what is logged, in the syntax of [`Targets`] (`info,brand=debug`); the default is `info`. Lambda's own
/// level (`AWS_LAMBDA_LOG_LEVEL`) is not read: the template sets it to `TRACE`, so that Lambda drops no line. The lines are
/// JSON if `AWS_LAMBDA_LOG_FORMAT` says so, and for people otherwise.
pub fn init() -> Telemetry {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let (filter, problem) = filter(variable("RUST_LOG").as_deref());
    let is_json =
        variable("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json"));
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with(lines(is_json, io::stdout));
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

/// Writes a line for each event. Lambda reads two fields of a JSON line, `level` and `timestamp` (RFC 3339): it takes a line
/// that lacks either for `INFO`.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>
fn lines<S, W>(is_json: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_target(false).with_writer(writer);
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
        Some(wanted) => match wanted.parse() {
            Ok(filter) => (filter, None),
            Err(error) => (info(), Some(format!("{wanted:?}: {error}"))),
        },
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use serde_json::Value;
    use tracing::{Level, info_span, subscriber::with_default, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::{filter, lines};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lambda_finds_the_level_and_the_time_of_a_json_line() {
        let written = Written::default();
        let writer = written.clone();
        let layer = lines(true, move || writer.clone());
        let before = jiff::Timestamp::now();
        with_default(tracing_subscriber::registry().with(layer), || {
            info_span!("message", message = "m1").in_scope(|| warn!("no answer"));
        });
        let line: Value = serde_json::from_slice(&written.0.lock().unwrap()).unwrap();
        let value = |path| line.pointer(path).unwrap();
        assert_eq!(value("/level"), "WARN");
        assert_eq!(value("/fields/message"), "no answer");
        assert_eq!(value("/spans/0/message"), "m1");
        let text = value("/timestamp").as_str().unwrap();
        assert!(text.ends_with('Z'), "{text} is not in UTC");
        let time: jiff::Timestamp = text.parse().unwrap();
        assert!((-1..60).contains(&(time - before).get_seconds()), "{text}");
    }

    #[test]
    fn levels_and_directives_are_understood() {
        let enables = |wanted, target, level| filter(wanted).0.would_enable(target, &level);
        assert!(enables(None, "brand", Level::INFO));
        assert!(!enables(None, "brand", Level::DEBUG));
        assert!(enables(Some("DEBUG"), "brand", Level::DEBUG));
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
