//! Which users have another password than a while ago, so that their old tokens are refused.
//!
//! One item of the users' table lists them, for as long as a token of before may live. A function that checks tokens reads it
//! at its start and once a minute, and nothing else of that table.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{UserId, UsersError};

/// How long a change is listed: an hour longer than a token lives.
const LISTED: Duration = Duration::from_hours(25);

/// The port to the list of changed passwords.
#[async_trait]
pub trait PasswordChanges: Send + Sync {
    /// The version of the password that each user has who was given another one within the last 25 hours.
    async fn recent(&self) -> Result<HashMap<String, u32>, UsersError>;
}

/// The list, as its item keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangeList {
    /// Counts the writes of the list.
    pub(crate) sequence: u32,
    users: HashMap<String, Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    /// Which password it is, counted from the user's first.
    version: u32,
    /// When it was set, in seconds since the Unix epoch.
    at: u64,
}

impl ChangeList {
    /// The list with a further change, without those that are over.
    pub(crate) fn with(mut self, user: &UserId, version: u32, now: SystemTime) -> Self {
        let seconds = |time: SystemTime| {
            time.duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs()
        };
        let (at, over) = (seconds(now), seconds(now).saturating_sub(LISTED.as_secs()));
        self.users.retain(|_, change| change.at > over);
        self.users
            .insert(user.as_str().to_owned(), Change { version, at });
        self.sequence = self.sequence.saturating_add(1);
        self
    }

    pub(crate) fn into_versions(self) -> HashMap<String, u32> {
        let users = self.users.into_iter();
        users.map(|(user, change)| (user, change.version)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::ChangeList;
    use crate::UserId;

    #[test]
    fn a_change_is_listed_for_as_long_as_a_token_of_before_may_live() {
        let (first, second) = (UserId::random(), UserId::random());
        let begin = UNIX_EPOCH + Duration::from_hours(500_000);
        let list = ChangeList::default().with(&first, 2, begin);
        let after = |hours, version| {
            let list = list.clone();
            list.with(&second, version, begin + Duration::from_hours(hours))
                .into_versions()
        };
        assert_eq!(after(24, 5).get(first.as_str()), Some(&2));
        assert_eq!(after(24, 5).get(second.as_str()), Some(&5));
        assert_eq!(after(26, 5).get(first.as_str()), None);
    }
}
