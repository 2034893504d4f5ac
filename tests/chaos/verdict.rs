//! Whether everything stands as it must.

use std::collections::{BTreeMap, BTreeSet};

use brand::{Brand, BrandRow, CMS_SUBSCRIBER, MarkKind, SubscriberState};
use cms::CmsBrand;
use dead_letters::FailureKind;

use crate::{client::Acknowledged, messages::Poison, snapshot::Snapshot};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Brands that are in the CMS, once and as they are here, and known to be; and deleted ones that are not.
    pub(crate) synced: usize,
    /// Brands that are marked, with a cause: the CMS refused them, and perhaps to undo it as well.
    pub(crate) refused: usize,
    pub(crate) failed: usize,
    /// Brands that were acknowledged and are neither, or are not what was acknowledged.
    pub(crate) lost: usize,
    /// Brands that are in the CMS, and not known to be, or not so.
    pub(crate) orphans: usize,
    /// Those of them whose mark says that they may be.
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
    Refused,
    Failed,
}

/// Judges what is there once everything has settled by itself.
pub(crate) fn judge(found: &Snapshot, acknowledged: &[Acknowledged], poison: &[Poison]) -> Verdict {
    let mut verdict = Verdict::default();
    if !found.pending.is_nothing() {
        let pending = &found.pending;
        verdict.violations.push(format!("not settled: {pending}"));
    }
    let mut ended = BTreeSet::new();
    for row in found.rows.values() {
        match end_of(row, found) {
            Ok(end) => {
                ended.insert(row.brand.id);
                match end {
                    End::Synced => verdict.synced += 1,
                    End::Refused => verdict.refused += 1,
                    End::Failed => verdict.failed += 1,
                }
            }
            Err(why) => verdict
                .violations
                .push(format!("{why}: {}", story(row, found))),
        }
    }
    for Acknowledged { id, may_be } in acknowledged {
        let row = found.rows.get(id);
        let is_so = row.is_some_and(|row| may_be.contains(&wanted(&row.brand)));
        if !is_so {
            let is = row.map(|row| wanted(&row.brand));
            let violation = format!("{id} was acknowledged as {may_be:?}, and is {is:?}");
            verdict.violations.push(violation);
        }
        if !is_so || !ended.contains(id) {
            verdict.lost += 1;
        }
    }
    judge_cms(found, &mut verdict);
    judge_parked(found, poison, &mut verdict);
    verdict
}

/// Judges what is there once the marked brands were taken up, and nothing fails any more.
pub(crate) fn judge_taken_up(
    found: &Snapshot,
    acknowledged: &[Acknowledged],
    poison: &[Poison],
) -> Verdict {
    let mut verdict = judge(found, acknowledged, poison);
    for row in found.rows.values() {
        if matches!(end_of(row, found), Ok(End::Refused | End::Failed)) {
            let story = story(row, found);
            verdict
                .violations
                .push(format!("not synced even so: {story}"));
        }
    }
    verdict
}

/// How the brand's sync ended; or what is wrong with it.
fn end_of(row: &BrandRow, found: &Snapshot) -> Result<End, &'static str> {
    let (brand, state) = (&row.brand, row.subscriber(CMS_SUBSCRIBER));
    let in_cms = in_cms(brand, found);
    let Some(mark) = state.mark_of(brand.version) else {
        return if state.reached != brand.version {
            Err("neither synced nor marked")
        } else if in_cms != wanted(brand) || held_name(&state) != wanted(brand) {
            Err("synced, and the CMS holds something else")
        } else if net_creates(brand, found) != Some(u64::from(in_cms.is_some())) {
            Err("synced, and not in the CMS exactly once, or deleted and not exactly gone")
        } else {
            Ok(End::Synced)
        };
    };
    if state.reached == brand.version {
        return Err("synced and marked at once");
    }
    if mark.cause.is_empty() {
        return Err("marked, and the mark does not say why");
    }
    match mark.kind {
        MarkKind::Refused if in_cms != held_name(&state) => {
            Err("refused, and the CMS holds something else than before")
        }
        MarkKind::Refused => Ok(End::Refused),
        MarkKind::Failed => Ok(End::Failed),
        MarkKind::Paused => Err("paused, long before its time is over"),
        MarkKind::Cancelled => Err("cancelled, and nobody asked for it"),
    }
}

/// The name that the row says the CMS holds.
fn held_name(state: &SubscriberState) -> Option<String> {
    state.holds.as_ref().map(|held| held.name.clone())
}

/// What the CMS holds has to be known.
fn judge_cms(found: &Snapshot, verdict: &mut Verdict) {
    for held in &found.in_cms {
        let row = held.id.parse().ok().and_then(|id| found.rows.get(&id));
        let state = row.map(|row| row.subscriber(CMS_SUBSCRIBER));
        if state.is_some_and(|state| held_name(&state).as_ref() == Some(&held.name)) {
            continue;
        }
        if row.is_some_and(|row| end_of(row, found) == Ok(End::Failed)) {
            verdict.leftovers += 1;
            continue;
        }
        verdict.orphans += 1;
        let story = row.map_or_else(|| "it has no row".to_owned(), |row| story(row, found));
        let CmsBrand { id, name } = held;
        verdict
            .violations
            .push(format!("an orphan in the CMS: {id} {name}: {story}"));
    }
}

/// All poison is parked, and nothing else, but for what the queue itself parks after its consumer has died of it, or beside
/// it, too often.
fn judge_parked(found: &Snapshot, poison: &[Poison], verdict: &mut Verdict) {
    for parked in &found.parked {
        *verdict.parked.entry(parked.kind).or_default() += 1;
        let is_it = |poison: &Poison| parked.body == poison.body && parked.kind == poison.kind;
        if parked.kind != FailureKind::Undelivered && !poison.iter().any(is_it) {
            let (kind, body) = (parked.kind, &parked.body);
            verdict.violations.push(format!("parked as {kind}: {body}"));
        }
    }
    for Poison { body, kind } in poison {
        if !found.parked.iter().any(|parked| parked.body == *body) {
            let beginning: String = body.chars().take(60).collect();
            verdict
                .violations
                .push(format!("not parked as {kind}: {beginning}"));
        }
    }
}

/// The name under which the CMS holds the brand, if it does.
fn in_cms(brand: &Brand, found: &Snapshot) -> Option<String> {
    let id = brand.id.to_string();
    let held = found.in_cms.iter().find(|held| held.id == id);
    held.map(|held| held.name.clone())
}

/// The name under which it has to hold it, if it does.
fn wanted(brand: &Brand) -> Option<String> {
    brand.deleted_at.is_none().then(|| brand.name.to_string())
}

/// How often a create of the brand has acted, less how often a delete has.
fn net_creates(brand: &Brand, found: &Snapshot) -> Option<u64> {
    let acts = found.cms.acts.get(&brand.id.to_string());
    acts.map_or(Some(0), |acts| acts.creates.checked_sub(acts.deletes))
}

/// All that is known of a brand.
fn story(row: &BrandRow, found: &Snapshot) -> String {
    let in_cms = in_cms(&row.brand, found);
    let acts = found.cms.acts.get(&row.brand.id.to_string());
    format!("{row:?}; CMS {in_cms:?} after {acts:?}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests;
