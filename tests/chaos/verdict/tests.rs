//! The verdict on made-up worlds: one that is as it must be, and ones that each lack something.

use brand::{
    Brand, BrandName, BrandRow, CMS_SUBSCRIBER, Held, Mark, MarkKind, SubscriberState, Timestamp,
};
use cms::{Acts, CmsBrand};
use dead_letters::FailureKind;

use super::{Verdict, judge, judge_taken_up};
use crate::{
    client::Acknowledged,
    messages::Poison,
    snapshot::{Parked, Snapshot},
};

/// A brand that is synced, and one that is refused; both are acknowledged. And a message that is no event.
struct World {
    found: Snapshot,
    synced: Brand,
    refused: Brand,
}

impl World {
    fn new() -> Self {
        let now = Timestamp::from_millis(1);
        let brand = |name| Brand::new(BrandName::parse(name).unwrap(), now);
        let mut world = Self {
            found: Snapshot::default(),
            synced: brand("Synced"),
            refused: brand("Refused"),
        };
        let (synced, refused) = (world.synced.clone(), world.refused.clone());
        world.hold(&synced, 1);
        world.keep(
            synced,
            SubscriberState {
                reached: 1,
                holds: Some(Held::named("Synced")),
                ..SubscriberState::default()
            },
        );
        let mark = Mark::new(MarkKind::Refused, "no".to_owned(), now, 1);
        world.keep(
            refused,
            SubscriberState {
                mark: Some(mark),
                ..SubscriberState::default()
            },
        );
        let Poison { body, kind } = poison();
        world.found.parked.push(Parked { body, kind });
        world
    }

    fn keep(&mut self, brand: Brand, state: SubscriberState) {
        let id = brand.id;
        let mut row = BrandRow::from(brand);
        row.subscribers.insert(CMS_SUBSCRIBER.to_owned(), state);
        self.found.rows.insert(id, row);
    }

    fn hold(&mut self, brand: &Brand, creates: u64) {
        let (id, name) = (brand.id.to_string(), brand.name.to_string());
        let acts = Acts {
            name: name.clone(),
            creates,
            ..Acts::default()
        };
        self.found.cms.acts.insert(id.clone(), acts);
        self.found.in_cms.push(CmsBrand { id, name });
    }

    fn row(&mut self, brand: fn(&Self) -> &Brand) -> &mut BrandRow {
        let id = brand(self).id;
        self.found.rows.get_mut(&id).unwrap()
    }

    fn state(&mut self, brand: fn(&Self) -> &Brand) -> &mut SubscriberState {
        let row = self.row(brand);
        row.subscribers.get_mut(CMS_SUBSCRIBER).unwrap()
    }

    fn acknowledged(&self) -> Vec<Acknowledged> {
        [&self.synced, &self.refused]
            .map(|brand| Acknowledged {
                id: brand.id,
                may_be: vec![Some(brand.name.to_string())],
            })
            .to_vec()
    }

    fn judge(&self) -> Verdict {
        judge(&self.found, &self.acknowledged(), &[poison()])
    }
}

fn poison() -> Poison {
    Poison {
        body: "poison".to_owned(),
        kind: FailureKind::Malformed,
    }
}

#[test]
fn a_world_as_it_must_be_passes_and_is_counted() {
    let verdict = World::new().judge();
    assert_eq!(verdict.violations, [""; 0]);
    assert_eq!((verdict.synced, verdict.refused, verdict.failed), (1, 1, 0));
    assert_eq!((verdict.lost, verdict.orphans), (0, 0));
}

/// Takes something from a world, and says how many brands are lost by that, and how many orphans there are.
type Spoil = (&'static str, fn(&mut World), (usize, usize));

#[test]
fn a_world_that_lacks_anything_does_not_pass() {
    let spoils: [Spoil; 13] = [
        (
            "no row",
            |w| drop(w.found.rows.remove(&w.refused.id)),
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
            "refused, and in the CMS",
            |w| {
                let refused = w.refused.clone();
                w.hold(&refused, 1);
            },
            (1, 1),
        ),
        (
            "marked without a cause",
            |w| w.state(|w| &w.refused).mark.as_mut().unwrap().cause.clear(),
            (1, 0),
        ),
        (
            "neither synced nor marked",
            |w| w.state(|w| &w.refused).mark = None,
            (1, 0),
        ),
        (
            "the mark is about another version",
            |w| w.row(|w| &w.refused).brand.version = 2,
            (1, 0),
        ),
        (
            "renamed, and the CMS has the old name",
            |w| w.row(|w| &w.synced).brand.name = BrandName::parse("Renamed").unwrap(),
            (1, 0),
        ),
        (
            "deleted, and the CMS still has it",
            |w| w.row(|w| &w.synced).brand.deleted_at = Some(Timestamp::now()),
            (1, 0),
        ),
        (
            "a stranger in the CMS",
            |w| {
                let stranger = Brand::new(BrandName::parse("X").unwrap(), Timestamp::now());
                w.hold(&stranger, 1);
            },
            (0, 1),
        ),
        ("poison is gone", |w| w.found.parked.clear(), (0, 0)),
        (
            "an event is parked",
            |w| w.found.parked.first_mut().unwrap().kind = FailureKind::UnknownBrand,
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
fn once_marked_brands_are_taken_up_none_may_be_marked() {
    let world = World::new();
    let verdict = judge_taken_up(&world.found, &world.acknowledged(), &[poison()]);
    assert_eq!(verdict.violations.len(), 1, "{:?}", verdict.violations);
}
