//! It goes on where it was.

use std::{sync::Arc, time::Duration};

use brand::CMS_SUBSCRIBER;
use reconcile::{Class, Policies, ReconciliationStore};
use reconcile_brands::Answer;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{World, all_for_the_cms, count};

async fn with_drift(world: &World, brands: usize) {
    for id in &world.synced_brands(brands).await[..5] {
        world.cms.edit(&id.to_string(), "Edited");
    }
    for number in 0..brands {
        world.cms.add_entry(&format!("Made {number}"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_it_stops_and_the_next_invocation_goes_on() {
    let world = World::new(Policies::default());
    with_drift(&world, 1_000).await;
    world.reads_take(Duration::from_secs(3));
    assert_eq!(world.begin().await, Answer::UnderWay);
    let first = world.report().await;
    assert!(first.brands > 0 && first.brands < 1_000, "{}", first.brands);
    let reads = world.reads();
    assert_eq!(world.tick().await, Answer::UnderWay);
    assert!(world.report().await.brands + world.report().await.entries > first.brands);
    assert!(world.reads() > reads);
    assert_eq!(world.reconcile().await, Answer::Done);
    let report = world.report().await;
    assert_eq!((report.brands, report.entries), (1_000, 2_000));
    assert_eq!(count(&report, Class::EditedThere), 5);
    // Nothing was looked at twice: one read of the brands, the entries and the others for each hundred, and one more for the edits.
    assert_eq!(report.requests, world.reads());
    assert!(world.reads() <= 30 + 5, "{}", world.reads());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_leaves_its_place_and_the_counts_are_exact() {
    for policies in [Policies::default(), all_for_the_cms()] {
        let world = World::new(policies);
        with_drift(&world, 500).await;
        world.reads_take(Duration::from_secs(2));
        let mut invocations = 0;
        let report = loop {
            invocations += 1;
            assert!(invocations < 200, "it does not end");
            // Each process dies somewhere else.
            let lives = Duration::from_millis(1_700 * (invocations % 13 + 1));
            let answer = timeout(lives, world.begin_or_tick(invocations == 1)).await;
            match answer {
                Ok(Answer::Done) => break world.report().await,
                Ok(Answer::Busy | Answer::UnderWay) => {}
                Ok(other) => panic!("{other:?}"),
                // The process died: no other one goes on for two minutes.
                Err(_) => {
                    let kept = world.kept.load(CMS_SUBSCRIBER).await.unwrap();
                    if kept.lease.is_some() {
                        assert_eq!(world.tick().await, Answer::Busy);
                    }
                }
            }
            sleep(Duration::from_mins(3)).await;
        };
        assert_eq!((report.brands, report.entries), (500, 1_000));
        assert_eq!(count(&report, Class::EditedThere), 5);
        assert_eq!(count(&report, Class::MadeThere), 500);
        if policies != Policies::default() {
            assert_eq!(world.brands.all_rows().len(), 1_000);
            world.sync().await;
            assert_eq!(world.cms.unlinked(), []);
            assert_eq!(world.cms.brands().len(), 1_000);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_invocations_at_once_do_not_both_work() {
    let world = Arc::new(World::new(Policies::default()));
    with_drift(&world, 200).await;
    world.reads_take(Duration::from_secs(1));
    let (one, other) = tokio::join!(world.begin(), world.begin());
    let answers = [one, other];
    assert!(answers.contains(&Answer::Busy), "{answers:?}");
    assert!(answers.contains(&Answer::Done), "{answers:?}");
    let report = world.report().await;
    assert_eq!((report.brands, report.entries), (200, 400));
}

#[tokio::test(start_paused = true)]
async fn while_the_cms_is_away_it_waits_and_says_so() {
    let world = World::new(Policies::default());
    with_drift(&world, 300).await;
    let healthy = world.cms.clone();
    world.on_read(move |number| {
        if number == 2 {
            healthy.set_faults(r#"[{"kind": "transient"}]"#.parse().unwrap());
        }
    });
    assert_eq!(world.begin().await, Answer::UnderWay);
    let waits = world.report().await;
    let reason = waits.waits_for.unwrap();
    assert!(reason.contains("the call of the CMS failed"), "{reason}");
    let kept = world.kept.load(CMS_SUBSCRIBER).await.unwrap();
    assert_eq!(kept.lease, None, "the next invocation may begin");
    sleep(Duration::from_hours(23)).await;
    assert_eq!(world.tick().await, Answer::UnderWay);
    world.cms.set_faults("[]".parse().unwrap());
    sleep(Duration::from_mins(1)).await;
    assert_eq!(world.tick().await, Answer::Done);
    let report = world.report().await;
    assert_eq!((report.brands, report.entries), (300, 600));
    assert_eq!(report.waits_for, None);
    assert_eq!(count(&report, Class::EditedThere), 5);
}

#[tokio::test(start_paused = true)]
async fn after_a_day_without_progress_it_stops() {
    let world = World::new(Policies::default());
    world.synced_brands(1).await;
    world
        .cms
        .set_faults(r#"[{"kind": "transient"}]"#.parse().unwrap());
    assert_eq!(world.begin().await, Answer::UnderWay);
    sleep(Duration::from_hours(24)).await;
    assert_eq!(world.tick().await, Answer::Stopped);
    let reason = world.report().await.stopped.unwrap();
    assert!(reason.starts_with("a day without progress"), "{reason}");
    assert_eq!(world.tick().await, Answer::Idle);
}

#[tokio::test(start_paused = true)]
async fn it_keeps_to_its_share_of_the_rate() {
    let world = World::paced(Policies::default(), Some(1.0));
    with_drift(&world, 500).await;
    let begun = Instant::now();
    assert_eq!(world.reconcile().await, Answer::Done);
    let (reads, took) = (world.reads(), begun.elapsed());
    assert!(
        took >= Duration::from_secs(reads - 1),
        "{reads} reads in {took:?}"
    );
}

/// The memory of this process, in bytes.
#[cfg(target_os = "linux")]
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn its_memory_does_not_grow_with_the_number_of_entries() {
    let grown = async |entries: usize| {
        let world = World::new(Policies::default());
        world.synced_brands(100).await;
        for number in 0..entries {
            world.cms.add_entry(&format!("Made {number}"), None);
        }
        let before = memory();
        assert_eq!(world.reconcile().await, Answer::Done);
        let report = world.report().await;
        assert_eq!(report.entries, 100 + u64::try_from(entries).unwrap());
        memory().saturating_sub(before)
    };
    let (few, many) = (grown(1_000).await, grown(100_000).await);
    println!("1,000 entries: {few} bytes; 100,000 entries: {many} bytes");
    assert!(many < few + 4 * 1024 * 1024, "{few}, {many}");
}
