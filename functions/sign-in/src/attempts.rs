//! Limits on attempts to sign in.
//!
//! Three things are counted, in windows of 15 minutes:
//!
//! | what | limit | against |
//! |---|---|---|
//! | failed attempts of one address at one account | 10 | guessing a password |
//! | failed attempts of one address | 50 | trying one password at many accounts |
//! | failed attempts at one account | 100 | guessing from many addresses |
//!
//! Each has two numbers: `attempts`, which have begun and did not succeed, and `failed`. An attempt is added to `attempts` before its
//! password is checked, and only below the limit. So a window never has more failures than its limit, however many are tried at
//! once. One that succeeds is taken off `attempts`; one that fails is added to `failed`. The rest, `attempts` less `failed`, is in
//! flight:
//!
//! ```text
//! guess 10:  begin: 10 attempts ──► check: wrong ──► fail: 10 attempts, 10 failed
//! guess 11:         └──► begin: refused, 1 in flight: wait ──► begin: refused, all failed: 429 until the window ends
//!                        (read, check, count afterwards would have let it through)
//!
//! right 10:  begin: 10 attempts ──► check: right ──► give back: 9 attempts
//! right 11:         └──► begin: refused, 10 in flight: wait ───────────► begin: 10 attempts ──► check: right
//!
//! the owner: (a window later) begin: 1 attempt ──► check: right ──► give back: 0 attempts
//! ```
//!
//! So right passwords that are tried at once only wait for one another, for two seconds at most; after that, the answer is to try again
//! in a second. A process that dies in flight gives nothing back. If nothing has begun for 30 seconds, what is still in flight has
//! died, and counts as failed:
//!
//! ```text
//! guesses 1 to 10:  begin: 10 attempts ──► the process dies
//! guess 11:            └──► begin: refused, 10 in flight (29 s) ──► try again in a second
//! guess 12:                      └──► begin: refused, 10 have died (30 s) ──► 429 until the window ends
//! ```
//!
//! Of an address, any attempt that begins puts this off, at whichever account: the answer is the gentler one for longer, and nothing
//! more is let through.
//!
//! Giving back takes off one's own attempt alone: knowing one password wins no further guesses at another.
//!
//! A limit is also a way to lock others out. The limit of an account is what all addresses share, and an address that is over a
//! limit of its own does not add to it: so it takes ten addresses at least, that keep on, to lock a user out of signing in, and one
//! cannot do it. Those who are signed in stay so.
//!
//! Windows are fixed: at the border of two, twice the limit may be tried within a short time. One write counts, without a read before
//! it.
//!
//! Requests to the table, for an attempt with an email: 2 to begin and 2 when it has succeeded or failed. Each further try to begin is
//! one more. An attempt that is refused for its account's sake takes 1 more: its address is given back, or charged.

mod dynamodb;
mod limiter;
mod memory;

use std::{
    error::Error,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};
use thiserror::Error;
use users::Email;

pub use dynamodb::DynamoDbAttempts;
pub use limiter::Limiter;
pub use memory::MemoryAttempts;

/// Seconds of a window.
const WINDOW: u64 = 15 * 60;
/// How many seconds longer than its window a count is kept.
const KEPT: u64 = 60 * 60;
/// Seconds after which an attempt no longer counts as in flight: three times the function's timeout.
const LONGEST: u64 = 30;

/// The most failed attempts of one address at one account in a window.
pub const PER_ADDRESS_AND_ACCOUNT: u32 = 10;
/// The most failed attempts of one address in a window.
pub const PER_ADDRESS: u32 = 50;
/// The most failed attempts at one account in a window.
pub const PER_ACCOUNT: u32 = 100;

/// Where attempts are counted. Each method is one write of one item.
pub trait Attempts: Send + Sync {
    /// Counts an attempt as begun, unless a limit is reached.
    fn begin(&self, count: &Count) -> impl Future<Output = Result<Begun, AttemptsError>> + Send;

    /// Takes an attempt off that has begun and succeeded.
    fn give_back(&self, count: &Count) -> impl Future<Output = Result<(), AttemptsError>> + Send;

    /// Counts an attempt that has begun as failed.
    fn fail(&self, count: &Count) -> impl Future<Output = Result<(), AttemptsError>> + Send;
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Begun {
    /// It is counted, and may be made.
    Allowed,
    /// It is not counted: as many as the limit allows have failed or are in flight. In a moment there may be room.
    Busy,
    /// It is not counted: as many as the limit allows have failed in this window.
    TooMany,
}

/// An attempt could not be counted, or may have been.
#[derive(Clone, Debug, Error)]
#[error("the request to the table of attempts to sign in failed")]
pub struct AttemptsError(#[source] pub Arc<dyn Error + Send + Sync>);

/// One attempt to sign in, by what it is counted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    address: Count,
    account: Option<Count>,
}

/// One item that an attempt is counted in, with its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    key: String,
    limit: u32,
    /// The account that an address's item counts besides, up to [`PER_ADDRESS_AND_ACCOUNT`].
    account: Option<String>,
    /// When the attempt began, in seconds since the Unix epoch.
    now: u64,
    /// When the item can be forgotten, likewise.
    expires_at: u64,
}

impl Attempt {
    /// An attempt from that address to sign in with that email, if it is one.
    #[must_use]
    pub fn of(source_ip: Option<&str>, email: Option<&Email>, now: SystemTime) -> Self {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let window = now / WINDOW;
        let count = |key, limit, account| Count {
            key,
            limit,
            account,
            now,
            expires_at: (window + 1) * WINDOW + KEPT,
        };
        let address = source_ip.map_or_else(|| UNKNOWN.to_owned(), address);
        let account = email.map(account);
        Self {
            account: account.as_ref().map(|account| {
                let key = format!("account#{account}#{window}");
                count(key, PER_ACCOUNT, None)
            }),
            address: count(format!("address#{address}#{window}"), PER_ADDRESS, account),
        }
    }

    /// How long it is until the next window.
    #[must_use]
    pub fn window_left(&self) -> Duration {
        Duration::from_secs(WINDOW - self.address.now % WINDOW)
    }
}

/// What an item holds for one limit.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    /// Those that have begun and were not given back.
    attempts: u32,
    failed: u32,
}

impl Counter {
    /// Whether another attempt may begin. Normally there are no more failures than attempts; a write that the SDK repeats, since a reply
    /// was lost, counts twice.
    fn has_room(self, limit: u32) -> bool {
        self.attempts.max(self.failed) < limit
    }

    /// Whether another attempt may begin, given when the last one began.
    fn begin(self, limit: u32, last_at: u64, now: u64) -> Begun {
        if self.has_room(limit) {
            Begun::Allowed
        } else if self.failed >= limit || now.saturating_sub(last_at) >= LONGEST {
            Begun::TooMany
        } else {
            Begun::Busy
        }
    }
}

/// The address where none can be read. Such clients share their limits.
const UNKNOWN: &str = "unknown";

/// An IPv6 address counts by its first 64 bits: the rest is at its owner's choice (RFC 4291, 2.5.4).
fn address(source_ip: &str) -> String {
    match source_ip
        .parse::<IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => format!("{:016x}", address.to_bits() >> 64),
        Err(_) => UNKNOWN.to_owned(),
    }
}

/// An account, known by its email or not, under a key that hides the email: people also type passwords there.
fn account(email: &Email) -> String {
    let half = |bytes: &[u8]| {
        bytes
            .iter()
            .take(16)
            .fold(0, |number, byte| number << 8 | u128::from(*byte))
    };
    format!("{:032x}", half(&Sha256::digest(email.as_str())))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests;
