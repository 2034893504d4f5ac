//! Which tokens are refused since their user has another password.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use admin_api::ApiError;
use aws::Limits;
use tokio::time::timeout;
use tracing::{error, warn};
use users::PasswordChanges;

use crate::Checked;

/// For how long a list of changed passwords is used before it is read again.
const USED: Duration = Duration::from_mins(1);
/// How long reading it may take.
const PATIENCE: Duration = Duration::from_secs(2);
const _: () = assert!(Limits::SHORT.leave_room_in(PATIENCE));

/// The list of changed passwords, as this process read it last. Clones share it.
///
/// It is read at the start, and then by the first request that finds it a minute old. All other requests use it as it is. If it
/// cannot be read, no request passes: a changed password has to end the sessions of the former one.
#[derive(Clone)]
pub struct Revocations {
    changes: Arc<dyn PasswordChanges>,
    known: Arc<Mutex<Option<Known>>>,
}

struct Known {
    versions: HashMap<String, u32>,
    read_at: SystemTime,
}

/// Whether a token is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Good,
    Revoked,
    /// The list is too old to tell.
    Unknown,
}

impl Revocations {
    /// The list that is read there.
    pub fn read_from(changes: impl PasswordChanges + 'static) -> Self {
        Self {
            changes: Arc::new(changes),
            known: Arc::default(),
        }
    }

    /// Reads the list at the start, if it can be had; else the first request does.
    pub async fn prime(&self) {
        let _ = self.refresh().await;
    }

    pub(crate) fn standing(&self, token: &Checked, now: SystemTime) -> Standing {
        match &*self.known() {
            Some(known) if known.is_fresh(now) => {
                let version = known.versions.get(token.actor.id());
                match version {
                    Some(version) if *version > token.password_version => Standing::Revoked,
                    _ => Standing::Good,
                }
            }
            _ => Standing::Unknown,
        }
    }

    pub(crate) async fn refresh(&self) -> Result<(), ApiError> {
        // Before it is asked for: what is changed meanwhile may not be in the answer.
        let read_at = SystemTime::now();
        match timeout(PATIENCE, self.changes.recent()).await {
            Ok(Ok(versions)) => {
                *self.known() = Some(Known { versions, read_at });
                Ok(())
            }
            Ok(Err(cause)) => {
                let error = telemetry::chain(&cause);
                error!(error, "the list of changed passwords could not be read");
                Err(ApiError::Unknown)
            }
            Err(_) => {
                warn!("the list of changed passwords was not read in time");
                Err(ApiError::Unknown)
            }
        }
    }

    /// Makes what was read that much older.
    #[cfg(test)]
    pub(crate) fn age(&self, time: Duration) {
        if let Some(known) = &mut *self.known() {
            known.read_at -= time;
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// A clock that was set back makes it old: it may have stood still for any time.
    fn is_fresh(&self, now: SystemTime) -> bool {
        now.duration_since(self.read_at).is_ok_and(|age| age < USED)
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Revocations(…)")
    }
}
