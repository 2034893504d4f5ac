//! The API's routes on the running system: its health, those that steer the sync, what has no route, and pages of other origins.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{Admin, Document, answer};

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
        (Method::GET, "/admin/brands/a/sync"),
        (Method::DELETE, "/admin/brands/a/sync"),
        (Method::POST, "/admin/cms"),
        (Method::GET, "/admin/cms/circuit"),
        (Method::DELETE, "/admin/cms/reconciliation"),
        (Method::PUT, "/admin/cms/reconciliation"),
        (Method::POST, "/admin/parked"),
        (Method::GET, "/admin/parked/redrive"),
        (Method::GET, "/admin/parked/a"),
        (Method::POST, "/admin/workflows-executions"),
        (Method::DELETE, "/admin/workflows-executions/a"),
        (Method::GET, "/admin/workflows-executions/a/b/cancel"),
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
    for path in ["/", "/nosuch", "/health/x", "/hooks", "/hooks/cms"] {
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
    let created: Value = created.json().await.unwrap();
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
async fn each_route_that_steers_the_sync_needs_a_token_and_answers_as_the_document_says() {
    const UNKNOWN: &str = "01a20c70-a8c0-79f3-97c8-60a35459a718";
    let (admin, document) = (Admin::signed_in().await, Document::of_the_api());
    let request = admin.request(Method::POST, "/admin/brands");
    let created = answer(request.body(r#"{"name":"Steered"}"#)).await;
    let created: Value = created.json().await.unwrap();
    let id = created["brand"]["id"].as_str().unwrap();
    let of_id = |id: &str| format!("/admin/workflows-executions/sync-brand-to-cms:{id}");
    let of_brand = |id: &str| format!("/admin/workflows-executions/sync-brand-to-cms/{id}");
    let sync = |id: &str| format!("/admin/brands/{id}/sync");
    let cancel = |path: String| format!("{path}/cancel");
    let bulk = json!({ "filter": { "sync": ["failed"] }, "dry_run": true });
    let close = json!({ "state": "closed", "reason": "a test" });
    let dry_run = json!({ "dry_run": true });
    let reconciliation = "/admin/cms/reconciliation".to_owned();
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let none = Value::Null;
    let requests = [
        (
            &get,
            "/admin/brands?sync=refused&fields=sync".to_owned(),
            &none,
            200,
        ),
        (
            &get,
            format!("/admin/brands/{id}?fields=sync&with_deleted=true"),
            &none,
            200,
        ),
        (&get, "/admin/brands?sync=synced".to_owned(), &none, 400),
        (&post, sync(id), &none, 200),
        (&post, sync(UNKNOWN), &none, 404),
        (&post, "/admin/brands/sync".to_owned(), &bulk, 200),
        (&post, "/admin/brands/sync".to_owned(), &close, 400),
        (
            &get,
            "/admin/workflows-executions?limit=1".to_owned(),
            &none,
            200,
        ),
        (&get, of_id(id), &none, 200),
        (&get, of_id(UNKNOWN), &none, 404),
        (&get, of_brand(id), &none, 200),
        (&get, of_brand(UNKNOWN), &none, 404),
        (&post, cancel(of_id(UNKNOWN)), &none, 404),
        (&post, cancel(of_brand(UNKNOWN)), &close, 400),
        (&get, "/admin/cms?fields=activity".to_owned(), &none, 200),
        (&post, "/admin/cms/circuit".to_owned(), &close, 200),
        (&post, "/admin/cms/circuit".to_owned(), &bulk, 400),
        (&get, reconciliation.clone(), &none, 200),
        (&get, format!("{reconciliation}?fields=report"), &none, 400),
        (&post, reconciliation.clone(), &dry_run, 200),
        (&post, reconciliation, &close, 400),
        (&get, "/admin/parked?limit=1".to_owned(), &none, 200),
        // Nothing is moved: others test with what is parked.
        (
            &post,
            "/admin/parked/redrive".to_owned(),
            &json!({ "id": [UNKNOWN] }),
            200,
        ),
        (&post, "/admin/parked/redrive".to_owned(), &close, 400),
        (&delete, format!("/admin/parked/{UNKNOWN}"), &none, 404),
    ];
    for (method, path, body, expected) in requests {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = admin.anonymous_request(method.clone(), &path);
        let anonymous = answer(request.body(body.clone())).await;
        assert_eq!(anonymous.status(), 401, "{method} {path}");
        let answer = answer(admin.request(method.clone(), &path).body(body)).await;
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert_eq!(status, expected, "{method} {path}: {text}");
        let body = serde_json::from_str(&text).unwrap();
        let is_known = document.knows(method.as_str(), &path, status, &body);
        assert!(is_known, "{method} {path}");
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_webhook_without_a_signature_is_unauthorized_whatever_token_it_has() {
    let (admin, document) = (Admin::signed_in().await, Document::of_the_api());
    let path = "/hooks/cms";
    for request in [
        admin.anonymous_request(Method::POST, path),
        admin.request(Method::POST, path),
        admin
            .request(Method::POST, path)
            .header("x-signature", format!("t=1,v1={}", "0".repeat(64))),
    ] {
        let answer = answer(request.body(r#"{"id":null}"#)).await;
        assert_eq!(answer.status(), 401);
        let body = answer.text().await.unwrap();
        assert_eq!(body, r#"{"message":"Unauthorized"}"#);
        let body = serde_json::from_str(&body).unwrap();
        assert!(document.knows("POST", path, 401, &body));
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_slash_at_the_end_of_a_path_makes_no_difference_where_the_sync_is_steered() {
    let admin = Admin::signed_in().await;
    let request = admin.request(Method::POST, "/admin/brands");
    let created = answer(request.body(r#"{"name":"Slash"}"#)).await;
    let created: Value = created.json().await.unwrap();
    let id = created["brand"]["id"].as_str().unwrap();
    let of_brand = format!("/admin/workflows-executions/sync-brand-to-cms/{id}/");
    let requests = [
        (Method::GET, "/app/", 200),
        (Method::GET, "/admin/cms/", 200),
        (Method::GET, "/admin/cms/reconciliation/", 200),
        (Method::HEAD, "/admin/cms/reconciliation", 200),
        (Method::POST, "/admin/cms/reconciliation/", 400),
        (Method::GET, "/admin/parked/?limit=1", 200),
        (Method::GET, "/admin/workflows-executions/?limit=1", 200),
        (Method::GET, &of_brand, 200),
        (Method::POST, &format!("/admin/brands/{id}/sync/"), 200),
        (Method::POST, "/admin/brands/sync/", 400),
        (Method::POST, "/admin/cms/circuit/", 400),
        (Method::POST, "/admin/parked/redrive/", 400),
        (Method::POST, "/hooks/cms/", 401),
        (Method::POST, &of_brand.replace(id, "x/cancel"), 404),
        (Method::DELETE, "/admin/parked/x/", 404),
    ];
    for (method, path, expected) in requests {
        // Nothing is moved: others test with what is parked.
        let body = if expected == 400 {
            r#"{"nosuch":1}"#
        } else {
            ""
        };
        let answer = answer(admin.request(method.clone(), path).body(body)).await;
        assert_eq!(answer.status(), expected, "{method} {path}");
        let content_type = answer.headers()["content-type"].to_str().unwrap();
        // What has no route is answered by a page.
        let is_json = content_type.starts_with("application/json");
        assert_eq!(is_json, path != "/app/", "{method} {path}: {content_type}");
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
