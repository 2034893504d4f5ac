//! A client: it creates a brand through the API, and repeats its request under the same key until it is answered, or gives up.
//! Some then change their brand, or delete it.

use std::{sync::Arc, time::Duration};

use brand::BrandId;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use system_tests::Stack;
use tokio::time::sleep;

use crate::chaos::Chaos;

/// How long a client waits for an answer, and at most before it repeats its request.
const PATIENCE: Duration = Duration::from_secs(12);
const BEFORE_REPEATING: Duration = Duration::from_secs(1);
/// How often a client asks, at most. One of so many asks but once.
const REQUESTS: usize = 8;
const IMPATIENT: u32 = 15;
/// One of so many asks once more after it has been answered.
const FORGETFUL: u32 = 5;
/// Of so many, two rename their brand and one deletes it.
const CONTENT: u32 = 10;
/// How long it is, at most, until they do.
const BEFORE_CHANGING: Duration = Duration::from_secs(3);

/// A brand that the API has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) id: BrandId,
    /// What it may be called by now; none where it may be deleted. More than one thing only where a change was not answered.
    pub(crate) may_be: Vec<Option<String>>,
}

/// What became of one client's requests.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) acknowledged: Option<Acknowledged>,
    /// How many requests were not answered, or with a failure.
    pub(crate) failures: usize,
    /// Whether it asked again after it had been answered, and got an answer.
    pub(crate) repeated: bool,
    /// Whether a change was acknowledged.
    pub(crate) renamed: bool,
    pub(crate) deleted: bool,
    /// What must not happen.
    pub(crate) problems: Vec<String>,
}

pub(crate) struct Client {
    pub(crate) stack: Arc<Stack>,
    pub(crate) chaos: Arc<Chaos>,
    /// The brand's name, and the request's key.
    pub(crate) name: String,
    pub(crate) key: String,
}

impl Client {
    /// Creates the brand, and tells of it once that is acknowledged; then it may change the brand.
    pub(crate) async fn work(self, told: impl Fn(BrandId)) -> Asked {
        let mut asked = Asked::default();
        let requests = if self.chaos.draw(0..IMPATIENT) == 0 {
            1
        } else {
            REQUESTS
        };
        let Some(id) = self.create(requests, &mut asked).await else {
            return asked;
        };
        told(id);
        if self.chaos.draw(0..FORGETFUL) == 0
            && let Some(again) = self.create(REQUESTS, &mut asked).await
        {
            asked.repeated = true;
            if again != id {
                let (name, key) = (&self.name, &self.key);
                let problem =
                    format!("{name}: under the key {key} the API answers {id}, and then {again}");
                asked.problems.push(problem);
            }
        }
        let may_be = self.change(id, &mut asked).await;
        asked.acknowledged = Some(Acknowledged { id, may_be });
        asked
    }

    async fn create(&self, requests: usize, asked: &mut Asked) -> Option<BrandId> {
        let request = || {
            let body = json!({ "name": self.name }).to_string();
            let request = self.stack.creating(&body);
            request.header("idempotency-key", &self.key)
        };
        let answer = self.ask(requests, request, asked).await?;
        let named = answer.pointer("/brand/name").and_then(Value::as_str);
        let id = answer.pointer("/brand/id").and_then(Value::as_str);
        match id.and_then(|id| id.parse().ok()) {
            Some(id) if named == Some(&self.name) => Some(id),
            _ => {
                asked
                    .problems
                    .push(format!("{}: the API answers {answer}", self.name));
                None
            }
        }
    }

    /// Changes the brand, perhaps, and answers what it may be called then.
    async fn change(&self, id: BrandId, asked: &mut Asked) -> Vec<Option<String>> {
        let before = Some(self.name.clone());
        let (method, after) = match self.chaos.draw(0..CONTENT) {
            0 | 1 => (Method::POST, Some(format!("{}, renamed", self.name))),
            2 => (Method::DELETE, None),
            _ => return vec![before],
        };
        sleep(self.chaos.moment(BEFORE_CHANGING)).await;
        let request = || {
            let body = after.as_ref().map(|name| json!({ "name": name }));
            let path = format!("/admin/brands/{id}");
            let request = self.stack.request(method.clone(), &path);
            request.body(body.unwrap_or_default().to_string())
        };
        if self.ask(REQUESTS, request, asked).await.is_none() {
            return vec![before, after];
        }
        if after.is_some() {
            asked.renamed = true;
        } else {
            asked.deleted = true;
        }
        vec![after]
    }

    /// Asks until it is answered, but not more often than that. An answer that tells of no success is a problem.
    async fn ask(
        &self,
        requests: usize,
        request: impl Fn() -> RequestBuilder,
        asked: &mut Asked,
    ) -> Option<Value> {
        for _ in 0..requests {
            match answer_to(request()).await {
                Ok(Some(answer)) => return Some(answer),
                Ok(None) => asked.failures += 1,
                Err(problem) => {
                    asked.problems.push(format!("{}: {problem}", self.name));
                    return None;
                }
            }
            sleep(self.chaos.moment(BEFORE_REPEATING)).await;
        }
        None
    }
}

/// What the API answers; none where it does not answer, or fails.
async fn answer_to(request: RequestBuilder) -> Result<Option<Value>, String> {
    let Ok(answer) = request.timeout(PATIENCE).send().await else {
        return Ok(None);
    };
    let status = answer.status();
    let Ok(text) = answer.text().await else {
        return Ok(None);
    };
    if status.is_server_error() {
        return Ok(None);
    }
    let body = serde_json::from_str(&text).ok();
    body.filter(|_| status.as_u16() == 200)
        .map(Some)
        .ok_or_else(|| format!("the API answers {status} {text}"))
}
