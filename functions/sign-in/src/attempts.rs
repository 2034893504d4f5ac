//! How often one may try to sign in.
//!
//! Three things are counted, in windows of 15 minutes:
//!
//! | what | limit | against |
//! |---|---|---|
//! | attempts of one address at one account | 10 | guessing a password |
//! | attempts of one address | 50 | trying one password at many accounts |
//! | attempts at one account | 100 | guessing from many addresses |
//!
//! An attempt is counted before its password is looked at, and an attempt that succeeds is given back. So a window never has more
//! failures than its limit, however many are tried at once:
//!
//! ```text
//! guess 10:  count: 10 of 10, allowed ──────────────────► check: wrong
//! guess 11:         └──► count: refused                    (read, check, count afterwards would have let it through)
//! the owner: (a window later) count: 1 of 10 ──► check: right ──► give back: 0 of 10
//! ```
//!
//! Giving back takes off one's own attempt alone: whoever knows one password wins no further guesses at another.
//!
//! A limit is also a way to lock others out. The limit of an account is what all addresses share, and an address that is over a
//! limit of its own does not add to it: so it takes ten addresses at least, that keep on, to lock a user out of signing in, and one
//! cannot do it. Whoever is signed in stays so.
//!
//! Windows are fixed: at the border of two, twice the limit may be tried within a short time. It is one write that counts, and no
//! reading before it.

mod dynamodb;
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
pub use memory::MemoryAttempts;

/// Seconds of a window.
const WINDOW: u64 = 15 * 60;
/// How many seconds longer than its window a count is kept.
const KEPT: u64 = 60 * 60;

/// The most attempts of one address at one account in a window.
pub const PER_ADDRESS_AND_ACCOUNT: u32 = 10;
/// The most attempts of one address in a window.
pub const PER_ADDRESS: u32 = 50;
/// The most attempts at one account in a window.
pub const PER_ACCOUNT: u32 = 100;

/// Where attempts are counted.
pub trait Attempts: Send + Sync {
    /// Counts an attempt, unless a limit is reached.
    fn begin(
        &self,
        attempt: &Attempt,
    ) -> impl Future<Output = Result<Counted, AttemptsError>> + Send;

    /// Takes back an attempt that was counted, since it has succeeded.
    fn give_back(
        &self,
        attempt: &Attempt,
    ) -> impl Future<Output = Result<(), AttemptsError>> + Send;
}

/// What became of counting an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is counted, and may be made.
    Allowed,
    /// There were too many before it.
    TooMany,
}

/// An attempt could not be counted, or may have been.
#[derive(Clone, Debug, Error)]
#[error("the table of attempts to sign in did not do what it was asked to")]
pub struct AttemptsError(#[source] pub Arc<dyn Error + Send + Sync>);

/// One attempt to sign in, by the keys that it is counted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    address: String,
    account: Option<String>,
    window: u64,
    now: u64,
}

impl Attempt {
    /// An attempt from that address to sign in as whoever has that email, if it is one.
    #[must_use]
    pub fn of(source_ip: Option<&str>, email: Option<&Email>, now: SystemTime) -> Self {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self {
            address: source_ip.map_or_else(|| UNKNOWN.to_owned(), address),
            account: email.map(account),
            window: now / WINDOW,
            now,
        }
    }

    /// How long it is until the next window.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        Duration::from_secs(WINDOW - self.now % WINDOW)
    }

    /// When the counts of this window can be forgotten, in seconds since the Unix epoch.
    fn expires_at(&self) -> u64 {
        self.window
            .saturating_add(1)
            .saturating_mul(WINDOW)
            .saturating_add(KEPT)
    }

    /// The key under which the address is counted.
    fn address_key(&self) -> String {
        format!("address#{}#{}", self.address, self.window)
    }

    /// The key under which the account is counted.
    fn account_key(&self) -> Option<String> {
        let account = self.account.as_ref()?;
        Some(format!("account#{account}#{}", self.window))
    }
}

/// The address of whoever has none that can be read. They share their limits.
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

/// An account, known by its email or not, under a key that does not tell the email: people also type passwords there.
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
