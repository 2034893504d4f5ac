//! What counting attempts promises, in memory and on DynamoDB.
//!
//! Each function uses addresses and accounts of its own, so they may share a table and a window.

use std::time::{Duration, SystemTime};

use sign_in::attempts::{
    Attempt, Attempts, Begun, Limiter, PER_ACCOUNT, PER_ADDRESS, PER_ADDRESS_AND_ACCOUNT,
};
use tokio::task::JoinSet;
use users::Email;

/// Attempts of one test, in the window that begins then.
#[derive(Clone)]
pub(crate) struct Contract<A> {
    pub(crate) limiter: Limiter<A>,
    pub(crate) window: SystemTime,
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

impl<A: Attempts + Clone + 'static> Contract<A> {
    /// Panics where a promise is not kept.
    pub(crate) async fn check(&self) {
        self.of_many_at_once_no_more_than_the_limit_begin().await;
        self.failures_are_limited_until_the_next_window().await;
        self.those_in_flight_are_told_from_those_that_died().await;
        self.what_succeeds_is_given_back_and_nothing_else().await;
        self.the_last_place_is_free_when_its_attempt_has_succeeded()
            .await;
        self.what_is_not_an_email_counts_for_its_address_alone()
            .await;
        self.one_address_alone_cannot_lock_a_user_out().await;
        self.an_account_without_room_charges_addresses_for_failures_alone()
            .await;
    }

    /// An attempt from that host of the test's network, at that account.
    fn attempt(&self, network: u8, host: u32, account: &str, after: Duration) -> Attempt {
        let address = format!("10.{network}.{}.{}", host / 256, host % 256);
        let email = Email::parse(&format!("{account}-{network}@example.com")).unwrap();
        Attempt::of(Some(&address), Some(&email), self.window + after)
    }

    /// Begins without waiting.
    async fn begin(&self, attempt: &Attempt) -> Begun {
        self.limiter.begin(attempt, Duration::ZERO).await.unwrap()
    }

    async fn begin_and_fail(&self, attempt: &Attempt) -> Begun {
        let begun = self.begin(attempt).await;
        if begun == Begun::Allowed {
            self.limiter.fail(attempt).await.unwrap();
        }
        begun
    }

    /// How many of those may begin, all at once.
    async fn allowed_at_once(&self, attempts: Vec<Attempt>) -> u32 {
        let mut begun = JoinSet::new();
        for attempt in attempts {
            let contract = self.clone();
            begun.spawn(async move { contract.begin(&attempt).await });
        }
        let mut allowed = 0;
        while let Some(begun) = begun.join_next().await {
            allowed += u32::from(begun.unwrap() == Begun::Allowed);
        }
        allowed
    }

    async fn of_many_at_once_no_more_than_the_limit_begin(&self) {
        let now = Duration::ZERO;
        let guesses = vec![self.attempt(1, 0, "guessed", now); 40];
        assert_eq!(self.allowed_at_once(guesses).await, PER_ADDRESS_AND_ACCOUNT);
        let sprayed = (0..80).map(|user| self.attempt(2, 0, &format!("sprayed{user}"), now));
        assert_eq!(self.allowed_at_once(sprayed.collect()).await, PER_ADDRESS);
        let from_many = (0..130).map(|host| self.attempt(3, host, "distributed", now));
        assert_eq!(self.allowed_at_once(from_many.collect()).await, PER_ACCOUNT);
    }

    async fn failures_are_limited_until_the_next_window(&self) {
        let guess = |after| self.attempt(4, 0, "guessed", after);
        for _ in 0..PER_ADDRESS_AND_ACCOUNT {
            let begun = self.begin_and_fail(&guess(Duration::ZERO)).await;
            assert_eq!(begun, Begun::Allowed);
        }
        assert_eq!(self.begin(&guess(Duration::ZERO)).await, Begun::TooMany);
        assert_eq!(self.begin(&guess(minutes(14))).await, Begun::TooMany);
        assert_eq!(self.begin(&guess(minutes(15))).await, Begun::Allowed);
    }

    async fn those_in_flight_are_told_from_those_that_died(&self) {
        let attempt = |seconds| self.attempt(5, 0, "user", Duration::from_secs(seconds));
        for _ in 0..PER_ADDRESS_AND_ACCOUNT - 1 {
            assert_eq!(self.begin(&attempt(0)).await, Begun::Allowed);
        }
        assert_eq!(self.begin(&attempt(5)).await, Begun::Allowed);
        assert_eq!(self.begin(&attempt(5)).await, Begun::Busy);
        assert_eq!(self.begin(&attempt(34)).await, Begun::Busy);
        assert_eq!(self.begin(&attempt(35)).await, Begun::TooMany);
        // One of them was alive after all.
        self.limiter.give_back(&attempt(0)).await.unwrap();
        assert_eq!(self.begin(&attempt(36)).await, Begun::Allowed);
        assert_eq!(self.begin(&attempt(37)).await, Begun::Busy);
    }

