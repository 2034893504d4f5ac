//! How much time Lambda leaves an invocation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Deadlines before this moment (in 2001) are none: `cargo lambda watch` sends 600000, which is a duration.
const FIRST_DEADLINE: u64 = 1_000_000_000_000;

/// The deadline of an invocation, in milliseconds since the Unix epoch as the context has it; none where it is not known.
#[must_use]
pub fn deadline(millis: u64) -> Option<u64> {
    (millis >= FIRST_DEADLINE).then_some(millis)
}

/// How long it is until that deadline; none where it is not known.
#[must_use]
pub fn time_left(millis: u64, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    deadline(millis).map(|millis| Duration::from_millis(millis).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{deadline, time_left};

    #[test]
    fn the_time_left_is_what_lies_between() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        assert_eq!(
            time_left(1_795_000_010_000, now),
            Some(Duration::from_secs(10))
        );
        assert_eq!(time_left(1_794_999_999_999, now), Some(Duration::ZERO));
    }

    #[test]
    fn what_cargo_lambda_watch_sends_is_no_deadline() {
        assert_eq!(deadline(600_000), None);
        assert_eq!(deadline(0), None);
    }
}
