//! Attempts counted on DynamoDB: what they promise in memory, they promise there.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::Env;
use sign_in::attempts::{
    Attempt, Attempts, Counted, DynamoDbAttempts, PER_ACCOUNT, PER_ADDRESS, PER_ADDRESS_AND_ACCOUNT,
};
use tokio::task::JoinSet;
use users::Email;

fn attempts() -> DynamoDbAttempts {
    let mut env = Env::of_process();
    let table = env.text("SIGN_IN_ATTEMPTS_TABLE");
    let table = env.finish(table).unwrap();
    let sdk = aws::sdk_config().unwrap();
    DynamoDbAttempts::new(aws_sdk_dynamodb::Client::new(&sdk), table)
}

/// A window of this process's own, so that neither a border nor another run of the tests disturbs the counts.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_mins(100_000_000 + 15 * u64::from(std::process::id()))
}

/// An attempt from an address and at an account, now.
fn attempt(network: u8, host: u32, account: &str) -> Attempt {
    let address = format!("10.{network}.{}.{}", host / 256, host % 256);
    let email = Email::parse(&format!("{account}@example.com")).unwrap();
    Attempt::of(Some(&address), Some(&email), now())
}

/// How many of those attempts are allowed, all made at once.
async fn allowed_at_once(made: impl IntoIterator<Item = Attempt>) -> u32 {
    let attempts = attempts();
    let mut begun = JoinSet::new();
    for attempt in made {
        let attempts = attempts.clone();
        begun.spawn(async move { attempts.begin(&attempt).await.unwrap() });
    }
    let mut allowed = 0;
    while let Some(counted) = begun.join_next().await {
        allowed += u32::from(counted.unwrap() == Counted::Allowed);
    }
    allowed
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn of_many_guesses_at_once_no_more_than_the_limit_get_through() {
    let one = attempt(1, 0, "guessed");
    assert_eq!(
        allowed_at_once((0..40).map(|_| one.clone())).await,
        PER_ADDRESS_AND_ACCOUNT
    );
    let sprayed = (0..80).map(|user| attempt(2, 0, &format!("sprayed{user}")));
    assert_eq!(
        allowed_at_once(sprayed.collect::<Vec<_>>()).await,
        PER_ADDRESS
    );
    let from_many = (0..130).map(|host| attempt(3, host, "distributed"));
    assert_eq!(
        allowed_at_once(from_many.collect::<Vec<_>>()).await,
        PER_ACCOUNT
    );
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn an_attempt_that_is_given_back_may_be_made_again_and_nothing_goes_below_zero() {
    let attempts = attempts();
    let owner = attempt(4, 0, "owner");
    // Nothing is counted yet: there is nothing to take back.
    attempts.give_back(&owner).await.unwrap();
    for _ in 0..3 * PER_ADDRESS_AND_ACCOUNT {
        assert_eq!(attempts.begin(&owner).await.unwrap(), Counted::Allowed);
        attempts.give_back(&owner).await.unwrap();
    }
    attempts.give_back(&owner).await.unwrap();
    let mut allowed = 0;
    while attempts.begin(&owner).await.unwrap() == Counted::Allowed {
        allowed += 1;
    }
    assert_eq!(allowed, PER_ADDRESS_AND_ACCOUNT);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn what_is_no_email_counts_for_its_address_alone() {
    let attempts = attempts();
    let nobody = Attempt::of(Some("10.5.0.0"), None, now());
    for _ in 0..PER_ADDRESS {
        assert_eq!(attempts.begin(&nobody).await.unwrap(), Counted::Allowed);
    }
    assert_eq!(attempts.begin(&nobody).await.unwrap(), Counted::TooMany);
    attempts.give_back(&nobody).await.unwrap();
    assert_eq!(attempts.begin(&nobody).await.unwrap(), Counted::Allowed);
}
