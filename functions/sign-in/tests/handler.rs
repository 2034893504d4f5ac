//! The handler, fed with real events, on users and attempts in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod doubles;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use auth::Tokens;
use config::Secret;
use doubles::{Away, Counting, Hangs, KeepsAll, Requests, Slow};
use lambda_http::{Body, Request, Response, http::StatusCode, request::from_str};
use serde_json::{Value, json};
use sign_in::{
    SignIn,
    attempts::{Attempts, MemoryAttempts, PER_ADDRESS_AND_ACCOUNT},
};
use tokio::task::JoinSet;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use users::{Argon2id, MemoryUsers, NewEmail, NewPassword, Passwords, User, Users};

const EVENT: &str = include_str!("../../../events/api-gateway-sign-in.json");
const WIRE: &str = include_str!("../../../tests/wire/medusa.json");
const SECRET: &str = "a secret of thirty-two bytes ...";
const EMAIL: &str = "admin@medusa-test.com";
const PASSWORD: &str = "supersecret";

/// 23 November 2026, 09:45:07 UTC: seven minutes before the end of a window.
fn morning() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_427_107)
}

fn tokens() -> Tokens {
    Tokens::signed_with(&Secret::new(SECRET)).unwrap()
}

/// A store with the user of the recording.
async fn users() -> (MemoryUsers, User) {
    let hash = Argon2id::new()
        .hash(&NewPassword::parse(PASSWORD).unwrap())
        .unwrap();
    let user = User::new(
        NewEmail::parse(EMAIL).unwrap(),
        hash,
        "2026-11-23T09:00:00Z".parse().unwrap(),
    );
    let users = MemoryUsers::new();
    users.create(&user).await.unwrap();
    (users, user)
}

/// The event, changed.
fn request(change: impl FnOnce(&mut Value)) -> Request {
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    change(&mut event);
    from_str(&event.to_string()).unwrap()
}

fn with_body(body: &str) -> Request {
    request(|event| event["body"] = body.into())
}

fn guess(email: &str, password: &str) -> Request {
    with_body(&json!({ "email": email, "password": password }).to_string())
}

async fn respond<U, A, P>(handler: &Arc<SignIn<U, A, P>>, request: Request) -> Response<Body>
where
    U: Users + 'static,
    A: Attempts + 'static,
    P: Passwords + 'static,
{
    let handler = Arc::clone(handler);
    let service = ServiceBuilder::new()
        .layer(admin_api::ErrorResponses)
        .service(service_fn(move |request: Request| {
            let handler = Arc::clone(&handler);
            async move { handler.handle(request).await }
        }));
    let response = service.oneshot(request).await.unwrap();
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert_eq!(content_type, "application/json; charset=utf-8");
    response
}

async fn answer<U, A, P>(handler: &Arc<SignIn<U, A, P>>, request: Request) -> (StatusCode, Value)
where
    U: Users + 'static,
    A: Attempts + 'static,
    P: Passwords + 'static,
{
    let response = respond(handler, request).await;
    (
        response.status(),
        serde_json::from_slice(response.body()).unwrap(),
    )
}

type Handler = Arc<SignIn<MemoryUsers, MemoryAttempts, Counting>>;

async fn handler() -> (Handler, Counting, User) {
    let (users, user) = users().await;
    let passwords = Counting::default();
    let handler = SignIn::new(users, MemoryAttempts::new(), passwords.clone(), tokens());
    (Arc::new(handler.with_clock(morning)), passwords, user)
}

#[tokio::test]
async fn who_signs_in_gets_a_token_that_names_them() {
    let (handler, _, user) = handler().await;
    let (status, body) = answer(&handler, from_str(EVENT).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let fields: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["token"]);
    let checked = tokens()
        .check(body["token"].as_str().unwrap(), morning())
        .unwrap();
    assert_eq!(checked.actor.id(), user.user_id.as_str());
}

