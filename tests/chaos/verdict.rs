//! Whether everything stands as it must.

use std::collections::{BTreeMap, BTreeSet};

use brand::{Brand, BrandName, CloudEvent};
use cms::CmsBrand;
use dead_letters::FailureKind;
use sync_brand::{Event, run_id};
use workflow::{Run, RunState};

use crate::{client::Acknowledged, messages::Poison, snapshot::Snapshot};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Brands that are in the CMS, once and as they are here, and known to be; and deleted ones that are not.
    pub(crate) synced: usize,
    /// Brands whose run was reverted, or failed, with a cause, and whose event is parked.
    pub(crate) reverted: usize,
    pub(crate) failed: usize,
    /// Brands that were acknowledged and are neither, or are not what was acknowledged.
    pub(crate) lost: usize,
    /// Brands that are in the CMS, and not known to be, or not so.
    pub(crate) orphans: usize,
    /// Those of them whose failed run says so.
    pub(crate) leftovers: usize,
    /// Parked messages, by what they are parked for.
    pub(crate) parked: BTreeMap<FailureKind, usize>,
    /// What must not be, one each.
    pub(crate) violations: Vec<String>,
}

/// What became of one brand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Synced,
    Reverted,
    Failed,
}

/// Judges what is there after the faults, and before anybody has looked after the parked events.
pub(crate) fn judge(found: &Snapshot, acknowledged: &[Acknowledged], poison: &[Poison]) -> Verdict {
    let mut verdict = Verdict::default();
    if !found.pending.is_nothing() {
        let pending = &found.pending;
        verdict.violations.push(format!("not settled: {pending}"));
        let runs = pending.runs.iter();
        verdict
            .violations
            .extend(runs.map(|(run, state)| format!("run {run} is left {state}")));
    }
    for parked in &found.parked {
        *verdict.parked.entry(parked.kind).or_default() += 1;
    }
    let mut ended = BTreeSet::new();
    for brand in found.brands.values() {
        match end_of(brand, found) {
            Ok(end) => {
                ended.insert(brand.id);
                match end {
                    End::Synced => verdict.synced += 1,
                    End::Reverted => verdict.reverted += 1,
                    End::Failed => verdict.failed += 1,
                }
            }
            Err(why) => verdict
                .violations
                .push(format!("{why}: {}", told(brand, found))),
        }
    }
    for Acknowledged { id, may_be } in acknowledged {
        let brand = found.brands.get(id);
        let is_so = brand.is_some_and(|brand| may_be.contains(&wanted(brand)));
        if !is_so {
            let is = brand.map(wanted);
            let violation = format!("{id} was acknowledged as {may_be:?}, and is {is:?}");
            verdict.violations.push(violation);
        }
        if !is_so || !ended.contains(id) {
            verdict.lost += 1;
        }
    }
    judge_cms(found, &mut verdict);
    for Poison { body, kind } in poison {
        // The queue itself parks what its consumer has died of, or beside, too often.
        let is_it = |kinds: &[FailureKind]| {
            let is_it = |parked: &&_| is_parked(parked, body, kinds);
            found.parked.iter().find(is_it).is_some()
        };
        if !is_it(&[*kind, FailureKind::Undelivered]) {
            let beginning: String = body.chars().take(60).collect();
            verdict
                .violations
                .push(format!("not parked as {kind}: {beginning}"));
        }
    }
    verdict
}

/// Judges what is there once the parked events were sent on their way again, and nothing fails any more.
pub(crate) fn judge_redriven(
    found: &Snapshot,
    acknowledged: &[Acknowledged],
    poison: &[Poison],
) -> Verdict {
    let mut verdict = judge(found, acknowledged, poison);
    for brand in found.brands.values() {
        if matches!(end_of(brand, found), Ok(End::Reverted | End::Failed)) {
            let told = told(brand, found);
            verdict
                .violations
                .push(format!("not synced even so: {told}"));
        }
    }
    for parked in &found.parked {
        let is_it = |poison: &Poison| is_parked(parked, &poison.body, &[poison.kind]);
        if !poison.iter().any(is_it) {
            let (kind, body) = (parked.kind, &parked.body);
            verdict
                .violations
                .push(format!("parked even so, as {kind}: {body}"));
        }
    }
    verdict
}

fn is_parked(parked: &crate::snapshot::Parked, body: &str, kinds: &[FailureKind]) -> bool {
    parked.body == body && kinds.contains(&parked.kind)
}

