//! What a function tells of itself beside its logs.
//!
//! Metrics, as CloudWatch embedded metric format: a line of JSON in the log that CloudWatch reads as metrics, at no
//! request's cost. Logs themselves go through `tracing`, with the subscriber that `lambda_runtime` sets up.
//!
//! Format: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::{
    error::Error,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "BrandSync";

/// Counts of one invocation, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    counts: Vec<(&'static str, u64)>,
}

impl Counts {
    /// No counts.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: Vec::new() }
    }

    /// Counts one more of `name`.
    pub fn add(&mut self, name: &'static str) {
        self.add_many(name, 1);
    }

    /// Counts so many more of `name`. None at all is a count too.
    pub fn add_many(&mut self, name: &'static str, many: usize) {
        let many = u64::try_from(many).unwrap_or(u64::MAX);
        match self.counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count = count.saturating_add(many),
            None => self.counts.push((name, many)),
        }
    }

    /// How many of `name` were counted.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        let found = self.counts.iter().find(|(known, _)| *known == name);
        found.map_or(0, |(_, count)| *count)
    }

    /// The line that CloudWatch reads, for the function of that name; none where nothing was counted.
    #[must_use]
    pub fn line(&self, function: &str, now: SystemTime) -> Option<String> {
        if self.counts.is_empty() {
            return None;
        }
        let metrics: Vec<Value> = self
            .counts
            .iter()
            .map(|(name, _)| json!({ "Name": name, "Unit": "Count" }))
            .collect();
        let millis = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let about = json!({
            "Timestamp": u64::try_from(millis).unwrap_or(u64::MAX),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["function"]],
                "Metrics": metrics,
            }],
        });
        let mut line = Map::from_iter([
            ("_aws".to_owned(), about),
            ("function".to_owned(), function.into()),
        ]);
        line.extend(
            self.counts
                .iter()
                .map(|(name, count)| ((*name).to_owned(), (*count).into())),
        );
        Some(Value::Object(line).to_string())
    }

    /// Writes the line to the log, if there is one.
    pub fn emit(&self, function: &str) {
        if let Some(line) = self.line(function, SystemTime::now()) {
            println!("{line}");
        }
    }
}

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

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::Counts;

    #[test]
    fn the_line_is_one_that_cloudwatch_reads() {
        let mut counts = Counts::new();
        counts.add("created");
        counts.add("created");
        counts.add("announce_failed");
        let line = counts.line(
            "create-brand",
            UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        );
        let line: Option<Value> = line.and_then(|line| serde_json::from_str(&line).ok());
        let expected = json!({
            "_aws": {
                "Timestamp": 1_700_000_000_123_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "BrandSync",
                    "Dimensions": [["function"]],
                    "Metrics": [
                        { "Name": "created", "Unit": "Count" },
                        { "Name": "announce_failed", "Unit": "Count" },
                    ],
                }],
            },
            "function": "create-brand",
            "created": 2,
            "announce_failed": 1,
        });
        assert_eq!(line, Some(expected));
    }

    #[test]
    fn nothing_counted_is_no_line() {
        assert_eq!(Counts::new().line("create-brand", UNIX_EPOCH), None);
    }
}
