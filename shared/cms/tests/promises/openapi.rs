//! `openapi.json` says what the stub serves: each operation, each status, and the shape of each body.

use std::collections::BTreeSet;

use cms::StubCms;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::bench::{KEY, faults, in_process, start};

fn document() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).unwrap()
}

/// What a reference leads to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            resolved(document, document.pointer(pointer).unwrap())
        }
        None => value,
    }
}

/// Operation and status of each answer that the document lists: `PUT /brands/{id} 412`.
fn listed(document: &Value) -> BTreeSet<String> {
    let mut answers = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Some(responses) = operation["responses"].as_object() else {
                continue;
            };
            let operation = format!("{} {path}", method.to_uppercase());
            answers.extend(
                responses
                    .keys()
                    .map(|status| format!("{operation} {status}")),
            );
        }
    }
    answers
}

/// Whether a value has the types and the required properties of a schema.
fn fits(document: &Value, schema: &Value, value: &Value) -> bool {
    let schema = resolved(document, schema);
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let actual = match value {
        Value::Null => "null",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        _ => "other",
    };
    let no_properties = serde_json::Map::new();
    let required = schema["required"].as_array().into_iter().flatten();
    let properties = schema["properties"].as_object().unwrap_or(&no_properties);
    types.contains(&json!(actual))
        && required
            .into_iter()
            .all(|name| value.get(name.as_str().unwrap()).is_some())
        && value
            .as_object()
            .unwrap_or(&no_properties)
            .iter()
            .all(|(name, value)| {
                let schema = properties.get(name);
                schema.is_some_and(|schema| fits(document, schema, value))
            })
        && value
            .as_array()
            .into_iter()
            .flatten()
            .all(|item| fits(document, &schema["items"], item))
}

/// A conversation with the stub that is compared with the document.
struct Conversation {
    document: Value,
    url: String,
    client: Client,
    stub: StubCms,
    seen: BTreeSet<String>,
}

impl Conversation {
    async fn start() -> Self {
        let stub = in_process().await.stub;
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            document: document(),
            url: format!("http://{}", start(stub.clone()).await),
            client: Client::builder().no_proxy().build().unwrap(),
            stub,
            seen: BTreeSet::new(),
        }
    }

    async fn send(&mut self, line: &str, body: &Value, headers: &[(&str, &str)], expected: u16) {
        let (method, path) = line.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.url));
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {KEY}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{line}");

        let path = path.split('?').next().unwrap();
        let path = match path.rsplit_once('/') {
            Some(("/brands", _)) => "/brands/{id}",
            Some(("/entries", _)) => "/entries/{entry}",
            _ => path,
        };
        let operation = format!("{method} {path} {expected}");
        let name = method.as_str().to_lowercase();
        let response = &self.document["paths"][path][name]["responses"][expected.to_string()];
        let response = resolved(&self.document, response);
        assert!(response.is_object(), "{operation} is not in the document");
        let promised = response["headers"].as_object();
        for header in promised.into_iter().flat_map(serde_json::Map::keys) {
            assert!(
                answer.headers().contains_key(header),
                "{operation}: {header}"
            );
        }
        let text = answer.text().await.unwrap();
        match response.pointer("/content/application~1json/schema") {
            Some(schema) => {
                let body = serde_json::from_str(&text).unwrap();
                assert!(fits(&self.document, schema, &body), "{operation}: {body}");
            }
            None => assert_eq!(text, "", "{operation} has no body"),
        }
        self.seen.insert(operation);
    }
}

