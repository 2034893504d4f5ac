//! What the layer promises.

use std::time::{Duration, SystemTime};

use admin_api::ApiError;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use config::Secret;
use lambda_http::http::{Request, header::AUTHORIZATION};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::Authenticate;
use crate::{Actor, Identity, Tokens};

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
