//! Users on DynamoDB: what they promise in memory, they promise there.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::SystemTime;

use config::Env;
use users::{
    Argon2id, Created, DynamoDbUsers, NewEmail, NewPassword, PasswordChanges, PasswordHash,
    Passwords, User, Users,
};

fn users() -> DynamoDbUsers {
    let mut env = Env::of_process();
    let table = env.text("ADMIN_USERS_TABLE");
    let table = env.finish(table).unwrap();
    let sdk = aws::sdk_config().unwrap();
    DynamoDbUsers::new(aws_sdk_dynamodb::Client::new(&sdk), table)
}

fn user(name: &str) -> User {
    let email = NewEmail::parse(&format!("{name}@{}.example.com", std::process::id())).unwrap();
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap();
    let now = now.round(jiff::Unit::Millisecond).unwrap();
    User::new(email, PasswordHash::of_nobody(), now)
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_user_is_found_as_created_and_a_second_one_of_the_email_is_refused() {
    let (users, first) = (users(), user("first"));
    assert_eq!(users.find(&first.email).await.unwrap(), None);
    assert_eq!(users.create(&first).await.unwrap(), Created::New);
    // As the SDK repeats a request whose reply was lost.
    assert_eq!(users.create(&first).await.unwrap(), Created::New);
    assert_eq!(users.create(&user("first")).await.unwrap(), Created::Taken);
    assert_eq!(users.find(&first.email).await.unwrap(), Some(first));
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn another_password_leaves_the_user_the_same_and_nobody_is_given_one() {
    let (users, user) = (users(), user("changing"));
    let hash = Argon2id::new()
        .hash(&NewPassword::parse("supersecret").unwrap())
        .unwrap();
    assert_eq!(users.set_password(&user.email, &hash).await.unwrap(), None);
    assert_eq!(users.find(&user.email).await.unwrap(), None);
    users.create(&user).await.unwrap();
    let set = users.set_password(&user.email, &hash).await.unwrap();
    assert_eq!(set.as_ref(), Some(&user.user_id));
    let found = users.find(&user.email).await.unwrap().unwrap();
    assert!(Argon2id::new().verify("supersecret", &found.password_hash));
    let password_hash = user.password_hash.clone();
    assert_eq!(found.password_version, 2);
    assert_eq!(
        User {
            password_hash,
            password_version: 1,
            ..found
        },
        user
    );
    let recent = users.recent().await.unwrap();
    assert_eq!(recent.get(user.user_id.as_str()), Some(&2));
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn passwords_that_are_set_at_once_are_set_one_after_the_other_and_all_listed() {
    let (users, one, other) = (users(), user("one"), user("other"));
    users.create(&one).await.unwrap();
    users.create(&other).await.unwrap();
    let hash = PasswordHash::of_nobody();
    let set = |user: &User| {
        let (users, email, hash) = (users.clone(), user.email.clone(), hash.clone());
        async move { users.set_password(&email, &hash).await.unwrap().unwrap() }
    };
    tokio::join!(set(&one), set(&other), set(&one));
    let recent = users.recent().await.unwrap();
    assert_eq!(recent.get(one.user_id.as_str()), Some(&3));
    assert_eq!(recent.get(other.user_id.as_str()), Some(&2));
    let found = users.find(&one.email).await.unwrap().unwrap();
    assert_eq!(found.password_version, 3);
}
