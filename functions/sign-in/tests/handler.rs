//! The handler, fed with real events, on users and attempts in memory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod doubles;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use auth::Tokens;
use config::Secret;
use doubles::{Away, Counting, Hangs, KeepsAll};
use lambda_http::{Body, Request, Response, http::StatusCode, request::from_str};
use serde_json::{Value, json};
use sign_in::{
    SignIn,
    attempts::{Attempts, MemoryAttempts, PER_ADDRESS_AND_ACCOUNT},
};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use users::{Argon2id, Email, MemoryUsers, NewPassword, Passwords, User, Users};

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
    let hash = Argon2id::hash(&NewPassword::parse(PASSWORD).unwrap()).unwrap();
    let user = User::new(
        Email::parse(EMAIL).unwrap(),
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
    let actor = tokens()
        .check(body["token"].as_str().unwrap(), morning())
        .unwrap();
    assert_eq!(actor.id(), user.user_id.as_str());
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
    let (status, body) = answer(&handler, guess(" Admin@Medusa-Test.COM ", PASSWORD)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
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
        Argon2id,
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

#[tokio::test(start_paused = true)]
async fn a_table_that_hangs_is_not_waited_for_longer_than_the_invocation_has() {
    let (users, _) = users().await;
    let hanging = Arc::new(SignIn::new(users, Hangs, Argon2id, tokens()));
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
    let message = "\nUnable to retrieve the auth provider with id: google\nPlease make sure that the provider is \
                   registered in the container and it is configured correctly in your project configuration file.";
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body, json!({ "type": "unauthorized", "message": message }));
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
