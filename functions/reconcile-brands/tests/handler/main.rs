//! The handler on brands, a CMS and a report in memory, with editors.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod guarding;
mod hints;
mod intake;
mod mending;
mod resuming;
mod sync;
mod world;

use brand::CMS_SUBSCRIBER;
use reconcile::{Class, Hint, Inbox, Policies};
use reconcile_brands::Answer;

use self::world::{World, count};

#[tokio::test(start_paused = true)]
async fn the_report_says_what_editors_have_done_to_a_thousand_brands_and_nothing_is_changed() {
    let world = World::new(Policies::default());
    let brands = world.synced_brands(1_000).await;
    for id in &brands[..50] {
        assert!(world.cms.edit(&id.to_string(), "Renamed"));
    }
    for id in &brands[50..100] {
        assert!(world.cms.remove(&id.to_string()));
    }
    for number in 0..50 {
        world.cms.add_entry(&format!("Made {number}"), None);
        world.orphan(number);
        world.rename_refused(brands[100 + number]).await;
        world.rename_refused(brands[150 + number]).await;
        assert!(world.cms.edit(&brands[150 + number].to_string(), "Both"));
        world.delete_and_leave_there(brands[200 + number]).await;
    }
    let before = (
        world.brands.all_rows(),
        world.cms.brands(),
        world.cms.unlinked(),
    );
    assert_eq!(world.reconcile().await, Answer::Done);
    let report = world.report().await;
    assert_eq!(report.brands, 950);
    assert_eq!(report.entries, 1_050);
    let expected = [
        (Class::Equal, 750),
        (Class::EditedThere, 50),
        (Class::DeletedThere, 50),
        (Class::MadeThere, 50),
        (Class::Orphan, 100),
        (Class::StaleThere, 50),
        (Class::EditedOnBothSides, 50),
    ];
    assert_eq!(report.counts, expected.into());
    assert_eq!((report.drift(), report.repairs()), (350, 0));
    assert!(report.ended_at.is_some() && report.stopped.is_none());
    assert_eq!(report.examples.len(), 30, "{:?}", report.examples);
    let after = (
        world.brands.all_rows(),
        world.cms.brands(),
        world.cms.unlinked(),
    );
    assert_eq!(before, after);
    // A page has a hundred brands or entries, and takes a second request where there are differences.
    assert!(
        report.requests <= 2 * (10 + 11 + 1) + 10,
        "{}",
        report.requests
    );
}

#[tokio::test(start_paused = true)]
async fn an_example_has_both_sides_and_what_they_agreed_on() {
    let world = World::new(Policies::default());
    let brands = world.synced_brands(3).await;
    world.cms.edit(&brands[0].to_string(), "Renamed");
    world.rename_refused(brands[1]).await;
    let own = world.cms.add_entry("Made", None);
    world.reconcile().await;
    let report = world.report().await;
    let example = |class| {
        report
            .examples
            .iter()
            .find(|one| one.class == class)
            .unwrap()
    };
    let edited = example(Class::EditedThere);
    assert_eq!(edited.id, Some(brands[0].to_string()));
    assert_eq!(edited.here.as_deref(), Some("Brand 0"));
    assert_eq!(edited.there.as_deref(), Some("Renamed"));
    assert_eq!(edited.agreed.as_deref(), Some("Brand 0"));
    let stale = example(Class::StaleThere);
    assert_eq!(stale.here.as_deref(), Some("Refused"));
    assert_eq!(stale.note.as_deref(), Some("refused: the CMS refused it"));
    let made = example(Class::MadeThere);
    assert_eq!((&made.id, made.entry.as_ref()), (&None, Some(&own)));
    assert_eq!(made.there.as_deref(), Some("Made"));
}

#[tokio::test(start_paused = true)]
async fn what_the_sync_is_at_is_left_alone() {
    let world = World::new(world::all_for_the_cms());
    let brands = world.synced_brands(4).await;
    world.rename(brands[0], "Renamed here").await;
    world.lease(brands[1]).await;
    world.doubt(brands[2]).await;
    for id in &brands[..3] {
        world.cms.edit(&id.to_string(), "Renamed there");
    }
    let before = world.brands.all_rows();
    world.reconcile().await;
    let report = world.report().await;
    assert_eq!(
        report.counts,
        [(Class::Equal, 1), (Class::InFlight, 3)].into()
    );
    assert_eq!(world.brands.all_rows(), before);
}

#[tokio::test(start_paused = true)]
async fn what_two_reconciliations_in_a_row_have_found_lasts() {
    let world = World::new(Policies::default());
    let brands = world.synced_brands(5).await;
    world.cms.edit(&brands[0].to_string(), "One");
    world.cms.edit(&brands[1].to_string(), "Two");
    world.reconcile().await;
    assert_eq!(world.report().await.lasting, 0);
    world.cms.edit(&brands[1].to_string(), "Brand 1");
    world.cms.edit(&brands[2].to_string(), "Three");
    world.reconcile().await;
    let report = world.report().await;
    assert_eq!((report.lasting, report.drift()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn one_that_was_asked_for_begins_and_is_begun_once() {
    let world = World::new(Policies::default());
    world.synced_brands(2).await;
    assert_eq!(world.tick().await, Answer::Idle);
    world.ask("user_1", true).await;
    let hint = Hint::entries();
    assert!(world.kept.hint(CMS_SUBSCRIBER, &hint).await.unwrap());
    assert_eq!(world.tick().await, Answer::Done);
    let report = world.report().await;
    assert_eq!(
        (&*report.request.by, report.request.dry_run),
        ("user_1", true)
    );
    assert_eq!(count(&report, Class::Equal), 2);
    // It has changed nothing, so what was hinted at is still to be looked at.
    assert_eq!(world.tick().await, Answer::Looked);
    assert_eq!(world.tick().await, Answer::Idle);
    assert!(world.kept.hint(CMS_SUBSCRIBER, &hint).await.unwrap());
    assert_eq!(world.reconcile().await, Answer::Done);
    let by_schedule = world.report().await;
    assert_eq!(by_schedule.request.by, "schedule");
    assert_eq!(
        world.tick().await,
        Answer::Idle,
        "it has looked at everything"
    );
    assert_ne!(by_schedule.id, report.id);
}

#[tokio::test(start_paused = true)]
async fn that_of_the_schedule_comes_after_one_that_only_looks() {
    for is_under_way in [false, true] {
        let world = World::new(Policies::default());
        world.synced_brands(900).await;
        world.ask("user_1", true).await;
        if is_under_way {
            world.reads_take(std::time::Duration::from_millis(4_900));
            assert_eq!(world.tick().await, Answer::UnderWay);
        }
        world.begin().await;
        let mut requests = std::collections::BTreeSet::new();
        while world.tick().await != Answer::Idle {
            requests.insert(world.report().await.request.by);
        }
        requests.insert(world.report().await.request.by);
        assert!(requests.contains("schedule"), "{requests:?}");
    }
}
