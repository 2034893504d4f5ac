//! The API, as whoever is signed in uses it, and whoever is not.

use config::Env;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::http_client;

pub(crate) const NO_STACK: &str = "the tests of the whole system need a stack: run `make test`";

/// Somebody who may use the admin API.
pub struct Admin {
    api_url: String,
    /// What they sign their requests with.
    pub token: String,
    http: reqwest::Client,
}

impl Admin {
    /// Somebody who has signed in.
    pub async fn signed_in() -> Self {
        let http = http_client();
        let mut env = Env::of_process();
        let api_url = env.text("API_URL");
        env.finish(()).expect(NO_STACK);
        Self {
            api_url,
            token: token(&http).await,
            http,
        }
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous_request(method, path)
            .bearer_auth(&self.token)
    }

    /// A request without it.
    pub fn anonymous_request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.api_url))
    }

    /// The answer, status and body, to a GET.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        json_answer(self.request(Method::GET, path)).await
    }
}

/// The answer, status and body, to a request that is answered with JSON.
pub(crate) async fn json_answer(request: RequestBuilder) -> (u16, Value) {
    let answer = answer(request).await;
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("the answer is text");
    let body =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} is no JSON: {text}"));
    (status, body)
}

/// The token of whoever `make test` has signed in; or, in a stack where nobody could be, of whoever signs in now.
pub(crate) async fn token(http: &reqwest::Client) -> String {
    let mut env = Env::of_process();
    if let Some(token) = env.optional("ADMIN_TOKEN") {
        return token;
    }
    let values = ["API_URL", "ADMIN_EMAIL", "ADMIN_PASSWORD"].map(|variable| env.text(variable));
    let [api_url, email, password] = env.finish(values).expect(NO_STACK);
    let request = http.post(format!("{api_url}/auth/user/emailpass"));
    let credentials = json!({ "email": email, "password": password });
    let answer = answer(request.body(credentials.to_string())).await;
    let signed_in: Value = answer.json().await.expect("JSON");
    let token = signed_in.get("token").and_then(Value::as_str);
    token.unwrap_or_else(|| panic!("{signed_in}")).to_owned()
}

/// The answer to a request.
pub async fn answer(request: RequestBuilder) -> Response {
    request.send().await.expect("the API answers")
}
