//! What tokens promise.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::Secret;
use serde_json::{Value, json};

use super::{InvalidSecret, InvalidToken, Tokens};
use crate::{
    Actor, Identity,
    jws::{Key, verify},
};

const SECRET: &str = "a secret of thirty-two bytes ...";
const OTHER: &str = "another secret, and a longer one than that";
const NOW: u64 = 1_795_427_107;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn tokens(secret: &str) -> Tokens {
    Tokens::signed_with(&Secret::new(secret)).unwrap()
}

fn admin() -> Identity {
    Identity {
        actor: Actor::of("user_1").unwrap(),
        auth_identity_id: "authid_1".to_owned(),
        password_version: 1,
    }
}

/// A token of those claims, but for one that is changed or taken away.
fn token_with(name: &str, value: Option<Value>) -> String {
    let mut claims = json!({ "actor_id": "user_1", "actor_type": "user", "password_version": 1, "iat": NOW, "exp": NOW + 60 });
    let fields = claims.as_object_mut().unwrap();
    match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    Key::new(SECRET.as_bytes())
        .unwrap()
        .sign(claims.to_string().as_bytes())
}

#[test]
fn a_token_has_medusas_claims_and_is_good_for_24_hours() {
    let token = tokens(SECRET).issue(&admin(), at(NOW)).unwrap();
    let claims = verify(&[Key::new(SECRET.as_bytes()).unwrap()], &token).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let expected = json!({
        "actor_id": "user_1",
        "actor_type": "user",
        "auth_identity_id": "authid_1",
        "auth_provider": "emailpass",
        "app_metadata": { "user_id": "user_1" },
        "user_metadata": {},
        "password_version": 1,
        "iat": NOW,
        "exp": NOW + 86_400,
    });
    assert_eq!(claims, expected);
}

#[test]
fn a_token_names_its_actor_until_a_minute_after_it_has_expired() {
    let tokens = tokens(SECRET);
    let token = tokens.issue(&admin(), at(NOW)).unwrap();
    for good in [NOW - 60, NOW, NOW + 86_400, NOW + 86_459] {
        let checked = tokens.check(&token, at(good)).unwrap();
        assert_eq!(
            (checked.actor, checked.password_version),
            (admin().actor, 1),
            "{good}"
        );
    }
    assert_eq!(
        tokens.check(&token, at(NOW + 86_460)),
        Err(InvalidToken::Expired)
    );
    assert_eq!(
        tokens.check(&token, at(NOW - 61)),
        Err(InvalidToken::NotYetGood)
    );
}

#[test]
fn a_token_of_another_secret_is_refused() {
    let token = tokens(OTHER).issue(&admin(), at(NOW)).unwrap();
    assert_eq!(
        tokens(SECRET).check(&token, at(NOW)),
        Err(InvalidToken::Signature)
    );
}

#[test]
fn while_secrets_change_both_are_accepted_and_the_first_signs() {
    let changing = tokens(&format!("{OTHER}\n{SECRET}\n"));
    let old = tokens(SECRET).issue(&admin(), at(NOW)).unwrap();
    assert!(changing.check(&old, at(NOW)).is_ok());
    let new = changing.issue(&admin(), at(NOW)).unwrap();
    assert!(tokens(OTHER).check(&new, at(NOW)).is_ok());
    assert!(tokens(SECRET).check(&new, at(NOW)).is_err());
}

#[test]
fn only_a_user_is_accepted_and_only_one_with_an_id() {
    for (name, value) in [
        ("actor_type", "customer"),
        ("actor_type", ""),
        ("actor_id", ""),
    ] {
        let token = token_with(name, Some(value.into()));
        assert_eq!(
            tokens(SECRET).check(&token, at(NOW)),
            Err(InvalidToken::NoUser),
            "{name}"
        );
    }
}

#[test]
fn a_token_that_lacks_a_claim_or_has_one_of_another_type_is_refused() {
    assert!(
        tokens(SECRET)
            .check(&token_with("other", None), at(NOW))
            .is_ok()
    );
    for name in ["actor_id", "actor_type", "password_version", "iat", "exp"] {
        for value in [None, Some(Value::Null), Some(json!(-1)), Some(json!([]))] {
            let token = token_with(name, value);
            assert_eq!(
                tokens(SECRET).check(&token, at(NOW)),
                Err(InvalidToken::Malformed),
                "{name}"
            );
        }
    }
}

#[test]
fn a_token_that_is_not_to_be_used_yet_is_refused() {
    let token = token_with("nbf", Some(json!(NOW + 120)));
    assert_eq!(
        tokens(SECRET).check(&token, at(NOW)),
        Err(InvalidToken::NotYetGood)
    );
    assert!(tokens(SECRET).check(&token, at(NOW + 60)).is_ok());
}

#[test]
fn a_token_that_would_last_for_ever_does_not_overflow() {
    let token = token_with("exp", Some(json!(u64::MAX)));
    assert!(tokens(SECRET).check(&token, at(NOW)).is_ok());
}

#[test]
fn a_secret_has_at_least_32_bytes_in_each_of_at_most_two_lines() {
    let invalid = |secret: &str| Tokens::signed_with(&Secret::new(secret)).err();
    assert_eq!(invalid(""), Some(InvalidSecret::TooShort(0)));
    assert_eq!(
        invalid(SECRET.trim_end_matches('.')),
        Some(InvalidSecret::TooShort(29))
    );
    assert_eq!(
        invalid(&format!("{SECRET}\nshort")),
        Some(InvalidSecret::TooShort(5))
    );
    assert_eq!(
        invalid(&format!("{SECRET}\n\n{OTHER}")),
        Some(InvalidSecret::Lines(3))
    );
    assert_eq!(invalid(&format!("{SECRET}\r\n{OTHER}\r\n")), None);
}

#[test]
fn neither_tokens_nor_their_errors_show_a_secret() {
    assert_eq!(format!("{:?}", tokens(SECRET)), "Tokens(***)");
    let error = Tokens::signed_with(&Secret::new("hunter2")).unwrap_err();
    let expected = "the secret that signs tokens has a line of 7 bytes, and at least 32 are needed";
    assert_eq!(error.to_string(), expected);
}
