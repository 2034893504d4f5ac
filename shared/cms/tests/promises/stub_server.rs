//! The stub's server answers as a CMS does.

use cms::{Faults, StubCms};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::bench::{KEY, key, start};

struct Server {
    url: String,
    client: Client,
}

impl Server {
    async fn start() -> Self {
        let address = start(StubCms::new(Some(key()), Faults::default())).await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            url: format!("http://{address}"),
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// With the key, as JSON, and without an idempotency key.
    async fn send(&self, method: Method, path: &str, body: impl ToString) -> (u16, Value) {
        self.send_with(
            method,
            path,
            body,
            &[("authorization", &format!("Bearer {KEY}"))],
        )
        .await
    }

    async fn send_with(
        &self,
        method: Method,
        path: &str,
        body: impl ToString,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let response = self.response(method, path, body, headers).await;
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap();
        let json = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).unwrap()
        };
        (status, json)
    }

    async fn response(
        &self,
        method: Method,
        path: &str,
        body: impl ToString,
        headers: &[(&str, &str)],
    ) -> Response {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .body(body.to_string());
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }
}

#[tokio::test]
async fn brands_are_created_listed_by_id_shown_and_deleted() {
    let server = Server::start().await;
    let [b1, b2] = [("b1", "Acme"), ("b2", "Zeta")]
        .map(|(id, name)| json!({"id": id, "name": name, "revision": "1"}));
    for brand in [&b2, &b1] {
        let body = json!({"id": brand["id"], "name": brand["name"]});
        let created = server.send(Method::POST, "/brands", body).await;
        assert_eq!(created, (201, json!({ "brand": brand })));
    }
    let listed = server.send(Method::GET, "/brands", "").await;
    assert_eq!(listed, (200, json!({ "brands": [b1, b2], "next": null })));
    let first = server.send(Method::GET, "/brands?limit=1", "").await;
    assert_eq!(first, (200, json!({ "brands": [b1], "next": "b1" })));
    let last = server
        .send(Method::GET, "/brands?after=b1&limit=1", "")
        .await;
    assert_eq!(last, (200, json!({ "brands": [b2], "next": null })));
    for query in ["limit=0", "limit=-1", "offset=1"] {
        let (status, _) = server
            .send(Method::GET, &format!("/brands?{query}"), "")
            .await;
        assert_eq!(status, 400, "{query}");
    }
    let shown = server.send(Method::GET, "/brands/b1", "").await;
    assert_eq!(shown, (200, json!({ "brand": b1 })));
    let deleted = server.send(Method::DELETE, "/brands/b1", "").await;
    assert_eq!(deleted, (204, Value::Null));
    let gone = server.send(Method::GET, "/brands/b1", "").await;
    assert_eq!(gone, (404, json!({"message":"there is no brand b1"})));
}

#[tokio::test]
async fn a_brand_that_is_there_already_is_409_and_an_absent_one_is_404() {
    let server = Server::start().await;
    let brand = json!({"id":"b1","name":"Acme"});
    server.send(Method::POST, "/brands", &brand).await;
    let again = server.send(Method::POST, "/brands", &brand).await;
    assert_eq!(again, (409, json!({"message":"brand b1 exists already"})));
    let absent = server.send(Method::DELETE, "/brands/b2", "").await;
    assert_eq!(absent, (404, json!({"message":"there is no brand b2"})));
}

#[tokio::test]
async fn an_update_heeds_if_match() {
    let server = Server::start().await;
    let bearer = format!("Bearer {KEY}");
    let brand = json!({"id":"b1","name":"Acme"});
    server.send(Method::POST, "/brands", &brand).await;
    let renamed = json!({"id":"b1","name":"Acme, renamed"});
    for (revision, expected) in [
        ("1", 400),
        ("*", 400),
        ("\"7\"", 412),
        ("\"1\"", 200),
        ("\"1\"", 412),
    ] {
        let headers = [("authorization", bearer.as_str()), ("if-match", revision)];
        let (status, _) = server
            .send_with(Method::PUT, "/brands/b1", &renamed, &headers)
            .await;
        assert_eq!(status, expected, "{revision}");
    }
    let shown = json!({"brand": {"id":"b1","name":"Acme, renamed","revision":"2"}});
    assert_eq!(
        server.send(Method::PUT, "/brands/b1", &renamed).await,
        (200, shown)
    );
    let (status, _) = server.send(Method::PUT, "/brands/b2", &renamed).await;
    assert_eq!(status, 400, "the path names another brand than the body");
}

