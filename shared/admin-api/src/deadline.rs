//! Until when a request must be answered.

use std::time::{Duration, SystemTime};

use lambda_http::{Request, RequestExt};

/// What is kept of an invocation's time for answering.
const ANSWER: Duration = Duration::from_millis(500);
/// How long an invocation may take of which the deadline is not known.
const UNKNOWN: Duration = Duration::from_secs(10);

/// When what is done for a request must have ended, so that it can still be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(SystemTime);

impl Deadline {
    /// The deadline of a request, as Lambda gives it.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let now = SystemTime::now();
        let millis = request
            .lambda_context_ref()
            .map_or(0, |context| context.deadline);
        let left = aws::time_left(millis, now).unwrap_or(UNKNOWN);
        Self(now + left.saturating_sub(ANSWER))
    }

    /// How long it is until then.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.0.duration_since(SystemTime::now()).unwrap_or_default()
    }
}
