//! Clients that create brands, and when those were synced.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use brand::BrandId;
use serde_json::{Value, json};
use system_tests::Stack;
use tokio::time::{Instant, sleep};

/// How long all brands may take to be synced, once the clients have ended.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often the rows are looked at: the time until a brand is synced is at most so much too long.
const LOOK: Duration = Duration::from_millis(100);

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Created {
    /// How many brands were acknowledged.
    pub(crate) brands: usize,
    /// How long each request took.
    pub(crate) latencies: Vec<Duration>,
    /// What was answered to those that failed.
    pub(crate) failures: Vec<String>,
}

impl Created {
    pub(crate) fn add(&mut self, other: Self) {
        self.brands += other.brands;
        self.latencies.extend(other.latencies);
        self.failures.extend(other.failures);
    }
}

/// Creates brands, one after the other, until then.
pub(crate) async fn create_until(
    stack: &Stack,
    waiting: &Waiting,
    name: &str,
    end: Instant,
) -> Created {
    let mut created = Created::default();
    let body = json!({ "name": name }).to_string();
    while Instant::now() < end {
        let begun = Instant::now();
        match create(stack, &body).await {
            Ok(id) => {
                created.latencies.push(begun.elapsed());
                created.brands += 1;
                waiting.add(id);
            }
            Err(failure) => created.failures.push(failure),
        }
    }
    created
}

async fn create(stack: &Stack, body: &str) -> Result<BrandId, String> {
    let answer = stack.creating(body).send().await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| error.to_string())?;
    let brand: Option<Value> = serde_json::from_str(&text).ok();
    let id = brand
        .as_ref()
        .and_then(|brand| brand.pointer("/brand/id")?.as_str()?.parse().ok());
    id.filter(|_| status.is_success())
        .ok_or_else(|| format!("{status} {text}"))
}

/// How long each brand took from its acknowledgement until its row was seen to be synced; those that are not synced within
/// the patience are left out. `created` says that no more brands are coming.
pub(crate) async fn synced(
    stack: &Stack,
    waiting: &Waiting,
    created: &AtomicBool,
) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut end = None;
    loop {
        let is_last = created.load(Ordering::Relaxed);
        let before = waiting.all();
        if is_last
            && (before.is_empty() || *end.get_or_insert(Instant::now() + PATIENCE) < Instant::now())
        {
            return times;
        }
        if let Ok(unsynced) = stack.unsynced().await {
            let unsynced: HashSet<_> = unsynced.iter().map(String::as_str).collect();
            let synced = before
                .iter()
                .filter(|(id, _)| !unsynced.contains(&*id.to_string()));
            for (id, acknowledged) in synced {
                times.push(acknowledged.elapsed());
                waiting.remove(*id);
            }
        }
        sleep(LOOK).await;
    }
}

/// The brands that are acknowledged and not seen to be synced, and since when.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<BrandId, Instant>>);

impl Waiting {
    fn add(&self, id: BrandId) {
        self.brands(|brands| brands.insert(id, Instant::now()));
    }

    fn remove(&self, id: BrandId) {
        self.brands(|brands| brands.remove(&id));
    }

    fn all(&self) -> HashMap<BrandId, Instant> {
        self.brands(|brands| brands.clone())
    }

    fn brands<T>(&self, with: impl FnOnce(&mut HashMap<BrandId, Instant>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