/// The recorded answers of a real Medusa.
#[tokio::test]
async fn every_recorded_sign_in_is_answered_as_medusa_does() {
    let wire: Value = serde_json::from_str(WIRE).unwrap();
    let (handler, _, _) = handler().await;
    let mut replayed = 0;
    for case in wire["cases"].as_array().unwrap() {
        if case["path"] != "/auth/user/emailpass" {
            continue;
        }
        let (status, body) = answer(&handler, with_body(case["body"].as_str().unwrap())).await;
        assert_eq!(
            json!(status.as_u16()),
            case["medusa_status"],
            "{}",
            case["name"]
        );
        if status == StatusCode::OK {
            assert!(body["token"].is_string());
        } else {
            assert_eq!(body, case["medusa_body"], "{}", case["name"]);
        }
        replayed += 1;
    }
    assert_eq!(replayed, 3, "recorded sign-ins");
}

#[tokio::test]
async fn an_unknown_email_is_the_same_work_and_the_same_answer_as_a_wrong_password() {
    let (handler, passwords, _) = handler().await;
    let wrong = answer(&handler, guess(EMAIL, "wrong")).await;
    assert_eq!(passwords.count(), 1);
    for (checked, email) in [
        (2, "nobody@medusa-test.com"),
        (3, "no email"),
        (4, &"x".repeat(5000)),
    ] {
        assert_eq!(answer(&handler, guess(email, PASSWORD)).await, wrong);
        assert_eq!(passwords.count(), checked, "{email}");
    }
}

