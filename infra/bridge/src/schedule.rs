//! A function that is invoked again and again, as EventBridge Scheduler does it.

use std::{num::ParseIntError, str::FromStr, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{Functions, Stop};

/// A function, how often it is invoked, and with what: `republish-brands=rate(1 minute)`, `reconcile-brands=rate(1 minute)={}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    function: String,
    period: Duration,
    /// Scheduler's own event where there is none.
    input: Option<Value>,
}

/// What is no schedule that can be kept here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// It is not written as a function and a rate.
    #[error("write FUNCTION=rate(NUMBER minutes), or hours, or days; =INPUT may follow")]
    Form,
    /// It is not so many of a unit.
    #[error("the rate has no number")]
    Number(#[from] ParseIntError),
    /// It would be invoked without a pause.
    #[error("the rate is zero")]
    Zero,
    /// The input cannot be parsed.
    #[error("the input is not JSON")]
    Input,
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (function, rest) = text.split_once('=').ok_or(ScheduleError::Form)?;
        let (rate, input) = rest
            .split_once('=')
            .map_or((rest, None), |(rate, input)| (rate, Some(input)));
        let input = input
            .map(|input| serde_json::from_str(input).map_err(|_| ScheduleError::Input))
            .transpose()?;
        let rate = rate
            .strip_prefix("rate(")
            .and_then(|rate| rate.strip_suffix(')'));
        let (number, unit) = rate
            .and_then(|rate| rate.split_once(' '))
            .ok_or(ScheduleError::Form)?;
        let number: u32 = number.parse()?;
        let unit = match unit {
            "minute" | "minutes" => Duration::from_mins(1),
            "hour" | "hours" => Duration::from_hours(1),
            "day" | "days" => Duration::from_hours(24),
            _ => return Err(ScheduleError::Form),
        };
        if number == 0 {
            return Err(ScheduleError::Zero);
        }
        Ok(Self {
            function: function.to_owned(),
            period: unit * number,
            input,
        })
    }
}

impl Schedule {
    /// Invokes the function when each period has passed, until told to stop; an invocation that is under way then is finished.
    /// One that fails is not repeated: the next period makes up for it.
    pub async fn run(&self, functions: &Functions, mut stop: Stop) {
        let mut ticks = interval_at(Instant::now() + self.period, self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.told() => return,
                _ = ticks.tick() => {}
            }
            let input = self.input.clone();
            let input = input.unwrap_or_else(|| event(&self.function));
            match functions.invoke(&self.function, &input).await {
                Ok(_) => info!(function = self.function, "invoked on schedule"),
                Err(cause) => {
                    let error = telemetry::chain(&cause);
                    warn!(
                        function = self.function,
                        error, "the scheduled invocation failed"
                    );
                }
            }
        }
    }
}

/// What Scheduler sends where its target has no input of its own.
fn event(function: &str) -> Value {
    json!({
        "version": "0",
        "id": Uuid::now_v7(),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "000000000000",
        "time": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": "us-east-1",
        "resources": [format!("arn:aws:scheduler:us-east-1:000000000000:schedule/default/{function}")],
        "detail": "{}",
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use serde_json::{Value, json};

    use super::{Schedule, ScheduleError, event};

    #[test]
    fn a_rate_is_read_as_scheduler_writes_it() {
        let cases = [
            ("1 minute", 60),
            ("5 minutes", 300),
            ("2 hours", 7200),
            ("1 day", 86400),
        ];
        for (rate, seconds) in cases {
            let schedule: Schedule = format!("republish-brands=rate({rate})").parse().unwrap();
            assert_eq!(schedule.function, "republish-brands");
            assert_eq!(schedule.period, Duration::from_secs(seconds), "{rate}");
        }
    }

    #[test]
    fn an_input_stands_behind_the_rate() {
        let schedule = |text: &str| text.parse::<Schedule>().unwrap();
        assert_eq!(schedule("f=rate(1 minute)").input, None);
        assert_eq!(schedule("f=rate(1 minute)={}").input, Some(json!({})));
        let with_text = schedule(r#"f=rate(1 minute)={"a": "="}"#);
        assert_eq!(with_text.input, Some(json!({ "a": "=" })));
        assert_eq!(
            "f=rate(1 minute)=".parse::<Schedule>(),
            Err(ScheduleError::Input)
        );
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "rate(1 minute)",
            "f=rate(1)",
            "f=rate(1 week)",
            "f=cron(* * * * ? *)",
        ] {
            assert_eq!(text.parse::<Schedule>(), Err(ScheduleError::Form), "{text}");
        }
        assert_eq!(
            "f=rate(0 minutes)".parse::<Schedule>(),
            Err(ScheduleError::Zero)
        );
        assert!(matches!(
            "f=rate(x minutes)".parse::<Schedule>(),
            Err(ScheduleError::Number(_))
        ));
    }

    #[test]
    fn the_event_has_the_fields_of_the_recorded_one() {
        let recorded = include_str!("../../../events/scheduler-republish-brands.json");
        let recorded: Value = serde_json::from_str(recorded).unwrap();
        let fields = |event: &Value| -> BTreeSet<String> {
            event.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(fields(&event("republish-brands")), fields(&recorded));
    }
}
