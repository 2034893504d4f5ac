//! The handler, fed with real events.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;

use lambda_http::{Body, Request, Response, http::StatusCode, request::from_str};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const NO_ROUTE: &str = include_str!("../../../events/api-gateway-no-route.json");
const PATHS: [&str; 3] = ["/app", "/app/console.css", "/app/console.js"];
/// The most bytes that all files together may have.
const BUDGET: usize = 60 * 1024;

fn event(method: &str, path: &str) -> Value {
    let mut event: Value = serde_json::from_str(NO_ROUTE).unwrap();
    event["headers"]
        .as_object_mut()
        .unwrap()
        .remove("authorization");
    event["rawPath"] = path.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["requestContext"]["http"]["method"] = method.into();
    event
}

async fn answer(event: &Value) -> Response<Body> {
    let service = ServiceBuilder::new()
        .layer(admin_api::ErrorResponses)
        .service(service_fn(async |request: Request| {
            console::answer(&request)
        }));
    let request = from_str(&event.to_string()).unwrap();
    service.oneshot(request).await.unwrap()
}

async fn get(path: &str) -> Response<Body> {
    answer(&event("GET", path)).await
}

async fn content(path: &str) -> String {
    let response = get(path).await;
    std::str::from_utf8(response.body()).unwrap().to_owned()
}

#[tokio::test]
async fn page_style_sheet_and_module_are_served_without_a_token() {
    let types = [
        "text/html; charset=utf-8",
        "text/css; charset=utf-8",
        "text/javascript; charset=utf-8",
    ];
    for (path, content_type) in PATHS.into_iter().zip(types) {
        for method in ["GET", "HEAD"] {
            let response = answer(&event(method, path)).await;
            assert_eq!(response.status(), StatusCode::OK, "{method} {path}");
            assert_eq!(response.headers()["content-type"], content_type);
        }
    }
}

#[tokio::test]
async fn everything_else_is_not_found() {
    for (method, path) in [
        ("POST", "/app"),
        ("OPTIONS", "/app/console.js"),
        ("GET", "/app/console.html"),
        ("GET", "/app/console.js/"),
        ("GET", "/app/../app/console.js"),
        ("GET", "/App"),
        ("GET", "/"),
    ] {
        let response = answer(&event(method, path)).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{method} {path}");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_is_redirected_since_the_urls_of_the_page_are_relative() {
    let response = get("/app/").await;
    assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(response.headers()["location"], "../app");
}

#[tokio::test]
async fn each_file_has_its_own_strong_tag_and_is_not_sent_again_to_who_has_it() {
    let mut tags = BTreeSet::new();
    for path in PATHS {
        let tag = get(path).await.headers()["etag"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"other\", {tag}"),
            "*".to_owned(),
        ] {
            let mut event = event("GET", path);
            event["headers"]["if-none-match"] = known.as_str().into();
            let response = answer(&event).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert!(response.body().is_empty());
            assert_eq!(response.headers()["etag"], tag);
            assert_eq!(response.headers()["cache-control"], "no-cache");
        }
        let mut event = event("GET", path);
        event["headers"]["if-none-match"] = format!("\"other\", x{tag}").into();
        assert_eq!(answer(&event).await.status(), StatusCode::OK);
        tags.insert(tag);
    }
    assert_eq!(tags.len(), PATHS.len());
}

#[tokio::test]
async fn a_browser_runs_only_what_is_served_here_and_shows_it_in_no_frame() {
    for path in PATHS {
        let response = get(path).await;
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        let directives: BTreeSet<&str> = policy.split("; ").collect();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(
                directives.contains(directive),
                "{directive} is missing in {policy}"
            );
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
        assert!(!headers.contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn the_page_refers_to_what_is_served_and_has_no_code_or_style_of_its_own() {
    let page = content("/app").await;
    let referred: BTreeSet<&str> = [" href=\"", " src=\""]
        .into_iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap())
        .filter(|url| !url.starts_with('#') && !url.starts_with("data:image/svg+xml,"))
        .collect();
    // Relative to /app, wherever the API has its root.
    assert_eq!(
        referred,
        BTreeSet::from(["app/console.css", "app/console.js"])
    );
    assert_eq!(page.matches("<script").count(), 1);
    assert!(page.contains("<script type=\"module\" src=\"app/console.js\"></script>"));
    assert!(!page.contains("<style") && !page.contains(" style="));
    assert!(!page.contains(" on"), "a handler in an attribute");
}

#[tokio::test]
async fn the_module_never_parses_data_as_html() {
    let module = content("/app/console.js").await;
    for sink in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "DOMParser",
        "createContextualFragment",
    ] {
        assert!(!module.contains(sink), "{sink}");
    }
}

#[tokio::test]
async fn all_files_together_are_small() {
    let mut bytes = 0;
    for path in PATHS {
        bytes += get(path).await.body().len();
    }
    assert!(bytes <= BUDGET, "{bytes} bytes");
}
