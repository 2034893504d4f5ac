//! The verdict on made-up worlds: one that is as it must be, and ones that each lack something.

use std::collections::BTreeMap;

use brand::{Brand, BrandName, CloudEvent, SyncFailure, Timestamp};
use cms::{Acts, CmsBrand};
use dead_letters::FailureKind;
use serde_json::json;
use sync_brand::run_id;
use workflow::Run;

use super::{Verdict, judge, judge_redriven};
use crate::{
    client::Acknowledged,
    messages::Poison,
    snapshot::{Parked, Snapshot},
};

/// A brand that is synced, and one whose run was reverted; both are acknowledged. And a message that is no event.
struct World {
    found: Snapshot,
    synced: Brand,
    reverted: Brand,
}

impl World {
    fn new() -> Self {
        let now = Timestamp::from_millis(1);
        let brand = |name| Brand::new(BrandName::parse(name).unwrap(), now);
        let synced = Brand {
            synced_at: Some(now),
            ..brand("Synced")
        };
        let reverted = Brand {
            sync_failure: Some(SyncFailure::new("reverted", "the CMS refused", now)),
            ..brand("Reverted")
        };
        let mut world = Self {
            found: Snapshot::default(),
            synced,
            reverted,
        };
        let (synced, reverted) = (world.synced.clone(), world.reverted.clone());
        world.hold(&synced, 1);
        world.record(&synced, "done");
        world.record(&reverted, "reverted");
        world.park(
            serde_json::to_string(&CloudEvent::about(&reverted)).unwrap(),
            FailureKind::Reverted,
        );
        world.park("poison".to_owned(), FailureKind::Malformed);
        world.found.brands = [(synced.id, synced), (reverted.id, reverted)].into();
        world
    }

    fn hold(&mut self, brand: &Brand, creates: u64) {
        let (id, name) = (brand.id.to_string(), brand.name.to_string());
        let acts = Acts {
            name: name.clone(),
            creates,
            ..Acts::default()
        };
        self.found.cms.acts = BTreeMap::from([(id.clone(), acts)]);
        self.found.in_cms.push(CmsBrand { id, name });
    }

    fn record(&mut self, brand: &Brand, state: &str) {
        let error =
            json!({ "step": "s", "during": "invoke", "message": "m", "attempt": 1, "at": 1 });
        let run: Run = serde_json::from_value(json!({
            "id": run_id(brand.id), "workflow": "w", "version": 1, "state": state, "attempt": 1, "epoch": 1,
            "sequence": 1, "owner": "o", "input": "1", "errors": [error], "created_at": 1, "updated_at": 1,
        }))
        .unwrap();
        self.found.runs.insert(run.id.clone(), run);
    }

    fn park(&mut self, body: String, kind: FailureKind) {
        self.found.parked.push(Parked { body, kind });
    }

    fn acknowledged(&self) -> Vec<Acknowledged> {
        [&self.synced, &self.reverted]
            .map(|brand| Acknowledged {
                id: brand.id,
                may_be: vec![Some(brand.name.to_string())],
            })
            .to_vec()
    }

    fn judge(&self) -> Verdict {
        judge(&self.found, &self.acknowledged(), &poison())
    }
}

fn poison() -> Vec<Poison> {
    let body = "poison".to_owned();
    let kind = FailureKind::Malformed;
    vec![Poison { body, kind }]
}

#[test]
fn a_world_as_it_must_be_passes_and_is_counted() {
    let verdict = World::new().judge();
    assert_eq!(verdict.violations, [""; 0]);
    assert_eq!(
        (verdict.synced, verdict.reverted, verdict.failed),
        (1, 1, 0)
    );
    assert_eq!((verdict.lost, verdict.orphans), (0, 0));
}

