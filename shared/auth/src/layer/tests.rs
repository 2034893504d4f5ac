//! What the layer promises.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use admin_api::ApiError;
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use config::Secret;
use lambda_http::http::{Request, header::AUTHORIZATION};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use users::{PasswordChanges, UsersError};

use super::Authenticate;
use crate::{Actor, Identity, Revocations, Tokens};

const SECRET: &str = "a secret of thirty-two bytes ...";
const WIRE: &str = include_str!("../../../../tests/wire/medusa.json");

/// A body that nothing can be done with.
struct Untouched;

fn tokens() -> Tokens {
    Tokens::signed_with(&Secret::new(SECRET)).unwrap()
}

fn token(issued: SystemTime) -> String {
    let identity = Identity {
        actor: Actor::of("user_1").unwrap(),
        auth_identity_id: "authid_1".to_owned(),
        password_version: 1,
    };
    tokens().issue(&identity, issued).unwrap()
}

/// Whom the layer lets through with that header.
async fn passes(authorization: Option<&str>) -> Result<Actor, ApiError> {
    let inner = service_fn(async |request: Request<Untouched>| {
        Ok::<_, ApiError>(request.extensions().get::<Actor>().cloned().unwrap())
    });
    let service = ServiceBuilder::new()
        .layer(Authenticate::with(tokens()))
        .service(inner);
    let mut request = Request::new(Untouched);
    if let Some(value) = authorization {
        request
            .headers_mut()
            .insert(AUTHORIZATION, value.parse().unwrap());
    }
    service.oneshot(request).await
}

#[tokio::test]
async fn a_good_token_passes_and_the_handler_learns_whose_it_is() {
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let passed = passes(Some(&format!("{scheme} {}", token(SystemTime::now())))).await;
        assert_eq!(
            passed.map(|actor| actor.id().to_owned()),
            Ok("user_1".to_owned())
        );
    }
}

#[tokio::test]
async fn no_token_and_no_bearer_token_do_not_pass() {
    let token = token(SystemTime::now());
    let headers = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(token.clone()),
        Some(format!("Basic {token}")),
        Some(format!("Bearer{token}")),
        Some(format!("Bearer {token}, Bearer {token}")),
    ];
    for header in headers {
        assert_eq!(
            passes(header.as_deref()).await,
            Err(ApiError::Unauthorized),
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn an_expired_token_does_not_pass() {
    let two_days = Duration::from_hours(48);
    let header = format!("Bearer {}", token(SystemTime::now() - two_days));
    assert_eq!(passes(Some(&header)).await, Err(ApiError::Unauthorized));
}

/// The recorded answers of a real Medusa to requests that do not get through; their bodies are not even looked at.
#[tokio::test]
async fn every_recorded_refusal_of_a_token_is_answered_as_medusa_does() {
    let wire: Value = serde_json::from_str(WIRE).unwrap();
    let token = token(SystemTime::now());
    let payload = token.split('.').nth(1).unwrap();
    let unsigned = format!(
        "{}.{payload}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#)
    );
    let mut replayed = 0;
    for case in wire["cases"].as_array().unwrap() {
        if case["path"] != "/admin/brands" || case["medusa_status"] != 401 {
            continue;
        }
        let header = case["headers"]["authorization"].as_str().map(|header| {
            header
                .replace("<a valid token re-encoded with alg none>", &unsigned)
                .replace("<TOKEN>", &token)
        });
        let refused = passes(header.as_deref()).await.unwrap_err();
        assert_eq!(refused.status().as_u16(), 401, "{}", case["name"]);
        assert_eq!(refused.body(), case["medusa_body"], "{}", case["name"]);
        replayed += 1;
    }
    assert_eq!(replayed, 4, "recorded refusals");
}

/// A list of changed passwords that can be written to, counts its readers, and may be away.
#[derive(Clone, Default)]
struct Changes(Arc<Mutex<Listed>>);

#[derive(Default)]
struct Listed {
    versions: HashMap<String, u32>,
    is_away: bool,
    reads: u32,
}

impl Changes {
    fn list(&self) -> MutexGuard<'_, Listed> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl PasswordChanges for Changes {
    async fn recent(&self) -> Result<HashMap<String, u32>, UsersError> {
        let mut list = self.list();
        list.reads += 1;
        if list.is_away {
            return Err(UsersError::Busy);
        }
        Ok(list.versions.clone())
    }
}

/// What the layer says to a good token of the first password.
async fn answer(revocations: &Revocations) -> Result<(), ApiError> {
    let inner = service_fn(async |_: Request<Untouched>| Ok::<_, ApiError>(()));
    let service = ServiceBuilder::new()
        .layer(Authenticate::with(tokens()).unless_revoked(revocations.clone()))
        .service(inner);
    let mut request = Request::new(Untouched);
    let header = format!("Bearer {}", token(SystemTime::now()));
    let header = header.parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, header);
    service.oneshot(request).await
}

#[tokio::test]
async fn a_token_of_an_earlier_password_does_not_pass_and_one_of_the_last_does() {
    let changes = Changes::default();
    for (version, expected) in [(1, Ok(())), (2, Err(ApiError::Unauthorized))] {
        let versions = HashMap::from([("user_1".to_owned(), version), ("user_2".to_owned(), 9)]);
        changes.list().versions = versions;
        let revocations = Revocations::read_from(changes.clone());
        assert_eq!(answer(&revocations).await, expected, "version {version}");
    }
}

#[tokio::test]
async fn the_list_is_read_at_the_start_and_then_once_a_minute() {
    let changes = Changes::default();
    let revocations = Revocations::read_from(changes.clone());
    revocations.prime().await;
    for _ in 0..20 {
        assert_eq!(answer(&revocations).await, Ok(()));
    }
    assert_eq!(changes.list().reads, 1);
    changes.list().versions.insert("user_1".to_owned(), 2);
    revocations.age(Duration::from_secs(59));
    assert_eq!(answer(&revocations).await, Ok(()));
    revocations.age(Duration::from_secs(1));
    assert_eq!(answer(&revocations).await, Err(ApiError::Unauthorized));
    assert_eq!(answer(&revocations).await, Err(ApiError::Unauthorized));
    assert_eq!(changes.list().reads, 2);
}

#[tokio::test]
async fn where_the_list_cannot_be_read_nobody_passes_until_it_can() {
    let changes = Changes::default();
    changes.list().is_away = true;
    let revocations = Revocations::read_from(changes.clone());
    revocations.prime().await;
    assert_eq!(answer(&revocations).await, Err(ApiError::Unknown));
    changes.list().is_away = false;
    assert_eq!(answer(&revocations).await, Ok(()));
}

#[tokio::test]
async fn a_bad_token_does_not_have_the_list_read() {
    let changes = Changes::default();
    let inner = service_fn(async |_: Request<Untouched>| Ok::<_, ApiError>(()));
    let service = ServiceBuilder::new()
        .layer(Authenticate::with(tokens()).unless_revoked(Revocations::read_from(changes.clone())))
        .service(inner);
    let answer = service.oneshot(Request::new(Untouched)).await;
    assert_eq!(answer, Err(ApiError::Unauthorized));
    assert_eq!(changes.list().reads, 0);
}