#[tokio::test]
async fn the_same_idempotency_key_gets_the_same_answer() {
    let server = Server::start().await;
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k")];
    let brand = json!({"id":"b1","name":"Acme"});
    for _ in 0..2 {
        let (status, _) = server
            .send_with(Method::POST, "/brands", &brand, &headers)
            .await;
        assert_eq!(status, 201);
    }
    for _ in 0..2 {
        let (status, _) = server
            .send_with(Method::DELETE, "/brands/b1", "", &headers)
            .await;
        assert_eq!(status, 204);
    }
}

#[tokio::test]
async fn the_statistics_count_calls_and_acts() {
    let server = Server::start().await;
    let brand = json!({"id":"b1","name":"Acme"});
    for _ in 0..2 {
        server.send(Method::POST, "/brands", &brand).await;
    }
    server.send(Method::DELETE, "/brands/b2", "").await;
    let stats = server.send(Method::GET, "/stats", "").await;
    let expected = json!({
        "calls": {"creates": 2, "updates": 0, "deletes": 1, "retrieves": 0},
        "acts": {"b1": {"name": "Acme", "creates": 1, "updates": 0, "deletes": 0}}
    });
    assert_eq!(stats, (200, expected));
}

#[tokio::test]
async fn only_the_key_changes_brands_and_a_read_needs_none() {
    let server = Server::start().await;
    let wrong = format!("Bearer {KEY}x");
    for headers in [
        &[][..],
        &[("authorization", "Bearer")],
        &[("authorization", &wrong)],
    ] {
        for (method, path) in [
            (Method::POST, "/brands"),
            (Method::PUT, "/brands/b1"),
            (Method::DELETE, "/brands/b1"),
        ] {
            let refused = server.send_with(method, path, "{", headers).await;
            assert_eq!(
                refused,
                (401, json!({"message":"the api key is missing or wrong"}))
            );
        }
    }
    for path in ["/brands", "/stats"] {
        let (status, _) = server.send_with(Method::GET, path, "", &[]).await;
        assert_eq!(status, 200);
    }
    for path in ["/brands", "/brands/b1"] {
        let headers = [("authorization", wrong.as_str())];
        let (status, _) = server.send_with(Method::GET, path, "", &headers).await;
        assert_eq!(status, 401, "a wrong key is refused");
    }
}

