//! The clients: each creates one brand through the API, and repeats its request under the same key until it is answered,
//! or gives up.

use std::{sync::Arc, time::Duration};

use brand::BrandId;
use serde_json::{Value, json};
use system_tests::Stack;
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

use crate::{chaos::Chaos, plan::Fate, settings::Settings};

/// How long a client waits for an answer, and at most before it repeats its request.
const PATIENCE: Duration = Duration::from_secs(12);
const BEFORE_REPEATING: Duration = Duration::from_secs(1);
/// How often a client asks, at most. One of so many asks but once.
const REQUESTS: usize = 8;
const IMPATIENT: u32 = 15;
/// One of so many asks once more after it has been answered.
const FORGETFUL: u32 = 5;

/// A brand that the API has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) id: BrandId,
    pub(crate) name: String,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// How many clients gave up.
    pub(crate) given_up: usize,
    /// How many requests were not answered, or with a failure.
    pub(crate) failures: usize,
    /// How many clients asked again after they had been answered, and got an answer.
    pub(crate) repeated: usize,
    /// What must not happen.
    pub(crate) problems: Vec<String>,
}

/// Has all brands created, in waves of as many clients as may be at work at once. The last wave comes when three quarters of
/// the window are over.
pub(crate) async fn create_all(
    settings: &Settings,
    stack: &Arc<Stack>,
    chaos: &Arc<Chaos>,
    mut told: impl FnMut(&Acknowledged),
) -> Load {
    let waves = settings.brands.div_ceil(settings.concurrency).max(1);
    let apart = settings.window * 3 / 4 / u32::try_from(waves).unwrap_or(u32::MAX);
    let places = Arc::new(Semaphore::new(settings.concurrency));
    let mut clients = JoinSet::new();
    for number in 0..settings.brands {
        let begins = apart * u32::try_from(number / settings.concurrency).unwrap_or_default();
        let client = Client {
            stack: Arc::clone(stack),
            chaos: Arc::clone(chaos),
            name: Fate::of(number).name(number),
            key: format!("{}-{number}", settings.seed),
        };
        let places = Arc::clone(&places);
        clients.spawn(async move {
            sleep(begins).await;
            let _place = places.acquire().await;
            client.create().await
        });
    }
    let mut load = Load::default();
    while let Some(ended) = clients.join_next().await {
        match ended {
            Ok(one) => {
                if let Some(acknowledged) = one.acknowledged {
                    told(&acknowledged);
                    load.acknowledged.push(acknowledged);
                } else {
                    load.given_up += 1;
                }
                load.failures += one.failures;
                load.repeated += usize::from(one.repeated);
                load.problems.extend(one.problems);
            }
            Err(panic) => load.problems.push(format!("a client panicked: {panic}")),
        }
    }
    load
}

/// What became of one client's request.
#[derive(Default)]
struct One {
    acknowledged: Option<Acknowledged>,
    failures: usize,
    repeated: bool,
    problems: Vec<String>,
}

struct Client {
    stack: Arc<Stack>,
    chaos: Arc<Chaos>,
    name: String,
    key: String,
}

impl Client {
    async fn create(self) -> One {
        let mut one = One::default();
        let requests = if self.chaos.draw(0..IMPATIENT) == 0 {
            1
        } else {
            REQUESTS
        };
        let Some(id) = self.ask(requests, &mut one).await else {
            return one;
        };
        one.acknowledged = Some(Acknowledged {
            id,
            name: self.name.clone(),
        });
        if self.chaos.draw(0..FORGETFUL) == 0
            && let Some(again) = self.ask(REQUESTS, &mut one).await
        {
            one.repeated = true;
            if again != id {
                let (name, key) = (&self.name, &self.key);
                let problem =
                    format!("{name}: under the key {key} the API answers {id}, and then {again}");
                one.problems.push(problem);
            }
        }
        one
    }

    /// Asks until it is answered, but not more often than that.
    async fn ask(&self, requests: usize, one: &mut One) -> Option<BrandId> {
        for _ in 0..requests {
            match self.ask_once().await {
                Ok(Some(id)) => return Some(id),
                Ok(None) => one.failures += 1,
                Err(problem) => {
                    one.problems.push(format!("{}: {problem}", self.name));
                    return None;
                }
            }
            sleep(self.chaos.moment(BEFORE_REPEATING)).await;
        }
        None
    }

    /// The id that the API answers; none where it does not answer, or fails. Any other answer is a problem.
    async fn ask_once(&self) -> Result<Option<BrandId>, String> {
        let request = self
            .stack
            .creating(&json!({ "name": self.name }).to_string())
            .timeout(PATIENCE)
            .header("idempotency-key", &self.key);
        let Ok(answer) = request.send().await else {
            return Ok(None);
        };
        let status = answer.status();
        let Ok(text) = answer.text().await else {
            return Ok(None);
        };
        if status.is_server_error() {
            return Ok(None);
        }
        let unexpected = || format!("the API answers {status} {text}");
        let body: Value = serde_json::from_str(&text).map_err(|_| unexpected())?;
        let named = body.pointer("/brand/name").and_then(Value::as_str);
        let id = body.pointer("/brand/id").and_then(Value::as_str);
        match id.and_then(|id| id.parse().ok()) {
            Some(id) if status.as_u16() == 200 && named == Some(&self.name) => Ok(Some(id)),
            _ => Err(unexpected()),
        }
    }
}