/// How the brand's sync ended; or what is wrong with it.
fn end_of(brand: &Brand, found: &Snapshot) -> Result<End, &'static str> {
    let run = run_of(brand, found);
    let state = run.map(|run| run.state);
    let in_cms = in_cms(brand, found);
    if brand.synced_at.is_some() {
        return if brand.sync_failure.is_some() {
            Err("synced and given up at once")
        } else if in_cms != wanted(brand) {
            Err("synced, and the CMS holds something else")
        } else if net_creates(brand, found) != Some(u64::from(in_cms.is_some())) {
            Err("synced, and not in the CMS exactly once, or deleted and not exactly gone")
        } else if state != Some(RunState::Done) {
            Err("synced, and its run is not done")
        } else {
            Ok(End::Synced)
        };
    }
    if brand.sync_failure.is_none() {
        return Err("neither synced nor given up");
    }
    if !is_event_parked(brand, found) {
        return Err("given up, and its event is not parked");
    }
    if run.is_none_or(|run| run.cause().is_none()) {
        return Err("given up, and its run does not say why");
    }
    match state {
        Some(RunState::Reverted) if in_cms != was_in_cms(brand) => {
            Err("reverted, and the CMS holds something else than before")
        }
        Some(RunState::Reverted) => Ok(End::Reverted),
        Some(RunState::Failed) => Ok(End::Failed),
        _ => Err("given up, and its run is neither reverted nor failed"),
    }
}

/// What the CMS holds has to be known.
fn judge_cms(found: &Snapshot, verdict: &mut Verdict) {
    for held in &found.in_cms {
        let id = held.id.parse().ok();
        let brand = id.and_then(|id| found.brands.get(&id));
        let known = brand.and_then(|brand| match brand.synced_at {
            Some(_) => wanted(brand),
            None => was_in_cms(brand),
        });
        if known.as_ref() == Some(&held.name) {
            continue;
        }
        let run = brand.and_then(|brand| run_of(brand, found));
        if run.is_some_and(|run| run.state == RunState::Failed && run.leftovers().next().is_some())
        {
            verdict.leftovers += 1;
            continue;
        }
        verdict.orphans += 1;
        let told = brand.map_or_else(|| "it has no row".to_owned(), |brand| told(brand, found));
        let CmsBrand { id, name } = held;
        verdict
            .violations
            .push(format!("an orphan in the CMS: {id} {name}: {told}"));
    }
}

fn run_of<'a>(brand: &Brand, found: &'a Snapshot) -> Option<&'a Run> {
    found.runs.get(&run_id(brand.id))
}

/// The name under which the CMS holds the brand, if it does.
fn in_cms(brand: &Brand, found: &Snapshot) -> Option<String> {
    let id = brand.id.to_string();
    let held = found.in_cms.iter().find(|held| held.id == id);
    held.map(|held| held.name.clone())
}

/// The name under which it is to hold it, and under which it held it when it was synced last.
fn wanted(brand: &Brand) -> Option<String> {
    brand.wanted_in_cms().map(BrandName::to_string)
}

fn was_in_cms(brand: &Brand) -> Option<String> {
    brand.in_cms.as_ref().map(BrandName::to_string)
}

/// How often a create of the brand has acted, less how often a delete has.
fn net_creates(brand: &Brand, found: &Snapshot) -> Option<u64> {
    let acts = found.cms.acts.get(&brand.id.to_string());
    acts.map_or(Some(0), |acts| acts.creates.checked_sub(acts.deletes))
}

/// Whether the event of the brand's version is.
fn is_event_parked(brand: &Brand, found: &Snapshot) -> bool {
    let id = CloudEvent::about(brand).id;
    found
        .parked
        .iter()
        .any(|parked| serde_json::from_str::<Event>(&parked.body).is_ok_and(|event| event.id == id))
}

/// All that is known of a brand.
fn told(brand: &Brand, found: &Snapshot) -> String {
    let id = brand.id.to_string();
    let kinds: Vec<_> = found
        .parked
        .iter()
        .filter(|parked| parked.body.contains(&id))
        .map(|parked| parked.kind.as_str())
        .collect();
    let run = run_of(brand, found).map_or_else(
        || "no run".to_owned(),
        |run| {
            let errors: Vec<_> = run.errors.iter().map(ToString::to_string).collect();
            let steps: Vec<_> = run
                .steps
                .iter()
                .map(|step| format!("{} {:?}", step.name, step.state))
                .collect();
            format!(
                "run {} (attempt {}, epoch {}, steps {steps:?}, lease until {:?}, errors {errors:?})",
                run.state, run.attempt, run.epoch, run.lease_until
            )
        },
    );
    format!(
        "{id} {}: version {}, deleted {}, before {:?}, synced at {:?}, failure {:?}; {run}; CMS {:?} after {:?}; parked {kinds:?}",
        brand.name,
        brand.version,
        brand.deleted_at.is_some(),
        was_in_cms(brand),
        brand.synced_at.map(|at| at.to_string()),
        brand.sync_failure.as_ref().map(|failure| &failure.kind),
        in_cms(brand, found),
        found.cms.acts.get(&id),
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests;
