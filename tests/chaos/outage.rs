//! An ordinary outage: the CMS answers 503 to everything for a while, and brands are created meanwhile. It costs nothing but
//! time: when the CMS is back they arrive by themselves, and meanwhile it is hardly called.

use std::time::{Duration, Instant};

use brand::{BrandId, CMS_SUBSCRIBER};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    snapshot::{BoxError, Look},
    trial::settle,
};

/// How long the CMS is away.
const AWAY: Duration = Duration::from_secs(30);
const BRANDS: usize = 20;
/// How many calls it may get meanwhile.
const MOST_CALLS: u64 = 40;
/// How soon all brands have to have arrived once it is back: a probe, and the sweep after it.
const PATIENCE: Duration = Duration::from_mins(1);

/// What came of an outage.
pub(crate) struct Outage {
    /// How many calls the CMS got while it was away.
    pub(crate) calls: u64,
    /// How long it took until all brands had arrived.
    pub(crate) arrived_after: Duration,
    /// What is not as it must be.
    pub(crate) violations: Vec<String>,
}

/// Has the CMS fail for a while.
pub(crate) async fn run(look: &Look<'_>) -> Result<Outage, BoxError> {
    let before = look.calls().await?;
    let away = ["create", "update", "delete", "retrieve"]
        .map(|operation| json!({ "operation": operation, "kind": "transient", "when": "before" }));
    look.set_faults(json!(away)).await?;
    let begun = Instant::now();
    let mut brands = Vec::new();
    for number in 0..BRANDS {
        let id = look.stack.create_brand(&format!("Outage {number}")).await;
        brands.push(id);
    }
    sleep(AWAY.saturating_sub(begun.elapsed())).await;
    let calls = look.calls().await? - before;
    look.set_faults(json!([])).await?;
    let back = Instant::now();
    let mut violations = Vec::new();
    if !settle(look, PATIENCE).await {
        violations.push(format!("not settled within {} s", PATIENCE.as_secs()));
    }
    let arrived_after = back.elapsed();
    if calls > MOST_CALLS {
        violations.push(format!("the CMS got {calls} calls, more than {MOST_CALLS}"));
    }
    if calls == 0 {
        violations.push("the CMS got no call: there was no outage".to_owned());
    }
    for id in brands {
        violations.extend(problem(look, id).await);
    }
    let violations = violations.into_iter();
    Ok(Outage {
        calls,
        arrived_after,
        violations: violations.map(|told| format!("outage: {told}")).collect(),
    })
}

async fn problem(look: &Look<'_>, id: BrandId) -> Option<String> {
    let row = look.stack.row(id).await;
    let state = row.map(|row| row.subscriber(CMS_SUBSCRIBER));
    let is_synced = state.as_ref().is_some_and(|state| state.reached == 1);
    let is_there = look.stack.in_cms(id).await.is_some();
    (!is_synced || !is_there).then(|| format!("{id} has not arrived: {state:?}"))
}

impl Look<'_> {
    /// How many calls the CMS has got.
    async fn calls(&self) -> Result<u64, BoxError> {
        let calls = self.stats().await?.calls;
        Ok(calls.creates + calls.updates + calls.deletes + calls.retrieves)
    }

    /// Tells the stub CMS how to fail, in place of what it was told before.
    async fn set_faults(&self, rules: serde_json::Value) -> Result<(), BoxError> {
        let request = self.stack.faults(Method::PUT, &rules);
        request.send().await?.error_for_status()?;
        Ok(())
    }
}
