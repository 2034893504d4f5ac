//! Every recorded case, replayed on the running system: it is answered as a real Medusa answers it, or as is recorded to be
//! stricter, and as the API's document says.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use config::Env;
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};
use system_tests::{Admin, Document, answer};

const WIRE: &str = include_str!("wire/medusa.json");
/// All that are recorded. Who records another one finds it replayed, or is told here that it is not.
const CASES: usize = 35;

/// Who signs in, and the token of whoever has.
struct Credentials {
    email: String,
    password: String,
    token: String,
}

impl Credentials {
    fn of_the_stack() -> Self {
        let mut env = Env::of_process();
        let credentials = Self {
            email: env.text("ADMIN_EMAIL"),
            password: env.text("ADMIN_PASSWORD"),
            token: env.text("ADMIN_TOKEN"),
        };
        env.finish(credentials).unwrap()
    }

    /// The token as if nobody had to sign it: `{"alg":"none","typ":"JWT"}`, its claims, no signature.
    fn unsigned(&self) -> String {
        let claims = self.token.split('.').nth(1).unwrap();
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")
    }

    /// What was recorded with another system's, with these.
    fn in_place_of_the_recorded(&self, text: &str) -> String {
        text.replace("<TOKEN>", &self.token)
            .replace("<a valid token re-encoded with alg none>", &self.unsigned())
            .replace("admin@medusa-test.com", &self.email)
            .replace("supersecret", &self.password)
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn every_recorded_case_is_answered_as_medusa_does_or_as_is_recorded_to_be_stricter() {
    let wire: Value = serde_json::from_str(WIRE).unwrap();
    let (admin, credentials) = (Admin::signed_in().await, Credentials::of_the_stack());
    let document = Document::of_the_api();
    let cases = wire["cases"].as_array().unwrap();
    // One after the other, as they were recorded: the list is of what was created before it.
    for case in cases {
        replay(case, &admin, &credentials, &document).await;
    }
    assert_eq!(cases.len(), CASES);
}

async fn replay(case: &Value, admin: &Admin, credentials: &Credentials, document: &Document) {
    let (name, path) = (
        case["name"].as_str().unwrap(),
        case["path"].as_str().unwrap(),
    );
    let method: Method = case["method"].as_str().unwrap().parse().unwrap();
    let mut request = admin.anonymous_request(method.clone(), path);
    for (header, value) in case["headers"].as_object().unwrap() {
        request = request.header(
            header,
            credentials.in_place_of_the_recorded(value.as_str().unwrap()),
        );
    }
    if let Some(body) = body(case) {
        request = request.body(credentials.in_place_of_the_recorded(&body));
    }
    let answer = answer(request).await;

    let status = answer.status().as_u16();
    let content_type = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    let text = answer.text().await.unwrap();
    let wanted = case.get("want_status").unwrap_or(&case["medusa_status"]);
    assert_eq!(json!(status), *wanted, "{name}: {text}");
    if method == Method::HEAD {
        return assert_eq!(text, "", "{name}");
    }
    if let Some(page) = case.get("medusa_body_text") {
        assert_eq!(
            (text.as_str(), content_type.as_str()),
            (page.as_str().unwrap(), "text/html; charset=utf-8")
        );
        return;
    }
    assert_eq!(content_type, "application/json; charset=utf-8", "{name}");
    let body: Value = serde_json::from_str(&text).unwrap();
    compare(case, &body);
    let is_of_a_route = document.knows(method.as_str(), path, status, &body);
    let has_no_route = ["61-create-trailing-slash", "71-get-unknown-route-no-token"];
    assert_eq!(is_of_a_route, !has_no_route.contains(&name), "{name}");
}

/// The body that is sent. One that is too long to be recorded goes on as it begins.
fn body(case: &Value) -> Option<String> {
    if let Some(length) = case.get("body_len").and_then(Value::as_u64) {
        let (head, tail) = (case["body_head"].as_str().unwrap(), "\"}");
        let fill = usize::try_from(length).unwrap() - head.len() - tail.len();
        return Some(format!("{head}{}{tail}", "n".repeat(fill)));
    }
    case.get("body")
        .map(|body| body.as_str().unwrap().to_owned())
}

fn compare(case: &Value, body: &Value) {
    let name = case["name"].as_str().unwrap();
    let expected = match (case.get("want_body"), case.get("want_status")) {
        (Some(expected), _) => expected,
        (None, None) => &case["medusa_body"],
        // The status alone is recorded.
        (None, Some(_)) => return assert_eq!(body["type"], "invalid_data", "{name}: {body}"),
    };
    // What is wrong with a text that is no JSON is said in the parser's words, which are others here.
    if ["37-create-malformed-json", "38-create-trailing-comma"].contains(&name) {
        let message = body["message"].as_str().unwrap();
        assert!(
            message.starts_with("The body is not valid JSON: "),
            "{name}: {message}"
        );
        assert_eq!(body["type"], expected["type"], "{name}");
        return;
    }
    let is_list = expected.get("brands").is_some();
    let mut expected = shape(expected, is_list);
    // Medusa keeps what is not composed as it is; here it is composed.
    if let Some(Value::String(name)) = expected.pointer_mut("/brand/name") {
        *name = name.replace("e\u{301}", "é");
    }
    assert_eq!(shape(body, is_list), expected, "{name}");
}

/// The body without what differs from run to run; of a list, without what others have created meanwhile.
fn shape(body: &Value, is_list: bool) -> Value {
    match body {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let shape = match (name.as_str(), value) {
                    ("id" | "token" | "created_at" | "updated_at", Value::String(_)) => {
                        json!("text")
                    }
                    ("name", Value::String(_)) | ("count", Value::Number(_)) if is_list => {
                        json!("any")
                    }
                    _ => shape(value, is_list),
                };
                (name.clone(), shape)
            })
            .collect(),
        Value::Array(values) => values.iter().map(|value| shape(value, is_list)).collect(),
        other => other.clone(),
    }
}
