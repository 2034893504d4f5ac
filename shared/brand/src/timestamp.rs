//! Moments, as the API and the table write them.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A moment, to the millisecond. Written as RFC 3339 in UTC with three digits and Z, `2026-11-23T09:45:07.966Z`, so
/// that texts sort as moments do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// Now, by the system's clock.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The moment that many milliseconds after the Unix epoch; the last one that can be written where it is later.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
    }

    /// Milliseconds since the Unix epoch; none for a moment before it.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millisecond()).unwrap_or_default()
    }

    /// That much later.
    #[must_use]
    pub fn plus(self, time: Duration) -> Self {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.as_millis().saturating_add(time))
    }

    /// That much earlier, but not before the Unix epoch.
    #[must_use]
    pub fn minus(self, time: Duration) -> Self {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.as_millis().saturating_sub(time))
    }

    /// How long it is since an earlier moment; nothing where that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.as_millis().saturating_sub(earlier.as_millis()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.3}", self.0)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let parsed: jiff::Timestamp = text.parse()?;
        Ok(Self::from_millis(
            u64::try_from(parsed.as_millisecond()).unwrap_or_default(),
        ))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, jiff::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn a_moment_is_written_with_three_digits_and_z() {
        let cases = [
            (1_795_427_107_966, "2026-11-23T09:45:07.966Z"),
            (1_795_427_107_000, "2026-11-23T09:45:07.000Z"),
            (1_795_427_107_060, "2026-11-23T09:45:07.060Z"),
            (0, "1970-01-01T00:00:00.000Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
            assert_eq!(text.parse().ok(), Some(Timestamp::from_millis(millis)));
        }
    }
}
