//! The proof that the protocol keeps its promises: brands are independent of each other, so one is enough.

use std::time::Instant;

use crate::{
    model::Model,
    properties::{Promise, Rest},
    search::{Tally, search},
    trace::story,
};

/// Looks at all of the model; in it the system must have come to rest in each of those ways.
fn prove(name: &str, model: Model, rests: &[Rest]) -> Tally {
    let began = Instant::now();
    let tally = search(&model, &Promise::ALL)
        .unwrap_or_else(|found| panic!("{name}:\n{}", story(&model, &found)));
    let Tally {
        states,
        transitions,
        ..
    } = tally;
    let (took, faults) = (began.elapsed(), tally.faults.values().sum::<usize>());
    println!("{name}: {states} states, {transitions} transitions, in {took:.1?}");
    println!("  {faults} faults: {:?}", tally.faults);
    println!("  at rest: {:?}", tally.rests);
    assert!(faults > 0, "nothing failed");
    let seen: Vec<Rest> = tally.rests.keys().copied().collect();
    assert_eq!(seen, rests, "{name} comes to rest in other ways");
    tally
}

#[test]
fn a_brand_that_was_created_is_synced_or_reported_whatever_fails() {
    let model = Model {
        updates: 0,
        deletes: false,
        copies: 3,
        max_receives: 3,
        mutation: None,
    };
    let rests = [Rest::Nothing, Rest::Synced, Rest::Reported, Rest::InDoubt];
    prove("created", model, &rests);
}

#[test]
fn a_brand_that_is_updated_under_way_is_synced_or_reported_whatever_fails() {
    let model = Model {
        updates: 1,
        deletes: false,
        copies: 2,
        max_receives: 2,
        mutation: None,
    };
    let rests = [Rest::Nothing, Rest::Synced, Rest::Reported, Rest::InDoubt];
    prove("created and updated", model, &rests);
}

#[test]
fn a_brand_that_is_updated_and_deleted_under_way_leaves_nothing_in_the_cms() {
    let model = Model {
        updates: 1,
        deletes: true,
        copies: 1,
        max_receives: 2,
        mutation: None,
    };
    let rests = [
        Rest::Nothing,
        Rest::Synced,
        Rest::Deleted,
        Rest::Reported,
        Rest::InDoubt,
    ];
    let tally = prove("created, updated and deleted", model, &rests);
    let under_way = tally.deleted_under_way;
    println!("  in {under_way} states a deleted brand has just reached the CMS");
    assert!(under_way > 0, "no brand was deleted under way");
}
