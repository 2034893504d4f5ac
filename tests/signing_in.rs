//! Signing in, on the running system: many at once, and with a password that is another by now.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use std::time::{Duration, SystemTime};

use config::Env;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{Admin, answer};
use tokio::time::{Instant, sleep};
use users::{Argon2id, Created, DynamoDbUsers, Email, NewEmail, NewPassword, User, Users};

/// How long a token of a former password may still pass, and a moment for the answer.
const REVOKED_WITHIN: Duration = Duration::from_secs(65);
/// How often it is looked whether it does.
const LOOK: Duration = Duration::from_millis(500);

fn users() -> DynamoDbUsers {
    let mut env = Env::of_process();
    let table = env.text("ADMIN_USERS_TABLE");
    let table = env.finish(table).unwrap();
    let sdk = aws::sdk_config().unwrap();
    DynamoDbUsers::new(aws_sdk_dynamodb::Client::new(&sdk), table)
}

/// A new user with that password.
async fn user(name: &str, password: &str) -> Email {
    let email = NewEmail::parse(&format!("{name}-{}@example.com", std::process::id())).unwrap();
    let hash = hash(password);
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap();
    let user = User::new(email, hash, now);
    assert_eq!(users().create(&user).await.unwrap(), Created::New);
    user.email
}

fn hash(password: &str) -> users::PasswordHash {
    let password = NewPassword::parse(password).unwrap();
    Argon2id::new().hash(&password).unwrap()
}

/// The token for that password, or the status that refuses it.
async fn sign_in(admin: &Admin, email: &Email, password: &str) -> Result<String, u16> {
    let body = json!({ "email": email.as_str(), "password": password });
    let request = admin.anonymous_request(Method::POST, "/auth/user/emailpass");
    let answer = answer(request.body(body.to_string())).await;
    if answer.status() != 200 {
        return Err(answer.status().as_u16());
    }
    let body: Value = answer.json().await.unwrap();
    Ok(body["token"].as_str().unwrap().to_owned())
}

/// What a list of brands is answered with to that token.
async fn list(admin: &Admin, token: &str) -> u16 {
    let request = admin.anonymous_request(Method::GET, "/admin/brands?limit=1");
    answer(request.bearer_auth(token)).await.status().as_u16()
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_token_of_a_former_password_is_refused_within_a_minute_and_one_of_the_new_passes() {
    let admin = Admin::signed_in().await;
    let email = user("changing", "the former password").await;
    let former = sign_in(&admin, &email, "the former password")
        .await
        .unwrap();
    assert_eq!(list(&admin, &former).await, 200);
    let changed = Instant::now();
    let set = users()
        .set_password(&email, &hash("the new password"))
        .await;
    assert!(set.unwrap().is_some());
    assert_eq!(
        sign_in(&admin, &email, "the former password").await,
        Err(401)
    );
    let new = sign_in(&admin, &email, "the new password").await.unwrap();
    // Each process learns of it by itself: several are asked.
    while join_all((0..5).map(|_| list(&admin, &former))).await != [401; 5] {
        assert!(changed.elapsed() < REVOKED_WITHIN, "still good");
        sleep(LOOK).await;
    }
    assert_eq!(list(&admin, &new).await, 200);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn right_passwords_that_come_at_once_all_sign_in() {
    let admin = Admin::signed_in().await;
    let email = user("crowd", "a right password").await;
    let all = (0..20).map(|_| sign_in(&admin, &email, "a right password"));
    for token in join_all(all).await {
        assert!(token.is_ok(), "{token:?}");
    }
    // In another form of Unicode it is the same password, and the same email.
    let email = user("form", "un mot de passe à part").await;
    let typed = "un mot de passe a\u{300} part";
    assert!(sign_in(&admin, &email, typed).await.is_ok());
}
