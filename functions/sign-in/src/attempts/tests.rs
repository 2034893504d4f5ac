//! What counting attempts promises.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use users::Email;

use super::{
    Attempt, Attempts, Counted, MemoryAttempts, PER_ACCOUNT, PER_ADDRESS, PER_ADDRESS_AND_ACCOUNT,
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
