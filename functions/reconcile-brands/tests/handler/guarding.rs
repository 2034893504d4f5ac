//! What it never does.

use cms::{Faults, StubCms};
use reconcile::{Class, Policies};
use reconcile_brands::Answer;

use crate::world::{World, all_for_the_cms, all_for_us, count};

#[tokio::test(start_paused = true)]
async fn it_stops_where_the_cms_holds_none_of_the_brands_that_are_synced() {
    for policies in [Policies::default(), all_for_the_cms(), all_for_us()] {
        let world = World::new(policies);
        world.synced_brands(3).await;
        let elsewhere = World::on(StubCms::new(None, Faults::default()), policies, None);
        for row in world.brands.all_rows() {
            elsewhere.brands.put(row);
        }
        let before = elsewhere.brands.all_rows();
        assert_eq!(elsewhere.reconcile().await, Answer::Stopped);
        let report = elsewhere.report().await;
        let reason = report.stopped.as_deref().unwrap();
        assert!(reason.contains("is it the right one?"), "{reason}");
        assert_eq!(count(&report, Class::DeletedThere), 3);
        assert_eq!(elsewhere.brands.all_rows(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn it_stops_where_more_than_ten_and_more_than_a_tenth_would_be_overwritten_or_deleted() {
    for (brands, edited, expected) in [
        (20, 10, Answer::Done),
        (20, 11, Answer::Stopped),
        (200, 20, Answer::Done),
        (200, 21, Answer::Stopped),
    ] {
        for policies in [all_for_the_cms(), all_for_us()] {
            let world = World::new(policies);
            let ids = world.synced_brands(brands).await;
            for id in &ids[..edited] {
                world.cms.edit(&id.to_string(), "Edited");
            }
            let before = world.brands.all_rows();
            assert_eq!(world.reconcile().await, expected, "{edited} of {brands}");
            let is_changed = world.brands.all_rows() != before;
            assert_eq!(is_changed, expected == Answer::Done);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_created_anew_is_not_bounded() {
    let world = World::new(all_for_us());
    let ids = world.synced_brands(30).await;
    for id in &ids[1..] {
        world.cms.remove(&id.to_string());
    }
    for number in 0..30 {
        world.cms.add_entry(&format!("Made {number}"), None);
    }
    assert_eq!(world.reconcile().await, Answer::Done);
    assert_eq!(world.report().await.repairs(), 59);
    world.sync().await;
    assert_eq!(world.cms.brands().len(), 60);
}

#[tokio::test(start_paused = true)]
async fn without_brands_an_empty_cms_is_as_it_should_be() {
    let world = World::new(all_for_the_cms());
    assert_eq!(world.reconcile().await, Answer::Done);
    let report = world.report().await;
    assert_eq!((report.brands, report.entries, report.drift()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_entry_with_an_id_that_is_none_of_ours_is_left_alone() {
    let world = World::new(all_for_the_cms());
    world.synced_brands(1).await;
    let upper = brand::BrandId::new(world.now()).to_string().to_uppercase();
    for id in ["acme", &upper] {
        world.cms.add_entry("Odd", Some(id));
    }
    let before = world.cms.brands();
    world.reconcile().await;
    world.sync().await;
    let report = world.report().await;
    assert_eq!(
        (count(&report, Class::MadeThere), report.not_repaired),
        (2, 2)
    );
    assert_eq!(world.cms.brands(), before);
    assert_eq!(world.brands.all_rows().len(), 1);
    let ids: Vec<_> = report
        .examples
        .iter()
        .map(|one| one.id.clone().unwrap())
        .collect();
    assert_eq!(ids, [upper.as_str(), "acme"]);
}

/// The CMS is another one once it has been looked at.
#[tokio::test(start_paused = true)]
async fn what_differs_only_when_it_mends_is_bounded_too() {
    for policies in [all_for_the_cms(), all_for_us()] {
        for (left, expected) in [(0, "holds none"), (1, "than the first look had found")] {
            let world = World::new(policies);
            let ids = world.synced_brands(60).await;
            world.cms.edit(&ids[0].to_string(), "Edited");
            let cms = world.cms.clone();
            // The reads are: the brands twice, the entries, the others; then it mends.
            world.on_read(move |number| {
                if number == 4 {
                    for id in ids.iter().skip(left) {
                        let id = id.to_string();
                        if left == 0 {
                            cms.remove(&id);
                        } else {
                            cms.edit(&id, "All alike");
                        }
                    }
                }
            });
            assert_eq!(world.reconcile().await, Answer::Stopped);
            let report = world.report().await;
            let reason = report.stopped.unwrap();
            assert!(reason.contains(expected), "{reason}");
            assert!(report.destroyed <= 10, "{}", report.destroyed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_an_entry_may_be_unpublished_no_brand_is_deleted() {
    let world = World::new(all_for_the_cms()).where_absent_may_be_unpublished();
    let ids = world.synced_brands(3).await;
    world.cms.remove(&ids[0].to_string());
    assert_eq!(world.reconcile().await, Answer::Done);
    assert!(world.row(ids[0]).brand.deleted_at.is_none());
    assert_eq!(world.report().await.drift(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_taken_back_stops_what_is_under_way() {
    let world = World::new(all_for_the_cms());
    let ids = world.synced_brands(300).await;
    for id in &ids[..5] {
        world.cms.edit(&id.to_string(), "Edited");
    }
    // It has looked at everything when the first invocation ends.
    world.reads_take(std::time::Duration::from_millis(4_300));
    assert_eq!(world.begin().await, Answer::UnderWay);
    let world = world.with_policies(Policies::default());
    assert_eq!(world.reconcile().await, Answer::Done);
    assert_eq!(world.report().await.repairs(), 0);
}