#[tokio::test]
async fn an_email_is_the_same_however_it_is_written() {
    let (handler, _, _) = handler().await;
    let full_width = "\u{ff21}dmin\u{ff20}medusa-test\u{3002}com";
    for email in [" Admin@Medusa-Test.COM ", full_width] {
        let (status, body) = answer(&handler, guess(email, PASSWORD)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
}

#[tokio::test]
async fn a_password_is_the_same_in_whichever_unicode_form_it_is_typed() {
    let (handler, _, _) = handler().await;
    let full_width = "\u{ff53}uper\u{ff53}ecret";
    let (status, body) = answer(&handler, guess(EMAIL, full_width)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn a_password_that_is_too_long_is_refused_as_a_wrong_one() {
    let (handler, _, _) = handler().await;
    let wrong = answer(&handler, guess(EMAIL, "wrong")).await;
    for password in ["p".repeat(90 * 1024), "\u{fdfa}".repeat(341)] {
        for email in [EMAIL, "nobody@medusa-test.com"] {
            assert_eq!(answer(&handler, guess(email, &password)).await, wrong);
        }
    }
}

#[tokio::test]
async fn too_many_attempts_are_told_when_to_try_again_and_no_password_is_checked() {
    let (handler, passwords, _) = handler().await;
    for _ in 0..PER_ADDRESS_AND_ACCOUNT {
        let (status, _) = answer(&handler, guess(EMAIL, "wrong")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let checked = passwords.count();
    let response = respond(&handler, guess(EMAIL, PASSWORD)).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "893");
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        body,
        json!({ "type": "unknown_error", "message": "Too Many Requests" })
    );
    assert_eq!(passwords.count(), checked);
}

/// A handler with slow users, at that time, on those counts.
async fn slow_handler(
    attempts: MemoryAttempts,
    passwords: Counting,
    now: fn() -> SystemTime,
) -> Arc<SignIn<Slow, MemoryAttempts, Counting>> {
    let (users, _) = users().await;
    let handler = SignIn::new(Slow(users), attempts, passwords, tokens());
    Arc::new(handler.with_clock(now))
}

/// How many answers there are of each status and `Retry-After`, to requests made at once.
async fn answers_at_once(
    handler: &Arc<SignIn<Slow, MemoryAttempts, Counting>>,
    requests: impl IntoIterator<Item = Request>,
) -> BTreeMap<(u16, String), usize> {
    let mut answers = JoinSet::new();
    for request in requests {
        let handler = Arc::clone(handler);
        answers.spawn(async move { respond(&handler, request).await });
    }
    let mut count = BTreeMap::new();
    while let Some(answer) = answers.join_next().await {
        let answer = answer.unwrap();
        let retry_after = answer.headers().get("retry-after");
        let retry_after = retry_after.map_or("", |value| value.to_str().unwrap());
        let kind = (answer.status().as_u16(), retry_after.to_owned());
        *count.entry(kind).or_default() += 1;
    }
    count
}

fn of(status: u16, retry_after: &str, count: usize) -> ((u16, String), usize) {
    ((status, retry_after.to_owned()), count)
}

#[tokio::test(start_paused = true)]
async fn right_passwords_at_once_do_not_limit_one_another() {
    let passwords = Counting::default();
    let handler = slow_handler(MemoryAttempts::new(), passwords.clone(), morning).await;
    let right = (0..20).map(|_| guess(EMAIL, PASSWORD));
    let answers = answers_at_once(&handler, right).await;
    assert_eq!(answers, BTreeMap::from([of(200, "", 20)]));
}

#[tokio::test(start_paused = true)]
async fn wrong_passwords_at_once_are_checked_up_to_the_limit() {
    let passwords = Counting::default();
    let handler = slow_handler(MemoryAttempts::new(), passwords.clone(), morning).await;
    let wrong = (0..20).map(|index| guess(EMAIL, &format!("wrong {index}")));
    let answers = answers_at_once(&handler, wrong).await;
    assert_eq!(passwords.count(), 10);
    assert_eq!(
        answers,
        BTreeMap::from([of(401, "", 10), of(429, "893", 10)])
    );
}

#[tokio::test(start_paused = true)]
async fn right_passwords_among_wrong_ones_are_let_in_below_the_limit() {
    let passwords = Counting::default();
    let handler = slow_handler(MemoryAttempts::new(), passwords.clone(), morning).await;
    let mixed = (0..24).map(|index| match index % 3 {
        0 => guess(EMAIL, "wrong"),
        _ => guess(EMAIL, PASSWORD),
    });
    let answers = answers_at_once(&handler, mixed).await;
    assert_eq!(answers, BTreeMap::from([of(200, "", 16), of(401, "", 8)]));
}

#[tokio::test(start_paused = true)]
async fn attempts_that_died_are_in_flight_for_a_while_and_count_as_failed_then() {
    let (attempts, passwords) = (MemoryAttempts::new(), Counting::default());
    let handler = slow_handler(attempts.clone(), passwords.clone(), morning).await;
    let mut dying = JoinSet::new();
    for _ in 0..PER_ADDRESS_AND_ACCOUNT {
        let handler = Arc::clone(&handler);
        dying.spawn(async move { handler.handle(guess(EMAIL, PASSWORD)).await.is_ok() });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    dying.shutdown().await;
    let one = || [guess(EMAIL, PASSWORD)];
    let in_flight = answers_at_once(&handler, one()).await;
    assert_eq!(in_flight, BTreeMap::from([of(429, "1", 1)]));
    let later = || morning() + Duration::from_secs(30);
    let handler = slow_handler(attempts.clone(), passwords.clone(), later).await;
    let died = answers_at_once(&handler, one()).await;
    assert_eq!(died, BTreeMap::from([of(429, "863", 1)]));
    assert_eq!(passwords.count(), 0);
    let next_window = || morning() + Duration::from_secs(893);
    let handler = slow_handler(attempts, passwords, next_window).await;
    let answers = answers_at_once(&handler, one()).await;
    assert_eq!(answers, BTreeMap::from([of(200, "", 1)]));
}

#[tokio::test]
async fn an_attempt_takes_two_requests_to_begin_and_two_when_its_outcome_is_known() {
    let (users, _) = users().await;
    let requests = Requests::default();
    let handler = SignIn::new(users, requests.clone(), Argon2id::new(), tokens());
    let handler = Arc::new(handler.with_clock(morning));
    for (email, password, expected) in [
        (EMAIL, PASSWORD, [2, 2, 0]),
        (EMAIL, "wrong", [2, 0, 2]),
        ("nobody@medusa-test.com", PASSWORD, [2, 0, 2]),
        ("not an email", PASSWORD, [1, 0, 1]),
    ] {
        answer(&handler, guess(email, password)).await;
        assert_eq!(requests.take(), expected, "begin, give back, fail: {email}");
    }
}

#[tokio::test]
async fn the_limit_is_that_of_the_address_that_api_gateway_has_seen() {
    let (handler, _, _) = handler().await;
    let from = |address: &str, forwarded: &str| {
        request(|event| {
            event["requestContext"]["http"]["sourceIp"] = address.into();
            event["headers"]["x-forwarded-for"] = forwarded.into();
            event["body"] = json!({ "email": EMAIL, "password": "wrong" })
                .to_string()
                .into();
        })
    };
    for host in 0..PER_ADDRESS_AND_ACCOUNT {
        answer(&handler, from("198.51.100.1", &format!("203.0.113.{host}"))).await;
    }
    let (status, _) = answer(&handler, from("198.51.100.1", "203.0.113.200")).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let (status, _) = answer(&handler, from("198.51.100.2", "198.51.100.1")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_signs_in_often_is_not_limited() {
    let (handler, _, _) = handler().await;
    for _ in 0..3 * PER_ADDRESS_AND_ACCOUNT {
        let (status, _) = answer(&handler, guess(EMAIL, PASSWORD)).await;
        assert_eq!(status, StatusCode::OK);
    }
}

#[tokio::test]
async fn who_is_let_in_is_not_sent_away_because_the_count_stays() {
    let (users, _) = users().await;
    let handler = Arc::new(SignIn::new(
        users,
        KeepsAll(MemoryAttempts::new()),
        Argon2id::new(),
        tokens(),
    ));
    let (status, _) = answer(&handler, guess(EMAIL, PASSWORD)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn tables_that_are_away_answer_500_without_detail_and_nothing_is_guessed_meanwhile() {
    let expected = json!({ "code": "unknown_error", "type": "unknown_error", "message": "An unknown error occurred." });
    let passwords = Counting::default();
    let no_users = Arc::new(SignIn::new(
        Away,
        MemoryAttempts::new(),
        passwords.clone(),
        tokens(),
    ));
    let no_users = answer(&no_users, guess(EMAIL, PASSWORD)).await;
    assert_eq!(
        no_users,
        (StatusCode::INTERNAL_SERVER_ERROR, expected.clone())
    );
    let (users, _) = users().await;
    let no_counting = Arc::new(SignIn::new(users, Away, passwords.clone(), tokens()));
    let no_counting = answer(&no_counting, guess(EMAIL, PASSWORD)).await;
    assert_eq!(no_counting, (StatusCode::INTERNAL_SERVER_ERROR, expected));
    assert_eq!(passwords.count(), 0);
}

#[tokio::test]
async fn a_users_table_that_is_away_locks_no_user_out() {
    let attempts = MemoryAttempts::new();
    let passwords = Counting::default();
    let away = SignIn::new(Away, attempts.clone(), passwords.clone(), tokens());
    let away = Arc::new(away.with_clock(morning));
    for _ in 0..2 * PER_ADDRESS_AND_ACCOUNT {
        let (status, _) = answer(&away, guess(EMAIL, PASSWORD)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    let (users, _) = users().await;
    let back = SignIn::new(users, attempts, passwords, tokens());
    let back = Arc::new(back.with_clock(morning));
    let (status, _) = answer(&back, guess(EMAIL, PASSWORD)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_hangs_is_not_waited_for_longer_than_the_invocation_has() {
    let (users, _) = users().await;
    let hanging = Arc::new(SignIn::new(users, Hangs, Argon2id::new(), tokens()));
    let (status, _) = answer(&hanging, guess(EMAIL, PASSWORD)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn another_actor_type_and_another_provider_are_refused_in_medusas_words() {
    let (handler, passwords, _) = handler().await;
    let route = |actor_type: &str, provider: &str| {
        request(|event| {
            event["pathParameters"] =
                json!({ "actor_type": actor_type, "auth_provider": provider });
        })
    };
    let (status, body) = answer(&handler, route("customer", "emailpass")).await;
    let message = "The actor type customer is not allowed to use the auth provider emailpass";
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body, json!({ "type": "not_allowed", "message": message }));
    let (status, body) = answer(&handler, route("user", "google")).await;
    let message = "The actor type user is not allowed to use the auth provider google";
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body, json!({ "type": "not_allowed", "message": message }));
    let (_, body) = answer(&handler, route("user", &"x".repeat(5000))).await;
    assert!(body.to_string().len() < 500, "{body}");
    assert_eq!(passwords.count(), 0);
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_large_is_refused_as_everywhere() {
    let (handler, _, _) = handler().await;
    let (status, body) = answer(&handler, with_body(r#"{"email":"a"#)).await;
    assert_eq!(
        (status, &body["type"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_data"))
    );
    let (status, body) = answer(&handler, with_body(&" ".repeat(100 * 1024 + 1))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        body,
        json!({ "type": "unknown_error", "message": "request entity too large" })
    );
}