    async fn what_succeeds_is_given_back_and_nothing_else(&self) {
        let owner = self.attempt(6, 0, "owner", Duration::ZERO);
        // Nothing is counted yet, so there is nothing to take off or to add to.
        self.limiter.give_back(&owner).await.unwrap();
        self.limiter.fail(&owner).await.unwrap();
        for _ in 0..3 * PER_ADDRESS_AND_ACCOUNT {
            assert_eq!(self.begin(&owner).await, Begun::Allowed);
            self.limiter.give_back(&owner).await.unwrap();
        }
        for _ in 0..PER_ADDRESS_AND_ACCOUNT {
            // Repeated, since the reply was lost.
            self.limiter.give_back(&owner).await.unwrap();
            assert_eq!(self.begin_and_fail(&owner).await, Begun::Allowed);
            self.limiter.give_back(&owner).await.unwrap();
        }
        assert_eq!(self.begin(&owner).await, Begun::TooMany);
        // Knowing one password wins no guesses at another.
        let other = self.attempt(6, 0, "other", Duration::ZERO);
        for _ in 0..PER_ADDRESS_AND_ACCOUNT {
            assert_eq!(self.begin(&owner).await, Begun::TooMany);
            assert_eq!(self.begin_and_fail(&other).await, Begun::Allowed);
        }
        assert_eq!(self.begin(&other).await, Begun::TooMany);
    }

    async fn the_last_place_is_free_when_its_attempt_has_succeeded(&self) {
        let attempt = self.attempt(7, 0, "user", Duration::ZERO);
        for _ in 0..PER_ADDRESS_AND_ACCOUNT - 1 {
            assert_eq!(self.begin_and_fail(&attempt).await, Begun::Allowed);
            // Nothing is in flight, so nothing is given back.
            self.limiter.give_back(&attempt).await.unwrap();
        }
        assert_eq!(self.begin(&attempt).await, Begun::Allowed);
        assert_eq!(self.begin(&attempt).await, Begun::Busy);
        self.limiter.give_back(&attempt).await.unwrap();
        assert_eq!(self.begin(&attempt).await, Begun::Allowed);
        self.limiter.fail(&attempt).await.unwrap();
        assert_eq!(self.begin(&attempt).await, Begun::TooMany);
    }

    async fn what_is_not_an_email_counts_for_its_address_alone(&self) {
        let nobody = Attempt::of(Some("10.8.0.0"), None, self.window);
        for _ in 0..PER_ADDRESS {
            assert_eq!(self.begin(&nobody).await, Begun::Allowed);
        }
        assert_eq!(self.begin(&nobody).await, Begun::Busy);
        self.limiter.give_back(&nobody).await.unwrap();
        assert_eq!(self.begin(&nobody).await, Begun::Allowed);
        for _ in 0..PER_ADDRESS {
            self.limiter.fail(&nobody).await.unwrap();
        }
        assert_eq!(self.begin(&nobody).await, Begun::TooMany);
        let with_email = self.attempt(8, 0, "user", Duration::ZERO);
        assert_eq!(self.begin(&with_email).await, Begun::TooMany);
    }

    async fn one_address_alone_cannot_lock_a_user_out(&self) {
        let guess = self.attempt(9, 0, "user", Duration::ZERO);
        for _ in 0..2 * PER_ACCOUNT {
            self.begin_and_fail(&guess).await;
        }
        let owner = self.attempt(9, 1, "user", Duration::ZERO);
        assert_eq!(self.begin(&owner).await, Begun::Allowed);
    }

    /// How many attempts at other accounts may begin from that host.
    async fn allowed_elsewhere(&self, network: u8, host: u32) -> u32 {
        let mut allowed = 0;
        for user in 0..=PER_ADDRESS {
            let other = self.attempt(network, host, &format!("other{user}"), Duration::ZERO);
            allowed += u32::from(self.begin(&other).await == Begun::Allowed);
        }
        allowed
    }

    async fn an_account_without_room_charges_addresses_for_failures_alone(&self) {
        for host in 0..PER_ACCOUNT {
            let attempt = self.attempt(10, host, "user", Duration::ZERO);
            assert_eq!(self.begin(&attempt).await, Begun::Allowed);
        }
        let late = self.attempt(10, 1000, "user", Duration::ZERO);
        for _ in 0..2 * PER_ADDRESS_AND_ACCOUNT {
            assert_eq!(self.begin(&late).await, Begun::Busy);
        }
        assert_eq!(self.allowed_elsewhere(10, 1000).await, PER_ADDRESS);
        for host in 0..PER_ACCOUNT {
            let attempt = self.attempt(10, host, "user", Duration::ZERO);
            self.limiter.fail(&attempt).await.unwrap();
        }
        let later = self.attempt(10, 2000, "user", Duration::ZERO);
        for _ in 0..2 * PER_ADDRESS_AND_ACCOUNT {
            assert_eq!(self.begin(&later).await, Begun::TooMany);
        }
        let left = PER_ADDRESS - PER_ADDRESS_AND_ACCOUNT;
        assert_eq!(self.allowed_elsewhere(10, 2000).await, left);
    }
}
