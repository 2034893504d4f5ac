//! The API, as whoever is signed in uses it, and whoever is not.

use std::time::SystemTime;

use auth::{Actor, Identity, Tokens};
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
    /// Somebody with a token that the stack's secret has signed.
    pub async fn signed_in() -> Self {
        let mut env = Env::of_process();
        let (api_url, secret_id) = (env.text("API_URL"), env.text("AUTH_SECRET_ID"));
        env.finish(())
            .expect("the tests of the whole system need a stack: run `make test`");
        let sdk = aws::sdk_config().await;
        let secrets = aws_sdk_secretsmanager::Client::new(&sdk);
        let secret = config::fetch_secret(&secrets, &secret_id).await;
        let tokens = Tokens::signed_with(&secret.expect("a secret")).expect("a good secret");
        let identity = Identity {
            actor: Actor::of("user_of_the_tests").expect("an id"),
            auth_identity_id: "authid_of_the_tests".to_owned(),
        };
        let token = tokens.issue(&identity, SystemTime::now());
        Self {
            api_url,
            token: token.expect("a token"),
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
