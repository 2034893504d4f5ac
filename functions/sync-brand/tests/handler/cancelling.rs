//! Runs that an administrator cancels: what they did is undone, and the row says who asked for it.

use std::time::Duration;

use brand::{Action, TakeUp};
use journal::{Cancelled, run_summary};
use tokio::time::sleep;
use workflow::{RunState, RunSummary};

use crate::world::{World, acme};

/// The CMS creates it, says that it has not, and cannot be asked. So the run waits.
const ACTED: &str = r#"[{"operation":"create","kind":"transient","when":"after"},
    {"operation":"retrieve","kind":"transient","when":"before"}]"#;

/// What is kept of the run.
fn last(world: &World) -> RunSummary {
    let state = world.state();
    assert_eq!(state.run, None, "nothing goes on");
    run_summary(&state).unwrap()
}

/// The run is reverted, nothing is left to do, and the row says who asked for that.
fn assert_cancelled(world: &World) {
    assert_eq!(world.mark(), Some("cancelled"), "{:?}", world.row());
    let state = world.state();
    // What an earlier run may have left is said, too.
    let doubt = if state.in_doubt {
        " (an earlier run may have acted: the target is read before the next change)"
    } else {
        ""
    };
    let cause = format!("cancelled by user_1{doubt}: a mistake");
    assert_eq!(state.mark.unwrap().cause, cause);
    let asked = state.intervention.unwrap();
    assert_eq!((asked.action, &*asked.by), (Action::Cancel, "user_1"));
    assert_eq!(world.row().due_at, None);
    assert!(world.brands.attention_since(acme().id).is_some());
    assert!(!world.row().is_leased(world.now()));
    assert_eq!(world.parked(), []);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_is_undone_at_the_next_visit() {
    let world = World::with_brand(ACTED);
    world.remind(None).await;
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
    let asked_at = world.now();
    assert!(matches!(world.cancel().await, Cancelled::Requested(_)));
    assert_eq!(world.row().due_at, Some(asked_at), "it is due now");
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"), "not yet");

    world.cms.set_faults("".parse().unwrap());
    world.remind(None).await;
    assert_cancelled(&world);
    assert_eq!(world.cms.brands(), []);
    assert_eq!((world.state().holds, world.state().in_doubt), (None, false));
    let last = last(&world);
    assert_eq!(last.state, RunState::Reverted);
    assert!(last.cancel_requested_at.is_some() && last.ended_at.is_some());
    assert!(last.errors.len() <= 2, "{last:?}");

    let calls = world.cms.calls();
    world.remind(None).await;
    assert_eq!(world.cms.calls(), calls, "a late hint begins nothing");
}

#[tokio::test(start_paused = true)]
async fn a_run_is_reverted_by_the_worker_that_is_at_it_though_its_call_hangs() {
    for when in ["before", "after"] {
        let rule = format!(r#"[{{"operation":"create","kind":"hang","when":"{when}","times":1}}]"#);
        let world = World::with_brand(&rule);
        let cancelling = async {
            sleep(Duration::from_secs(1)).await;
            assert!(matches!(world.cancel().await, Cancelled::Requested(_)));
            assert!(world.row().is_leased(world.now()), "the worker's lease");
        };
        tokio::join!(world.remind(None), cancelling);
        assert_cancelled(&world);
        assert_eq!(world.cms.brands(), [], "{when}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_reverted_by_the_worker_that_waits_for_its_next_attempt() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"transient","when":"before"}]"#);
    let cancelling = async {
        while world.cms.calls().creates == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(matches!(world.cancel().await, Cancelled::Requested(_)));
    };
    tokio::join!(world.remind(None), cancelling);
    assert_cancelled(&world);
    assert_eq!(world.cms.calls().creates, 1, "it is not tried again");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_paused_is_undone() {
    let world = World::with_brand(r#"[{"operation":"create","kind":"transient","when":"before"}]"#);
    while {
        world.remind(None).await;
        let closed = world.breaker.close("operate", "go on", world.clock.now());
        closed.await.unwrap();
        world.row().due_at.is_some()
    } {
        sleep(Duration::from_hours(1)).await;
    }
    assert_eq!(world.mark(), Some("paused"));
    assert!(matches!(world.cancel().await, Cancelled::Requested(_)));
    assert_eq!(world.mark(), None, "it goes on");
    world.cms.set_faults("".parse().unwrap());
    let creates = world.cms.calls().creates;
    world.remind(None).await;
    assert_cancelled(&world);
    assert_eq!(world.cms.calls().creates, creates);
    assert_eq!(world.cms.brands(), []);
    assert!(last(&world).paused_at.is_none(), "it has ended");
}

#[tokio::test(start_paused = true)]
async fn what_has_not_begun_is_marked_at_once_and_a_later_message_does_nothing() {
    let world = World::with_brand("");
    assert!(matches!(world.cancel().await, Cancelled::Marked(_)));
    assert_cancelled(&world);
    world.remind(None).await;
    world.hear_of(&acme()).await;
    assert_cancelled(&world);
    let calls = world.cms.calls();
    assert_eq!((calls.creates, calls.retrieves), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_waits_is_undone_to_what_the_cms_held() {
    let world = World::with_brand(
        r#"[{"operation":"update","kind":"transient","when":"after"},
            {"operation":"retrieve","kind":"transient","when":"before"}]"#,
    );
    world.remind(None).await;
    let renamed = world.rename("Globex").await;
    world.hear_of(&renamed).await;
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
    assert!(matches!(world.cancel().await, Cancelled::Requested(_)));
    world.cms.set_faults("".parse().unwrap());
    world.remind(None).await;
    assert_cancelled(&world);
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
    assert_eq!(world.held_name().as_deref(), Some("Acme"));
    assert_eq!(world.state().reached, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_waits_is_undone_and_the_row_stays() {
    let world = World::with_brand(r#"[{"operation":"delete","kind":"transient","when":"after"}]"#);
    world.remind(None).await;
    let deleted = world.delete().await;
    world.hear_of(&deleted).await;
    assert_eq!(world.cms.brands(), []);
    assert!(matches!(world.cancel().await, Cancelled::Requested(_)));
    world.cms.set_faults("".parse().unwrap());
    world.remind(None).await;
    assert_cancelled(&world);
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
    assert_eq!(world.brands.expires_at(deleted.id), None);
}

#[tokio::test(start_paused = true)]
async fn what_the_cms_refuses_to_undo_is_marked_as_failed_and_says_who_cancelled_it() {
    let world = World::with_brand(
        r#"[{"operation":"create","kind":"transient","when":"after"},
            {"operation":"retrieve","kind":"transient","when":"before","times":2},
            {"operation":"delete","kind":"permanent","when":"before","times":1}]"#,
    );
    world.remind(None).await;
    world.cancel().await;
    world.remind(None).await;
    assert_eq!(world.mark(), Some("failed"));
    assert_eq!(world.state().intervention.unwrap().by, "user_1");
    assert_eq!(world.cms.brands().len(), 1, "it is left over");
    let row = world.row();
    assert!(matches!(world.cancel().await, Cancelled::NotOpen(_)));
    assert_eq!(world.row(), row);
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_is_synced_after_a_cancellation() {
    let world = World::with_brand(ACTED);
    world.remind(None).await;
    world.cancel().await;
    world.cms.set_faults("".parse().unwrap());
    world.remind(None).await;
    assert_cancelled(&world);
    let renamed = world.rename("Globex").await;
    world.hear_of(&renamed).await;
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
    assert!(world.is_synced());
    assert_eq!(world.mark(), None);
}

#[tokio::test(start_paused = true)]
async fn a_newer_version_that_comes_between_the_request_and_the_undoing_is_synced() {
    let world = World::with_brand(ACTED);
    world.remind(None).await;
    world.cancel().await;
    let renamed = world.rename("Globex").await;
    world.cms.set_faults("".parse().unwrap());
    world.hear_of(&renamed).await;
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_cancelled_before_it_supersedes_a_run_leaves_the_cms_in_doubt() {
    let world = World::with_brand(ACTED);
    world.remind(None).await;
    world.rename("Globex").await;
    assert!(matches!(world.cancel().await, Cancelled::Marked(_)));
    assert_cancelled(&world);
    assert!(world.state().in_doubt);
    world.take_up(TakeUp::Marked).await;
    world.cms.set_faults("".parse().unwrap());
    let retrieves = world.cms.calls().retrieves;
    world.remind(None).await;
    assert!(world.cms.calls().retrieves > retrieves, "it is read first");
    assert_eq!(world.name_in_cms().as_deref(), Some("Globex"));
    assert!(world.is_synced());
}

#[tokio::test(start_paused = true)]
async fn a_brand_whose_run_was_cancelled_is_synced_when_it_is_taken_up_again() {
    for scope in [TakeUp::Marked, TakeUp::Unsynced, TakeUp::Again] {
        let world = World::with_brand(ACTED);
        world.remind(None).await;
        world.cancel().await;
        world.cms.set_faults("".parse().unwrap());
        world.remind(None).await;
        assert_cancelled(&world);
        world.take_up(scope).await;
        world.remind(None).await;
        assert!(world.is_synced(), "{scope:?}: {:?}", world.row());
        assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
        assert_eq!(last(&world).state, RunState::Done, "{scope:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_done_is_not_cancelled() {
    let world = World::with_brand("");
    world.remind(None).await;
    let row = world.row();
    assert!(matches!(world.cancel().await, Cancelled::NotOpen(_)));
    assert_eq!(world.row(), row);
    world.remind(None).await;
    assert!(world.is_synced());
    assert_eq!(world.name_in_cms().as_deref(), Some("Acme"));
}
