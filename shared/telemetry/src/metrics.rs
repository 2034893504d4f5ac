//! Metrics, as CloudWatch embedded metric format: a line of JSON in the log that CloudWatch reads as metrics.
//!
//! Format: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::{
    env,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer, ser::SerializeMap};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "BrandSync";

/// The only dimension: the function's own name, which differs between two stacks of one account.
const DIMENSION: &str = "function";
/// The most values of a metric in one line, as the format has it.
const MAX_VALUES: usize = 100;

/// What a metric is measured in, in CloudWatch's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

/// What was counted and measured in one invocation, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    counts: Vec<(&'static str, u64)>,
    measured: Vec<(&'static str, Unit, Vec<f64>)>,
}

impl Metrics {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            counts: Vec::new(),
            measured: Vec::new(),
        }
    }

    /// Counts one more of `name`.
    pub fn add(&mut self, name: &'static str) {
        self.add_many(name, 1);
    }

    /// Counts so many more of `name`. None at all is a count too.
    pub fn add_many(&mut self, name: &'static str, many: usize) {
        self.count(name, u64::try_from(many).unwrap_or(u64::MAX));
    }

    /// Adds how long something took, in milliseconds.
    pub fn took(&mut self, name: &'static str, time: Duration) {
        // To the microsecond: what comes behind it is noise, and digits of every line.
        let millis = (time.as_secs_f64() * 1e6).round() / 1e3;
        self.measure(name, Unit::Milliseconds, &[millis]);
    }

    /// Adds values that were measured.
    pub fn measure(&mut self, name: &'static str, unit: Unit, values: &[f64]) {
        let found = self.measured.iter_mut().find(|(known, ..)| *known == name);
        match found {
            Some((_, _, known)) => known.extend(values),
            None => self.measured.push((name, unit, values.to_vec())),
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.counts {
            self.count(name, *count);
        }
        for (name, unit, values) in &other.measured {
            self.measure(name, *unit, values);
        }
    }

    fn count(&mut self, name: &'static str, many: u64) {
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

    /// What was measured of `name`.
    #[must_use]
    pub fn values(&self, name: &str) -> &[f64] {
        let found = self.measured.iter().find(|(known, ..)| *known == name);
        found.map_or(&[], |(_, _, values)| values)
    }

    /// The lines that CloudWatch reads, for the function of that name: none where there is nothing, and mostly one. A
    /// line has room for a hundred values of a metric, so that more take further lines.
    #[must_use]
    pub fn lines(&self, function: &str, now: SystemTime) -> Vec<String> {
        let of_measured = |(_, _, values): &(_, _, Vec<f64>)| values.len().div_ceil(MAX_VALUES);
        let for_counts = usize::from(!self.counts.is_empty());
        let lines = self.measured.iter().map(of_measured).max();
        (0..lines.unwrap_or(0).max(for_counts))
            .map(|number| self.line(function, now, number))
            .collect()
    }

    fn line(&self, function: &str, now: SystemTime, number: usize) -> String {
        let counts = self.counts.iter().filter(|_| number == 0);
        let counts = counts.map(|(name, count)| (*name, Unit::Count, Told::Count(*count)));
        let measured = self.measured.iter().filter_map(|(name, unit, values)| {
            let told = match values.chunks(MAX_VALUES).nth(number)? {
                [value] => Told::Value(*value),
                values => Told::Values(values),
            };
            Some((*name, *unit, told))
        });
        let told: Vec<_> = counts.chain(measured).collect();
        let millis = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = Line {
            function,
            millis: u64::try_from(millis.as_millis()).unwrap_or(u64::MAX),
            told: &told,
        };
        // It consists of names and numbers: there is nothing in it that JSON does not know.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Writes them to the log. `function` is what the function is called where Lambda gives it no name.
    pub fn emit(&self, function: &str) {
        let name = env::var("AWS_LAMBDA_FUNCTION_NAME");
        let name = name.as_deref().unwrap_or(function);
        for line in self.lines(name, SystemTime::now()) {
            println!("{line}");
        }
    }
}

/// What is told of a metric.
#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    Count(u64),
    Value(f64),
    Values(&'a [f64]),
}

/// A line, written without making a tree of it first: it is a part of each invocation.
struct Line<'a> {
    function: &'a str,
    millis: u64,
    told: &'a [(&'static str, Unit, Told<'a>)],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct About {
    timestamp: u64,
    cloud_watch_metrics: [Directive; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metrics = self.told.iter().map(|(name, unit, _)| Metric {
            name,
            unit: unit.as_str(),
        });
        let about = About {
            timestamp: self.millis,
            cloud_watch_metrics: [Directive {
                namespace: NAMESPACE,
                dimensions: [[DIMENSION]],
                metrics: metrics.collect(),
            }],
        };
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("_aws", &about)?;
        line.serialize_entry(DIMENSION, self.function)?;
        for (name, _, told) in self.told {
            line.serialize_entry(name, told)?;
        }
        line.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::{Metrics, Unit};

    fn lines(metrics: &Metrics) -> Vec<Value> {
        let lines = metrics.lines(
            "stack-CreateBrandFunction-1",
            UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        );
        let parsed = lines.iter().map(|line| serde_json::from_str(line));
        parsed.collect::<Result<_, _>>().unwrap_or_default()
    }

    #[test]
    fn an_invocation_is_one_line_that_cloudwatch_reads() {
        let mut metrics = Metrics::new();
        metrics.add("created");
        metrics.add("created");
        metrics.add_many("announce_failed", 0);
        metrics.took("cms_latency", Duration::from_nanos(1_500_499));
        let mut more = Metrics::new();
        more.took("cms_latency", Duration::from_secs(2));
        more.measure("oldest_due_age", Unit::Seconds, &[61.0]);
        more.add("created");
        metrics.merge(&more);
        let expected = json!({
            "_aws": {
                "Timestamp": 1_700_000_000_123_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "BrandSync",
                    "Dimensions": [["function"]],
                    "Metrics": [
                        { "Name": "created", "Unit": "Count" },
                        { "Name": "announce_failed", "Unit": "Count" },
                        { "Name": "cms_latency", "Unit": "Milliseconds" },
                        { "Name": "oldest_due_age", "Unit": "Seconds" },
                    ],
                }],
            },
            "function": "stack-CreateBrandFunction-1",
            "created": 3,
            "announce_failed": 0,
            "cms_latency": [1.5, 2000.0],
            "oldest_due_age": 61.0,
        });
        assert_eq!(lines(&metrics), [expected]);
    }

    #[test]
    fn more_values_than_a_line_may_have_take_another_and_nothing_is_told_twice() {
        let mut metrics = Metrics::new();
        metrics.add("created");
        for value in 0..201_u32 {
            metrics.measure("step_latency", Unit::Milliseconds, &[value.into()]);
        }
        let lines = lines(&metrics);
        let told: Vec<_> = lines
            .iter()
            .map(|line| (line["created"].as_u64(), line["step_latency"].clone()))
            .collect();
        let range = |from: u32, to: u32| json!((from..to).map(f64::from).collect::<Vec<_>>());
        let expected = [
            (Some(1), range(0, 100)),
            (None, range(100, 200)),
            (None, json!(200.0)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn nothing_recorded_is_no_line() {
        assert_eq!(lines(&Metrics::new()), Vec::<Value>::new());
    }
}
