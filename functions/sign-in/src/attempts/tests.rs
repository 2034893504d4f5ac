//! What an attempt is counted under, and when it may begin.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use users::Email;

use super::{Attempt, Begun, Counter};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_427_100 + seconds)
}

fn attempt(address: &str, email: &str, seconds: u64) -> Attempt {
    let email = Email::parse(email).unwrap();
    Attempt::of(Some(address), Some(&email), at(seconds))
}

#[test]
fn an_email_is_one_account_however_it_is_written_and_its_key_hides_it() {
    let one = attempt("203.0.113.7", "\u{e4}dmin@example.com", 0);
    for other in [" \u{c4}DMIN@example.com", "a\u{308}dmin\u{ff20}example.com"] {
        assert_eq!(one, attempt("203.0.113.7", other, 0));
    }
    assert!(!format!("{one:?}").contains("dmin"), "{one:?}");
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let address = |ip: Option<&str>| Attempt::of(ip, None, at(0)).address.key;
    assert_eq!(
        address(Some("2001:db8:1:2::1")),
        address(Some("2001:db8:1:2:ffff::9"))
    );
    assert_ne!(
        address(Some("2001:db8:1:2::1")),
        address(Some("2001:db8:1:3::1"))
    );
    assert_eq!(
        address(Some("::ffff:203.0.113.7")),
        address(Some("203.0.113.7"))
    );
    assert_eq!(address(Some("x, 203.0.113.7")), address(None));
}

#[test]
fn it_may_be_tried_again_in_the_next_window() {
    let left = |seconds| {
        attempt("203.0.113.7", "a@b.c", seconds)
            .window_left()
            .as_secs()
    };
    assert_eq!((left(0), left(1), left(899)), (900, 899, 1));
}

#[test]
fn a_limit_is_reached_by_failures_by_those_in_flight_and_by_those_that_died() {
    let begin =
        |attempts, failed, age: u64| Counter { attempts, failed }.begin(10, 1000, 1000 + age);
    assert_eq!(begin(0, 0, 0), Begun::Allowed);
    assert_eq!(begin(9, 9, 0), Begun::Allowed);
    assert_eq!(begin(10, 0, 0), Begun::Busy);
    assert_eq!(begin(10, 9, 29), Begun::Busy);
    assert_eq!(begin(10, 9, 30), Begun::TooMany);
    assert_eq!(begin(10, 10, 0), Begun::TooMany);
    // Counted twice, since a reply was lost.
    assert_eq!(begin(9, 10, 0), Begun::TooMany);
    // Another machine's clock is ahead.
    assert_eq!(
        Counter {
            attempts: 10,
            failed: 0
        }
        .begin(10, 1000, 990),
        Begun::Busy
    );
    // An item from before failures were counted has no time of the last attempt.
    assert_eq!(
        Counter {
            attempts: 10,
            failed: 0
        }
        .begin(10, 0, 1000),
        Begun::TooMany
    );
}