#[tokio::test]
async fn only_the_key_sets_faults() {
    let server = Server::start().await;
    for method in [Method::POST, Method::PUT] {
        let refused = server
            .send_with(method, "/faults", r#"[{"kind":"permanent"}]"#, &[])
            .await;
        assert_eq!(
            refused,
            (401, json!({"message":"the api key is missing or wrong"}))
        );
    }
    let brand = json!({"id":"b1","name":"Acme"});
    let (status, _) = server.send(Method::POST, "/brands", &brand).await;
    assert_eq!(status, 201);
}

#[tokio::test]
async fn a_body_counts_only_as_json() {
    let server = Server::start().await;
    let bearer = format!("Bearer {KEY}");
    let brand = json!({"id":"b1","name":"Acme"});
    let writes = [
        (Method::POST, "/brands", brand.clone(), 201),
        (Method::PUT, "/brands/b1", brand, 200),
        (Method::PUT, "/faults", json!([]), 204),
        (Method::POST, "/faults", json!([]), 204),
    ];
    for (method, path, body, expected) in writes {
        for (content_type, expected) in [
            ("text/plain", 415),
            ("text/plain;application/json", 415),
            ("application/x-www-form-urlencoded", 415),
            ("", 415),
            ("Application/JSON; charset=utf-8", expected),
        ] {
            let headers = [
                ("authorization", bearer.as_str()),
                ("content-type", content_type),
            ];
            let (status, answer) = server
                .send_with(method.clone(), path, &body, &headers)
                .await;
            assert_eq!(status, expected, "{method} {path} {content_type}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_web_page_of_another_origin_is_refused() {
    let server = Server::start().await;
    let bearer = format!("Bearer {KEY}");
    let own = server.url.as_str();
    let by_name = own.replace("127.0.0.1", "localhost");
    let other_port = "http://127.0.0.1:1";
    for (pages, expected) in [
        (&[("origin", "https://evil.example")][..], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "")], 403),
        (&[("origin", other_port)], 403),
        (&[("origin", by_name.as_str())], 403),
        (&[("origin", own), ("origin", other_port)], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("host", "evil.example")], 403),
        (&[("host", "evil.example:4600")], 403),
        (&[("host", "127.0.0.1.evil.example")], 403),
        (&[("host", "a@127.0.0.1")], 403),
        (
            &[("host", "evil.example"), ("origin", "http://evil.example")],
            403,
        ),
        (&[("sec-fetch-site", "none")], 200),
        (&[("origin", own), ("sec-fetch-site", "same-origin")], 200),
        (
            &[("host", "localhost:1"), ("origin", "http://localhost:1")],
            200,
        ),
        (&[("host", "[::1]:4600")], 200),
        (&[], 200),
    ] {
        for (method, path, good) in [
            (Method::GET, "/brands", 200),
            (Method::GET, "/stats", 200),
            (Method::POST, "/faults", 204),
            (Method::PUT, "/faults", 204),
        ] {
            let mut headers = vec![("authorization", bearer.as_str())];
            headers.extend(pages);
            let (status, answer) = server.send_with(method.clone(), path, "[]", &headers).await;
            let expected = if expected == 200 { good } else { expected };
            assert_eq!(status, expected, "{method} {path} {pages:?}: {answer}");
            assert!(status != 403 || answer["message"].is_string(), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_a_brand_is_400_with_the_reason_and_stores_nothing() {
    let server = Server::start().await;
    for (body, reason) in [
        ("{", "EOF while parsing"),
        (r#"{"id":"b1"}"#, "missing field `name`"),
        (r#"{"id":"b1","name":"Acme","x":1}"#, "unknown field `x`"),
        (r#"{"id":"","name":"Acme"}"#, "an id has 1 to 128 bytes"),
        (r#"{"id":"a\nb","name":"Acme"}"#, "an id has 1 to 128 bytes"),
    ] {
        let (status, answer) = server.send(Method::POST, "/brands", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(
            answer["message"].as_str().unwrap().contains(reason),
            "{answer}"
        );
    }
    let (status, _) = server
        .send(Method::POST, "/brands", "x".repeat(20_000))
        .await;
    assert_eq!(status, 413);
    let listed = server.send(Method::GET, "/brands", "").await;
    assert_eq!(listed, (200, json!({ "brands": [], "next": null })));
}

#[tokio::test]
async fn an_unknown_path_or_method_is_answered_in_json() {
    let server = Server::start().await;
    let (status, answer) = server.send(Method::GET, "/products", "").await;
    assert_eq!((status, answer["message"].is_string()), (404, true));
    let (status, answer) = server.send(Method::DELETE, "/brands", "").await;
    assert_eq!((status, answer["message"].is_string()), (405, true));
    let (status, answer) = server.send(Method::GET, "/faults", "").await;
    let message = "rules are written, not read: PUT replaces them, POST adds to them";
    assert_eq!((status, &answer["message"]), (405, &json!(message)));
}

#[tokio::test]
async fn faults_can_be_replaced_while_it_runs() {
    let server = Server::start().await;
    let rules = json!([
        {"operation":"create","kind":"transient","when":"before","times":1,"retry_after_seconds":3},
        {"operation":"create","kind":"permanent","when":"after","times":1}
    ]);
    let replaced = server.send(Method::PUT, "/faults", &rules).await;
    assert_eq!(replaced, (204, Value::Null));

    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k")];
    let brand = json!({"id":"b1","name":"Acme"});
    let transient = server
        .response(Method::POST, "/brands", &brand, &headers)
        .await;
    assert_eq!(transient.status().as_u16(), 503);
    assert_eq!(transient.headers()["retry-after"], "3");
    for expected in [422, 201] {
        let (status, _) = server
            .send_with(Method::POST, "/brands", &brand, &headers)
            .await;
        assert_eq!(status, expected);
    }
}

#[tokio::test]
async fn faults_can_be_added_to_those_that_there_are() {
    let server = Server::start().await;
    let rule =
        |name| json!([{"operation":"create","name":name,"kind":"permanent","when":"before"}]);
    server.send(Method::PUT, "/faults", &rule("One")).await;
    let added = server.send(Method::POST, "/faults", &rule("Other")).await;
    assert_eq!(added, (204, Value::Null));
    for (name, expected) in [("One", 422), ("Other", 422), ("Acme", 201)] {
        let brand = json!({"id": name, "name": name});
        let (status, _) = server.send(Method::POST, "/brands", &brand).await;
        assert_eq!(status, expected, "{name}");
    }
}

#[tokio::test]
async fn wrong_faults_are_400_with_the_reason_and_change_nothing() {
    let server = Server::start().await;
    let rules = json!([{"operation":"create","kind":"permanent","when":"before"}]);
    server.send(Method::PUT, "/faults", &rules).await;
    let (status, answer) = server
        .send(Method::PUT, "/faults", r#"[{"operation":"creat"}]"#)
        .await;
    assert_eq!(status, 400);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("fault rule 1: unknown variant `creat`")
    );
    let brand = json!({"id":"b1","name":"Acme"});
    let (status, _) = server.send(Method::POST, "/brands", &brand).await;
    assert_eq!(status, 422);
}

#[tokio::test]
async fn an_editor_renames_removes_and_makes_entries() {
    let server = Server::start().await;
    let (entries, brand) = ("/editor/entries", "/editor/brands/b1");
    let orphan = json!({"name": "Orphan", "id": "b1"});
    let made = server.send(Method::POST, entries, &orphan).await;
    assert_eq!(made, (201, json!({"entry": "b1"})));
    let (status, _) = server.send(Method::POST, entries, &orphan).await;
    assert_eq!(status, 409);
    let renamed = server
        .send(Method::PUT, brand, json!({"name": "Renamed"}))
        .await;
    assert_eq!(renamed, (204, Value::Null));
    let shown = json!({"id": "b1", "name": "Renamed", "revision": "2"});
    let read = server.send(Method::GET, "/brands/b1", "").await;
    assert_eq!(read, (200, json!({ "brand": shown })));
    for expected in [204, 404] {
        let (status, _) = server.send(Method::DELETE, brand, "").await;
        assert_eq!(status, expected);
    }
    let (status, _) = server
        .send(Method::PUT, brand, json!({"name": "Renamed"}))
        .await;
    assert_eq!(status, 404);

    let one = json!({"name": "One"});
    let made = server.send(Method::POST, entries, &one).await;
    assert_eq!(made, (201, json!({"entry": "e0000001"})));
    let many = json!({"name": "Many", "count": 100_000});
    let made = server.send(Method::POST, entries, &many).await;
    assert_eq!(made, (201, json!({"count": 100_000})));
    let last = "/entries?after=e0100000&limit=5";
    let listed = server.send(Method::GET, last, "").await;
    let shown = json!({"entry": "e0100001", "name": "Many 100000", "revision": "1"});
    assert_eq!(listed, (200, json!({"entries": [shown], "next": null})));
    for wrong in [
        json!({"name": "Many", "count": 2, "id": "b1"}),
        json!({"name": "Many", "count": 0}),
        json!({"name": "Many", "count": 1_000_001}),
        json!({"count": 2}),
        json!({"name": "One", "id": "a/b"}),
    ] {
        let (status, _) = server.send(Method::POST, entries, &wrong).await;
        assert_eq!(status, 400, "{wrong}");
    }
    let (status, _) = server.send_with(Method::POST, entries, &one, &[]).await;
    assert_eq!(status, 401, "it takes the key");
    let (_, counted) = server.send(Method::GET, "/stats", "").await;
    assert_eq!(counted["calls"]["updates"], json!(0));
}

#[tokio::test]
async fn a_hundred_ids_are_asked_for_at_once_and_no_more() {
    let server = Server::start().await;
    let acme = json!({"id": "b7", "name": "Acme"});
    server.send(Method::POST, "/brands", &acme).await;
    let ids = |count| {
        let ids: Vec<_> = (0..count).map(|number| format!("b{number}")).collect();
        format!("/brands?ids={}", ids.join(","))
    };
    let (status, found) = server.send(Method::GET, &ids(100), "").await;
    assert_eq!((status, &found["brands"][0]["id"]), (200, &json!("b7")));
    let (status, _) = server.send(Method::GET, &ids(101), "").await;
    assert_eq!(status, 400);
}
