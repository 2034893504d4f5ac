//! The proof that the protocol keeps its promises. Brands are independent of each other, so that one is enough.

use std::time::Instant;

use crate::{
    model::{Model, Restore},
    properties::{Promise, Rest},
    reconcile::{Conflicts, Policy},
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
    edits: 0,
    undeletes: false,
    reconciles: false,
    policy: Policy::REPORT,
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

/// A brand whose entry an editor changes.
const EDITED: Model = Model {
    workers: 1,
    manners: &[Accepts],
    edits: 1,
    is_calm: true,
    ..CREATED
};

/// Brands that are compared with the entries of the CMS.
const RECONCILED: Model = Model {
    reconciles: true,
    ..EDITED
};

const POLICIES: [(&str, Policy); 3] = [
    ("reporting", Policy::REPORT),
    ("ours", Policy::OURS),
    ("theirs", Policy::THEIRS),
];

fn prove_for_each(policies: &[(&str, Policy)], name: &str, model: &Model) {
    for (policy_name, policy) in policies {
        let model = Model {
            policy: *policy,
            ..*model
        };
        prove(&format!("{name}, {policy_name}"), &model);
    }
}

/// To a worker, `report` and `theirs` are the same.
#[test]
fn what_editors_write_is_not_overwritten_by_a_sync_unless_the_policy_says_so() {
    let edited = Model {
        updates: 1,
        edits: 2,
        manners: &[Accepts, Refuses],
        ..EDITED
    };
    prove_for_each(&POLICIES[..2], "edited", &edited);
}

#[test]
fn a_brand_whose_entry_is_edited_is_deleted_like_any_other() {
    let deleted = Model {
        deletes: 1,
        edits: 2,
        manners: &[Accepts, Refuses],
        ..EDITED
    };
    prove_for_each(&POLICIES[..2], "edited and deleted", &deleted);
}

#[test]
fn a_reconciliation_that_may_die_makes_both_equal_or_reports_what_differs() {
    let reconciled = Model {
        updates: 1,
        edits: 2,
        is_calm: false,
        ..RECONCILED
    };
    prove_for_each(&POLICIES, "reconciled", &reconciled);
}

#[test]
fn edits_and_conflicts_have_policies_of_their_own() {
    let policies = [
        (
            "overwriting or reporting",
            Policy {
                conflicts: Conflicts::Report,
                ..Policy::OURS
            },
        ),
        (
            "overwriting or theirs",
            Policy {
                conflicts: Conflicts::Theirs,
                ..Policy::OURS
            },
        ),
        (
            "accepting or reporting",
            Policy {
                conflicts: Conflicts::Report,
                ..Policy::THEIRS
            },
        ),
        (
            "accepting or ours",
            Policy {
                conflicts: Conflicts::Ours,
                ..Policy::THEIRS
            },
        ),
    ];
    let reconciled = Model {
        updates: 1,
        ..RECONCILED
    };
    prove_for_each(&policies, "reconciled", &reconciled);
}

#[test]
fn a_reconciliation_leaves_what_the_cms_refuses_to_its_mark() {
    let refused = Model {
        updates: 1,
        manners: &[Accepts, Refuses],
        ..RECONCILED
    };
    prove_for_each(&POLICIES, "reconciled and refused", &refused);
}

#[test]
fn an_entry_that_is_brought_back_is_reported_or_deleted_again() {
    let deleted = Model {
        deletes: 1,
        edits: 2,
        undeletes: true,
        is_calm: false,
        ..RECONCILED
    };
    prove_for_each(&POLICIES, "reconciled and deleted", &deleted);
}

#[test]
fn a_reconciliation_does_not_sync_what_is_cancelled() {
    let cancelled = Model {
        updates: 1,
        cancels: true,
        ..RECONCILED
    };
    prove_for_each(&POLICIES[1..2], "reconciled and cancelled", &cancelled);
}

#[test]
fn a_reconciliation_and_a_resync_do_not_disturb_each_other() {
    let resynced = Model {
        updates: 1,
        resyncs: true,
        ..RECONCILED
    };
    prove_for_each(&POLICIES, "reconciled and resynced", &resynced);
}

#[test]
fn a_reconciliation_and_two_workers_do_not_disturb_each_other() {
    let two = Model {
        workers: 2,
        ..RECONCILED
    };
    prove_for_each(&POLICIES, "reconciled under two workers", &two);
}
