//! The handler, fed with real events.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use std::{sync::Arc, time::SystemTime};

use api_root::ApiRoot;
use auth::{Actor, Identity, Tokens};
use config::Secret;
use lambda_http::{Body, Request, Response, http::StatusCode, request::from_str};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const HEALTH: &str = include_str!("../../../events/api-gateway-health.json");
const NO_ROUTE: &str = include_str!("../../../events/api-gateway-no-route.json");
const WIRE: &str = include_str!("../../../tests/wire/medusa.json");

fn tokens() -> Tokens {
    Tokens::signed_with(&Secret::new("a secret of thirty-two bytes ...")).unwrap()
}

/// A request for that, with a good token.
fn request(method: &str, path: &str) -> Value {
    let identity = Identity {
        actor: Actor::of("user_1").unwrap(),
        auth_identity_id: "authid_1".to_owned(),
        password_version: 1,
    };
    let token = tokens().issue(&identity, SystemTime::now()).unwrap();
    let mut event: Value = serde_json::from_str(&NO_ROUTE.replace("<TOKEN>", &token)).unwrap();
    event["rawPath"] = path.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["requestContext"]["http"]["method"] = method.into();
    event
}

fn without_token(mut event: Value) -> Value {
    let headers = event["headers"].as_object_mut().unwrap();
    headers.remove("authorization").unwrap();
    event
}

async fn answer(event: &Value) -> Response<Body> {
    let api_root = Arc::new(ApiRoot::new(tokens()));
    let service = ServiceBuilder::new()
        .layer(admin_api::ErrorResponses)
        .service(service_fn(move |request: Request| {
            let api_root = Arc::clone(&api_root);
            async move { api_root.handle(request).await }
        }));
    let request = from_str(&event.to_string()).unwrap();
    service.oneshot(request).await.unwrap()
}

fn text(response: &Response<Body>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

fn recorded(name: &str) -> Value {
    let wire: Value = serde_json::from_str(WIRE).unwrap();
    let cases = wire["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["name"] == name);
    case.unwrap().clone()
}

#[tokio::test]
async fn a_method_that_has_no_route_is_answered_as_recorded() {
    let case = recorded("64-put-brands");
    let event = request(
        case["method"].as_str().unwrap(),
        case["path"].as_str().unwrap(),
    );
    let response = answer(&event).await;
    assert_eq!(json!(response.status().as_u16()), case["medusa_status"]);
    assert_eq!(text(&response), case["medusa_body_text"]);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["content-security-policy"], "default-src 'none'");
    assert_eq!(headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn an_unknown_route_of_admins_without_a_token_is_answered_as_recorded() {
    let case = recorded("71-get-unknown-route-no-token");
    let event = request(
        case["method"].as_str().unwrap(),
        case["path"].as_str().unwrap(),
    );
    let response = answer(&without_token(event)).await;
    assert_eq!(json!(response.status().as_u16()), case["medusa_status"]);
    let body: Value = serde_json::from_str(text(&response)).unwrap();
    assert_eq!(body, case["medusa_body"]);
}

#[tokio::test]
async fn whatever_is_under_admin_is_told_of_with_a_good_token_alone() {
    let paths = [
        "/admin",
        "/admin/",
        "/Admin/brands",
        "//admin/brands",
        "/admin/brands/1/2",
        "/admin/health",
    ];
    for path in paths {
        for method in ["GET", "PUT", "OPTIONS", "HEAD"] {
            let event = request(method, path);
            assert_eq!(
                answer(&event).await.status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
            let event = without_token(event);
            assert_eq!(
                answer(&event).await.status(),
                StatusCode::UNAUTHORIZED,
                "{path}"
            );
            let mut event = event;
            event["headers"]["authorization"] = "Bearer not.a.token".into();
            assert_eq!(
                answer(&event).await.status(),
                StatusCode::UNAUTHORIZED,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_under_admin_is_not_found_with_or_without_a_token() {
    for path in [
        "/",
        "/store/products",
        "/administration",
        "/auth/user/emailpass/x",
    ] {
        let event = request("GET", path);
        for event in [without_token(event.clone()), event] {
            let response = answer(&event).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
            let expected = format!("<pre>Cannot GET {path}</pre>");
            assert!(text(&response).contains(&expected), "{}", text(&response));
        }
    }
}

#[tokio::test]
async fn a_path_is_repeated_as_text_and_not_at_any_length() {
    let response = answer(&request("GET", "/<img src=x onerror=alert(1)>'&")).await;
    let text = text(&response);
    assert!(!text.contains("<img"), "{text}");
    assert!(text.contains("&#39;&amp;</pre>"), "{text}");
    let response = answer(&request("GET", &"/x".repeat(5000))).await;
    assert!(response.body().len() < 1200);
}

#[tokio::test]
async fn it_says_that_it_is_there() {
    let mut event: Value = serde_json::from_str(HEALTH).unwrap();
    for method in ["GET", "HEAD"] {
        event["requestContext"]["http"]["method"] = method.into();
        let response = answer(&event).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(&response), "OK");
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
    }
    event["requestContext"]["http"]["method"] = "POST".into();
    assert_eq!(answer(&event).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn it_tells_what_the_api_is_without_a_token() {
    let response = answer(&without_token(request("GET", "/openapi.json"))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()["content-type"],
        "application/json; charset=utf-8"
    );
    assert_eq!(text(&response), admin_api::OPENAPI);
}
