//! The proof that the protocol keeps its promises. Brands are independent of each other, so that one is enough.

use std::time::Instant;

use crate::{
    model::{Model, Restore},
    properties::{Promise, Rest},
    search::search,
    state::Manner::{Accepts, Breaks, Refuses},
    trace::story,
};

const CREATED: Model = Model {
    subscribers: 1,
    workers: 2,
    updates: 0,
    deletes: 0,
    manners: &[Accepts, Refuses, Breaks],
    cancels: false,
    resyncs: false,
    replaces: false,
    restore: Restore::Never,
    sweeps: false,
    is_calm: false,
    mutation: None,
};

/// Looks at all of the model. The system must come to rest both well and badly there, or not everything was tried.
fn prove(name: &str, model: &Model) {
    let began = Instant::now();
    let tally = search(model, &Promise::ALL)
        .unwrap_or_else(|found| panic!("{name}:\n{}", story(model, &found)));
    let (states, transitions) = (tally.states, tally.transitions);
    let (took, faults) = (began.elapsed(), tally.faults.values().sum::<usize>());
    println!("{name}: {states} states, {transitions} transitions, in {took:.1?}");
    println!("  {faults} faults: {:?}", tally.faults);
    println!("  at rest: {:?}", tally.rests);
    assert!(faults > 0, "nothing failed");
    for rest in [Rest::Synced, Rest::Paused] {
        assert!(tally.rests.contains_key(&rest), "never at rest: {rest:?}");
    }
    assert!(!tally.rests.contains_key(&Rest::Lost), "a brand is lost");
}

#[test]
fn a_brand_that_is_created_is_synced_or_marked_whatever_fails() {
    prove("created", &CREATED);
}

#[test]
fn a_brand_that_changes_under_way_is_synced_or_marked_whatever_fails() {
    prove(
        "updated",
        &Model {
            updates: 1,
            ..CREATED
        },
    );
}

#[test]
fn a_brand_that_is_deleted_under_way_leaves_nothing_or_is_marked_whatever_fails() {
    prove(
        "deleted",
        &Model {
            deletes: 2,
            ..CREATED
        },
    );
}

#[test]
fn a_brand_that_changes_and_is_deleted_under_way_leaves_nothing_or_is_marked() {
    prove(
        "updated and deleted",
        &Model {
            updates: 1,
            deletes: 1,
            ..CREATED
        },
    );
}

#[test]
fn the_sweep_moves_due_at_on_and_loses_nothing() {
    prove(
        "swept",
        &Model {
            deletes: 1,
            sweeps: true,
            manners: &[Accepts, Refuses],
            ..CREATED
        },
    );
}

#[test]
fn a_run_that_is_cancelled_at_any_time_is_undone() {
    prove(
        "cancelled",
        &Model {
            updates: 1,
            cancels: true,
            ..CREATED
        },
    );
}

#[test]
fn a_deletion_that_is_cancelled_is_marked() {
    prove(
        "cancelled and deleted",
        &Model {
            deletes: 2,
            cancels: true,
            manners: &[Accepts, Refuses],
            ..CREATED
        },
    );
}

#[test]
fn a_resync_at_any_time_loses_nothing() {
    prove(
        "resynced",
        &Model {
            deletes: 1,
            resyncs: true,
            ..CREATED
        },
    );
}

#[test]
fn a_cms_that_is_replaced_is_filled_again() {
    prove(
        "replaced",
        &Model {
            updates: 1,
            replaces: true,
            ..CREATED
        },
    );
}

#[test]
fn a_row_that_is_restored_is_synced_like_any_other() {
    prove(
        "restored",
        &Model {
            updates: 1,
            restore: Restore::WithResync,
            ..CREATED
        },
    );
}

#[test]
fn two_subscribers_under_one_lease_are_both_synced_or_marked() {
    prove(
        "two",
        &Model {
            subscribers: 2,
            manners: &[Accepts],
            ..CREATED
        },
    );
}