/// Takes something from a world, and says how many brands are lost by that, and how many orphans there are.
type Spoil = (&'static str, fn(&mut World), (usize, usize));

#[test]
fn a_world_that_lacks_anything_does_not_pass() {
    let spoils: [Spoil; 11] = [
        (
            "no row",
            |w| {
                w.found.brands.remove(&w.reverted.id);
            },
            (1, 0),
        ),
        ("synced, not in the CMS", |w| w.found.in_cms.clear(), (1, 0)),
        (
            "in the CMS twice",
            |w| {
                let synced = w.synced.clone();
                w.found.in_cms.clear();
                w.hold(&synced, 2);
            },
            (1, 0),
        ),
        (
            "synced, and the run is not done",
            |w| {
                let synced = w.synced.clone();
                w.record(&synced, "invoking");
            },
            (1, 0),
        ),
        (
            "reverted, and in the CMS",
            |w| {
                let id = w.reverted.id.to_string();
                w.found.in_cms.push(CmsBrand {
                    id,
                    name: "Reverted".to_owned(),
                });
            },
            (1, 1),
        ),
        (
            "reverted, and not parked",
            |w| {
                w.found.parked.remove(0);
            },
            (1, 0),
        ),
        (
            "reverted, and no run",
            |w| {
                w.found.runs.remove(&run_id(w.reverted.id));
            },
            (1, 0),
        ),
        (
            "undecided",
            |w| {
                w.found.brands.get_mut(&w.reverted.id).unwrap().sync_failure = None;
            },
            (1, 0),
        ),
        (
            "a stranger in the CMS",
            |w| {
                let id = Brand::new(BrandName::parse("X").unwrap(), Timestamp::now())
                    .id
                    .to_string();
                w.found.in_cms.push(CmsBrand {
                    id,
                    name: "X".to_owned(),
                });
            },
            (0, 1),
        ),
        (
            "poison is gone",
            |w| {
                w.found.parked.remove(1);
            },
            (0, 0),
        ),
        (
            "a message waits",
            |w| w.found.pending.messages = [0, 1, 0],
            (0, 0),
        ),
    ];
    for (what, spoil, lost_and_orphans) in spoils {
        let mut world = World::new();
        spoil(&mut world);
        let verdict = world.judge();
        assert!(!verdict.violations.is_empty(), "{what}");
        assert_eq!((verdict.lost, verdict.orphans), lost_and_orphans, "{what}");
    }
}

#[test]
fn after_the_redrive_nothing_may_be_given_up_or_parked_but_what_is_no_event() {
    let world = World::new();
    let verdict = judge_redriven(&world.found, &world.acknowledged(), &poison());
    assert_eq!(verdict.violations.len(), 2, "{:?}", verdict.violations);
}

#[test]
fn a_change_that_did_not_reach_the_cms_or_was_forgotten_does_not_pass() {
    let renamed = || BrandName::parse("Renamed").unwrap();
    // Renamed, and the CMS has the old name.
    let mut world = World::new();
    world.synced.name = renamed();
    world
        .found
        .brands
        .insert(world.synced.id, world.synced.clone());
    let verdict = world.judge();
    assert_eq!((verdict.lost, verdict.orphans), (1, 1), "{verdict:?}");
    // Deleted, and the CMS still has it.
    let mut world = World::new();
    world.synced.deleted_at = Some(Timestamp::now());
    world
        .found
        .brands
        .insert(world.synced.id, world.synced.clone());
    let verdict = world.judge();
    assert_eq!((verdict.lost, verdict.orphans), (1, 1), "{verdict:?}");
    // Acknowledged as renamed, and it is not.
    let world = World::new();
    let mut acknowledged = world.acknowledged();
    for brand in &mut acknowledged {
        if brand.id == world.synced.id {
            brand.may_be = vec![Some("Renamed".to_owned())];
        }
    }
    let verdict = judge(&world.found, &acknowledged, &poison());
    assert_eq!((verdict.lost, verdict.orphans), (1, 0), "{verdict:?}");
}
