//! The proof that the protocol keeps its promises. Brands are independent of each other, so that one is enough.
//!
//! Two workers are at it. The worlds are as large as seconds allow. Larger ones, which take minutes, were
//! looked at by hand: `UPDATED_AND_DELETED` with two messages (11 million states), `UPDATED` and `DELETED` with three messages and
//! three receives (5 million each).

use std::time::Instant;

use crate::{
    model::Model,
    properties::{Promise, Rest},
    search::{Tally, search},
    trace::story,
};

const CREATED: Model = Model {
    updates: 0,
    deletes: false,
    messages: 3,
    max_receives: 3,
    mutation: None,
};

const UPDATED: Model = Model {
    updates: 1,
    messages: 2,
    max_receives: 2,
    ..CREATED
};

const DELETED: Model = Model {
    deletes: true,
    messages: 2,
    max_receives: 2,
    ..CREATED
};

/// Nothing is doubled here.
const UPDATED_AND_DELETED: Model = Model {
    updates: 1,
    messages: 1,
    ..DELETED
};

const WITHOUT_DELETION: [Rest; 4] = [Rest::Nothing, Rest::Synced, Rest::Reported, Rest::InDoubt];
const WITH_DELETION: [Rest; 5] = [
    Rest::Nothing,
    Rest::Synced,
    Rest::Deleted,
    Rest::Reported,
    Rest::InDoubt,
];

/// Looks at all of the model. There the system must come to rest in each of those ways, or not everything was tried.
fn prove(name: &str, model: &Model, rests: &[Rest]) -> Tally {
    let began = Instant::now();
    let tally = search(model, &Promise::ALL)
        .unwrap_or_else(|found| panic!("{name}:\n{}", story(model, &found)));
    let (states, transitions) = (tally.states, tally.transitions);
    let (took, faults) = (began.elapsed(), tally.faults.values().sum::<usize>());
    println!("{name}: {states} states, {transitions} transitions, in {took:.1?}");
    println!("  {faults} faults: {:?}", tally.faults);
    println!("  at rest: {:?}", tally.rests);
    assert!(faults > 0, "nothing failed");
    let seen: Vec<Rest> = tally.rests.keys().copied().collect();
    assert_eq!(seen, rests, "{name}: how the system comes to rest");
    tally
}

fn prove_with_deletion(name: &str, model: &Model) {
    let tally = prove(name, model, &WITH_DELETION);
    let under_way = tally.deleted_under_way;
    println!("  a deleted brand has just reached the CMS in {under_way} states");
    assert!(under_way > 0, "no brand was deleted under way");
}

#[test]
fn a_brand_that_is_created_is_synced_or_reported_whatever_fails() {
    prove("created", &CREATED, &WITHOUT_DELETION);
}

#[test]
fn a_brand_that_is_updated_under_way_is_synced_or_reported_whatever_fails() {
    prove("updated", &UPDATED, &WITHOUT_DELETION);
}

#[test]
fn a_brand_that_is_deleted_under_way_leaves_nothing_in_the_cms_or_is_reported_whatever_fails() {
    prove_with_deletion("deleted", &DELETED);
}

#[test]
fn a_brand_that_is_updated_and_deleted_under_way_leaves_nothing_or_is_reported_whatever_fails() {
    prove_with_deletion("updated and deleted", &UPDATED_AND_DELETED);
}