#[tokio::test]
async fn every_answer_in_the_document_is_given_and_no_other() {
    let mut with = Conversation::start().await;
    let none = Value::Null;
    let brand = |id: &str, name: &str| json!({"id": id, "name": name});
    let (acme, other) = (brand("b1", "Acme"), brand("b2", "Other"));
    let key = [("idempotency-key", "k")];
    let stale = [("if-match", "\"7\"")];
    let large = brand("b1", &"x".repeat(20_000));
    let text = [("content-type", "text/plain")];

    with.send("POST /brands", &acme, &key, 201).await;
    with.send("POST /brands", &acme, &key, 201).await;
    with.send("POST /brands", &other, &key, 422).await;
    with.send("POST /brands", &acme, &[], 409).await;
    with.send("POST /brands", &json!({"id": "b1"}), &[], 400)
        .await;
    with.send("POST /brands", &large, &[], 413).await;
    with.send("POST /brands", &acme, &text, 415).await;
    with.send("GET /brands", &none, &[], 200).await;
    with.send("GET /brands?after=b0&limit=1", &none, &[], 200)
        .await;
    with.send("GET /brands?limit=0", &none, &[], 400).await;
    with.send("GET /brands/b1", &none, &[], 200).await;
    with.send("GET /brands/b2", &none, &[], 404).await;
    let renamed = brand("b1", "Renamed");
    with.send("PUT /brands/b1", &renamed, &key, 200).await;
    with.send("PUT /brands/b1", &acme, &key, 422).await;
    with.send("PUT /brands/b1", &acme, &stale, 412).await;
    with.send("PUT /brands/b1", &other, &[], 400).await;
    with.send("PUT /brands/b1", &large, &[], 413).await;
    with.send("PUT /brands/b1", &acme, &text, 415).await;
    with.send("PUT /brands/b2", &other, &[], 404).await;
    with.send("DELETE /brands/b1", &none, &key, 204).await;
    with.send("DELETE /brands/b2", &none, &key, 422).await;
    with.send("DELETE /brands/b1", &none, &[], 404).await;
    let no_id = format!("DELETE /brands/{}", "x".repeat(129));
    with.send(&no_id, &none, &[], 400).await;

    with.send("GET /brands?ids=b1,b2", &none, &[], 200).await;
    with.send("GET /brands?ids=b1&limit=1", &none, &[], 400)
        .await;

    with.stub.add_entry("An editor's", None);
    let (other, second) = (brand("b2", "Other"), with.stub.add_entry("Second", None));
    with.send("GET /entries?limit=1", &none, &[], 200).await;
    with.send("GET /entries?ids=b1", &none, &[], 400).await;
    with.send("GET /entries/e0000001", &none, &[], 200).await;
    with.send("PUT /entries/e0000001", &other, &stale, 412)
        .await;
    with.send("PUT /entries/e0000001", &other, &[], 200).await;
    with.send("PUT /entries/e0000001", &other, &stale, 200)
        .await;
    with.send("GET /brands?ids=b2", &none, &[], 200).await;
    with.send("GET /entries/e0000001", &none, &[], 404).await;
    let taken = format!("PUT /entries/{second}");
    with.send(&taken, &other, &[], 409).await;
    with.send("PUT /entries/e0000009", &acme, &[], 404).await;
    with.send(&taken, &json!({"id": "b1"}), &[], 400).await;
    with.send(&taken, &large, &[], 413).await;
    with.send(&taken, &acme, &text, 415).await;
    with.send(&taken, &acme, &key, 422).await;

    let operations = [
        ("GET /entries", &none),
        ("GET /entries/e0000001", &none),
        ("PUT /entries/e0000001", &acme),
        ("POST /brands", &acme),
        ("GET /brands", &none),
        ("GET /brands/b1", &none),
        ("PUT /brands/b1", &acme),
        ("DELETE /brands/b1", &none),
    ];
    for (line, body) in operations {
        let wrong = [("authorization", "Bearer wrong")];
        with.send(line, body, &wrong, 401).await;
    }
    for (rule, status) in [
        (r#"{"kind":"forbidden"}"#, 403),
        (
            r#"{"kind":"transient","status":429,"retry_after_seconds":1}"#,
            429,
        ),
        (
            r#"{"kind":"transient","retry_after_seconds":1,"retry_after_date":true}"#,
            503,
        ),
    ] {
        with.stub.set_faults(faults(&format!("[{rule}]")));
        for (line, body) in operations {
            with.send(line, body, &[], status).await;
        }
    }
    with.stub.set_faults(faults(r#"[{"kind":"conflict"}]"#));
    with.send("PUT /brands/b1", &acme, &[], 409).await;

    println!("{} kinds of answers compared", with.seen.len());
    assert_eq!(with.seen, listed(&with.document));
}

#[test]
fn a_body_of_another_shape_does_not_fit() {
    let document = document();
    let fits = |name: &str, body: Value| {
        let schema = &document["components"]["schemas"][name];
        fits(&document, schema, &body)
    };
    let entry = json!({"id": "b1", "name": "Acme", "revision": "1"});
    assert!(fits("Page", json!({"brands": [entry], "next": null})));
    assert!(fits("Page", json!({"brands": [entry], "next": "b1"})));
    assert!(!fits("Page", json!({"brands": [entry], "next": 7})));
    assert!(!fits("Page", json!({"brands": [{"id": "b1"}]})));
    assert!(!fits("Page", json!({"next": null})));
    assert!(!fits("BrandAnswer", json!({"brand": entry, "other": 1})));
    assert!(!fits("Problem", json!({"message": null})));
}
