//! Counting one attempt for its address and its account, and waiting for those in flight.

use std::time::Duration;

use lambda_http::tracing::warn;
use tokio::time::{Instant, sleep};

use super::{Attempt, Attempts, AttemptsError, Begun, Count};

/// The first pause between two tries to begin; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Lets attempts begin within the limits.
#[derive(Clone, Debug)]
pub struct Limiter<A> {
    attempts: A,
}

impl<A: Attempts> Limiter<A> {
    /// A limiter on those counts.
    pub fn new(attempts: A) -> Self {
        Self { attempts }
    }

    /// Begins an attempt. Where others are in flight, it waits for them, at most that long in all.
    ///
    /// The address comes first: if it is over its limit, the account is not counted. If the account then has no room, the address is
    /// charged with a failure where the account's attempts have failed, so that it cannot go on for ever; where they are in flight,
    /// it is given back.
    pub async fn begin(
        &self,
        attempt: &Attempt,
        patience: Duration,
    ) -> Result<Begun, AttemptsError> {
        let until = Instant::now() + patience;
        let begun = self.begin_by(&attempt.address, until).await?;
        let Some(account) = attempt.account.as_ref().filter(|_| begun == Begun::Allowed) else {
            return Ok(begun);
        };
        let begun = self.begin_by(account, until).await?;
        let undone = match begun {
            Begun::Allowed => Ok(()),
            Begun::Busy => self.attempts.give_back(&attempt.address).await,
            Begun::TooMany => self.attempts.fail(&attempt.address).await,
        };
        if let Err(cause) = undone {
            warn!(
                error = telemetry::chain(&cause),
                "an attempt that is not made stays counted"
            );
        }
        Ok(begun)
    }

    /// Takes off an attempt that has begun and succeeded.
    pub async fn give_back(&self, attempt: &Attempt) -> Result<(), AttemptsError> {
        let account = async {
            match &attempt.account {
                Some(account) => self.attempts.give_back(account).await,
                None => Ok(()),
            }
        };
        // Both are tried, even if one fails.
        let (address, account) = tokio::join!(self.attempts.give_back(&attempt.address), account);
        address.and(account)
    }

    /// Counts an attempt that has begun as failed.
    pub async fn fail(&self, attempt: &Attempt) -> Result<(), AttemptsError> {
        let account = async {
            match &attempt.account {
                Some(account) => self.attempts.fail(account).await,
                None => Ok(()),
            }
        };
        let (address, account) = tokio::join!(self.attempts.fail(&attempt.address), account);
        address.and(account)
    }

    async fn begin_by(&self, count: &Count, until: Instant) -> Result<Begun, AttemptsError> {
        let mut longest = FIRST_PAUSE;
        loop {
            let begun = self.attempts.begin(count).await?;
            // Jitter: half of the pause is random, so that waiting attempts do not retry together.
            let pause = longest.mul_f64(0.5 + fastrand::f64() / 2.0);
            if begun != Begun::Busy || Instant::now() + pause > until {
                return Ok(begun);
            }
            sleep(pause).await;
            longest = (longest * 2).min(LONGEST_PAUSE);
        }
    }
}
