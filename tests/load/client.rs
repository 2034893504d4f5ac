//! Clients that create brands, and when those were synced.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use brand::{BrandId, Timestamp};
use serde_json::{Value, json};
use system_tests::Stack;
use tokio::time::{Instant, sleep};

/// How long all brands may take to be synced, once the clients have ended.
const PATIENCE: Duration = Duration::from_mins(5);

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Created {
    /// The brands, and when each was acknowledged, in milliseconds since the Unix epoch.
    pub(crate) brands: HashMap<BrandId, u64>,
    /// How long each request took.
    pub(crate) latencies: Vec<Duration>,
    /// What was answered to those that failed.
    pub(crate) failures: Vec<String>,
}

impl Created {
    pub(crate) fn add(&mut self, other: Self) {
        self.brands.extend(other.brands);
        self.latencies.extend(other.latencies);
        self.failures.extend(other.failures);
    }
}

/// Creates brands, one after the other, until then.
pub(crate) async fn create_until(stack: &Stack, name: &str, end: Instant) -> Created {
    let mut created = Created::default();
    let body = json!({ "name": name }).to_string();
    while Instant::now() < end {
        let begun = Instant::now();
        match create(stack, &body).await {
            Ok(id) => {
                created.latencies.push(begun.elapsed());
                created.brands.insert(id, millis());
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

/// How long each brand took from its acknowledgement until it was marked as synced, which follows the CMS's answer; those that are
/// not synced within the patience are left out.
pub(crate) async fn synced(stack: &Stack, created: &Created) -> Vec<Duration> {
    let end = Instant::now() + PATIENCE;
    while !stack.unsynced().await.is_empty() && Instant::now() < end {
        sleep(Duration::from_millis(200)).await;
    }
    let mut times = Vec::new();
    let rows = stack
        .dynamodb
        .scan()
        .table_name(&stack.brands_table)
        .projection_expression("id, synced_at")
        .into_paginator()
        .items()
        .send();
    let Ok(rows) = rows.collect::<Result<Vec<_>, _>>().await else {
        return times;
    };
    for row in rows {
        let text = |name| row.get(name).and_then(|value| value.as_s().ok());
        let id: Option<BrandId> = text("id").and_then(|id| id.parse().ok());
        let at: Option<Timestamp> = text("synced_at").and_then(|at| at.parse().ok());
        if let (Some(acknowledged), Some(at)) = (id.and_then(|id| created.brands.get(&id)), at) {
            // It may be synced before its client has the answer.
            let took = at.as_millis().saturating_sub(*acknowledged);
            times.push(Duration::from_millis(took));
        }
    }
    times
}

fn millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or_default()
}
