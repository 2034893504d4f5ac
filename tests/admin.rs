//! The API, as whoever is signed in uses it, and whoever is not.

use config::Env;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use crate::http_client;

/// Somebody who may use the admin API.
pub struct Admin {
    api_url: String,
    token: String,
    http: reqwest::Client,
}

impl Admin {
    /// Somebody who has signed in to the stack that `make test` has started.
    #[must_use]
    pub fn signed_in() -> Self {
        let mut env = Env::of_process();
        let (api_url, token) = (env.text("API_URL"), env.text("ADMIN_TOKEN"));
        env.finish(())
            .expect("the tests of the whole system need a stack: run `make test`");
        Self {
            api_url,
            token,
            http: http_client(),
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
        let answer = answer(self.request(Method::GET, path)).await;
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("the answer is text");
        let body = serde_json::from_str(&text);
        (
            status,
            body.unwrap_or_else(|_| panic!("{status} is no JSON: {text}")),
        )
    }
}

/// The answer to a request.
pub async fn answer(request: RequestBuilder) -> Response {
    request.send().await.expect("the API answers")
}
