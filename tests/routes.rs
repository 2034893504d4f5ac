//! What the API answers beside brands, on the running system: its health, what has no route, and pages of other origins.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use reqwest::Method;
use system_tests::{Admin, answer};

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn the_api_says_that_it_is_there() {
    let admin = Admin::signed_in().await;
    let answer = answer(admin.anonymous_request(Method::GET, "/health")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(answer.text().await.unwrap(), "OK");
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn what_has_no_route_is_not_found_and_under_admin_only_with_a_token() {
    let admin = Admin::signed_in().await;
    let requests = [
        (Method::PUT, "/admin/brands"),
        (
            Method::PATCH,
            "/admin/brands/01a20c70-a8c0-79f3-97c8-60a35459a718",
        ),
        (Method::GET, "/admin/brands/a/b"),
        (Method::GET, "/admin/nosuch"),
        (Method::GET, "/admin"),
    ];
    for (method, path) in requests {
        let unauthorized = answer(admin.anonymous_request(method.clone(), path)).await;
        assert_eq!(unauthorized.status(), 401, "{method} {path}");
        let body = unauthorized.text().await.unwrap();
        assert_eq!(body, r#"{"message":"Unauthorized"}"#);
        let not_found = answer(admin.request(method.clone(), path)).await;
        assert_eq!(not_found.status(), 404, "{method} {path}");
        assert_eq!(
            not_found.headers()["content-type"],
            "text/html; charset=utf-8"
        );
        let body = not_found.text().await.unwrap();
        assert!(
            body.contains(&format!("<pre>Cannot {method} {path}</pre>")),
            "{body}"
        );
    }
    for path in ["/", "/nosuch", "/health/x"] {
        let not_found = answer(admin.anonymous_request(Method::GET, path)).await;
        assert_eq!(not_found.status(), 404, "{path}");
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_slash_at_the_end_of_a_path_makes_no_difference() {
    let admin = Admin::signed_in().await;
    let request = admin.request(Method::POST, "/admin/brands/");
    let created = answer(request.body(r#"{"name":"Slash"}"#)).await;
    assert_eq!(created.status(), 200);
    assert!(created.url().path().ends_with('/'), "it is answered there");
    let created: serde_json::Value = created.json().await.unwrap();
    let id = created["brand"]["id"].as_str().unwrap();
    for (method, body) in [
        (Method::GET, ""),
        (Method::POST, r#"{"name":"Slashed"}"#),
        (Method::DELETE, ""),
    ] {
        let request = admin.request(method.clone(), &format!("/admin/brands/{id}/"));
        let answer = answer(request.body(body)).await;
        assert_eq!(answer.status(), 200, "{method}");
    }
    for path in ["/admin/brands", "/admin/brands/"] {
        let listed = answer(admin.request(Method::HEAD, path)).await;
        assert_eq!(listed.status(), 200, "{path}");
        assert_eq!(listed.text().await.unwrap(), "");
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn brands_are_listed_with_a_good_token_alone() {
    let admin = Admin::signed_in().await;
    for path in ["/admin/brands?nosuch=1", "/admin/brands/x"] {
        let request = admin.anonymous_request(Method::GET, path);
        let anonymous = answer(request.try_clone().unwrap()).await;
        assert_eq!(anonymous.status(), 401, "{path}");
        let forged = answer(request.bearer_auth("not.a.token")).await;
        assert_eq!(forged.status(), 401, "{path}");
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn no_page_of_another_origin_may_use_the_api_unless_it_is_named() {
    let admin = Admin::signed_in().await;
    let origin = "https://admin.example.com";
    let preflight = admin
        .anonymous_request(Method::OPTIONS, "/admin/brands")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        );
    let preflight = answer(preflight).await;
    assert_eq!(preflight.status(), 403);
    let simple = admin
        .request(Method::GET, "/admin/brands")
        .header("origin", origin);
    let simple = answer(simple).await;
    assert_eq!(simple.status(), 200);
    for answer in [&preflight, &simple] {
        let granted = answer
            .headers()
            .keys()
            .find(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(granted, None, "{:?}", answer.headers());
    }
}
