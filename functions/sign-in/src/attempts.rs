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
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use users::Email;

    use super::{
        Attempt, Attempts, Counted, MemoryAttempts, PER_ACCOUNT, PER_ADDRESS,
        PER_ADDRESS_AND_ACCOUNT,
    };

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_427_100 + seconds)
    }

    fn attempt(address: &str, email: &str, seconds: u64) -> Attempt {
        Attempt::of(
            Some(address),
            Email::parse(email).ok().as_ref(),
            at(seconds),
        )
    }

    /// How many of those attempts are allowed, made one after the other.
    async fn allowed(attempts: &MemoryAttempts, made: impl IntoIterator<Item = Attempt>) -> u32 {
        let mut allowed = 0;
        for attempt in made {
            if attempts.begin(&attempt).await.unwrap() == Counted::Allowed {
                allowed += 1;
            }
        }
        allowed
    }

    #[tokio::test]
    async fn one_address_may_try_one_account_ten_times_and_again_in_the_next_window() {
        let attempts = MemoryAttempts::new();
        let guesses =
            |seconds| (0..30).map(move |_| attempt("203.0.113.7", "admin@example.com", seconds));
        assert_eq!(
            allowed(&attempts, guesses(0)).await,
            PER_ADDRESS_AND_ACCOUNT
        );
        assert_eq!(allowed(&attempts, guesses(890)).await, 0);
        assert_eq!(
            allowed(&attempts, guesses(900)).await,
            PER_ADDRESS_AND_ACCOUNT
        );
    }

    #[tokio::test]
    async fn one_address_may_try_fifty_times_at_whatever() {
        let attempts = MemoryAttempts::new();
        let at_many =
            (0..100).map(|user| attempt("203.0.113.7", &format!("user{user}@example.com"), 0));
        assert_eq!(allowed(&attempts, at_many).await, PER_ADDRESS);
        let no_email = attempt("203.0.113.7", "no email", 0);
        assert_eq!(allowed(&attempts, [no_email.clone()]).await, 0);
        let attempts = MemoryAttempts::new();
        assert_eq!(
            allowed(&attempts, (0..100).map(|_| no_email.clone())).await,
            PER_ADDRESS
        );
    }

    #[tokio::test]
    async fn one_account_may_be_tried_a_hundred_times_from_wherever() {
        let attempts = MemoryAttempts::new();
        let from_many =
            (0..200).map(|host| attempt(&format!("203.0.113.{host}"), "admin@example.com", 0));
        assert_eq!(allowed(&attempts, from_many).await, PER_ACCOUNT);
    }

    #[tokio::test]
    async fn one_address_alone_cannot_lock_a_user_out() {
        let attempts = MemoryAttempts::new();
        let guesses = (0..1000).map(|_| attempt("198.51.100.1", "admin@example.com", 0));
        allowed(&attempts, guesses).await;
        let owner = attempt("203.0.113.7", "admin@example.com", 0);
        assert_eq!(allowed(&attempts, [owner]).await, 1);
    }

    #[tokio::test]
    async fn what_succeeds_is_given_back_and_no_more_than_that() {
        let attempts = MemoryAttempts::new();
        let owner = attempt("203.0.113.7", "admin@example.com", 0);
        for _ in 0..1000 {
            assert_eq!(attempts.begin(&owner).await.unwrap(), Counted::Allowed);
            attempts.give_back(&owner).await.unwrap();
        }
        let other = |_| attempt("203.0.113.7", "other@example.com", 0);
        assert_eq!(
            allowed(&attempts, (0..30).map(other)).await,
            PER_ADDRESS_AND_ACCOUNT
        );
        attempts.give_back(&owner).await.unwrap();
        assert_eq!(allowed(&attempts, (0..30).map(other)).await, 0);
    }

    #[test]
    fn an_email_is_one_account_however_it_is_written_and_its_key_does_not_tell_it() {
        let (one, other) = (
            attempt("203.0.113.7", "Admin@example.com", 0),
            attempt("203.0.113.7", " admin@EXAMPLE.com", 0),
        );
        assert_eq!(one, other);
        assert!(
            !format!("{:?}", one.account_key()).contains("admin"),
            "{one:?}"
        );
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let address = |ip: Option<&str>| Attempt::of(ip, None, at(0)).address;
        assert_eq!(
            address(Some("2001:db8:1:2::1")),
            address(Some("2001:db8:1:2:ffff::9"))
        );
        assert_ne!(
            address(Some("2001:db8:1:2::1")),
            address(Some("2001:db8:1:3::1"))
        );
        assert_eq!(address(Some("::ffff:203.0.113.7")), "203.0.113.7");
        assert_eq!(address(Some("x, 203.0.113.7")), address(None));
    }

    #[test]
    fn it_may_be_tried_again_in_the_next_window() {
        let retry_after = |seconds| {
            attempt("203.0.113.7", "a@b.c", seconds)
                .retry_after()
                .as_secs()
        };
        assert_eq!(
            (retry_after(0), retry_after(1), retry_after(899)),
            (900, 899, 1)
        );
    }
}
