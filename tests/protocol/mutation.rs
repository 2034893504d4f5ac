//! Departures from the design, one decision each, and the tests that each of them breaks a promise.

use crate::{
    model::Model,
    properties::Promise::{self, ComesToRest, DeletedIsGone, NoOrphan, NotLost, SyncedIsTrue},
    search::search,
    trace::story,
};

/// In what the protocol departs from its design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// Nothing announces again what is unsynced.
    NoOutbox,
    /// The row is marked synced with the intent of the step.
    SyncedBeforeApplied,
    /// Who takes an ended run over goes by what it read of the row before it had the lease.
    NotReadAgain,
    /// Each version has a run of its own, so that two of them may be at the CMS at once.
    RunPerVersion,
    /// Who finds an open run of another version forgets what that one recorded, and begins with its own.
    OpenRunBegunAnew,
    /// A lease ends with its worker's work only, not with time.
    LeaseWithoutEnd,
    /// A step that failed counts as one that has not acted.
    InDoubtNotCompensated,
    /// The row is marked synced also if it has changed.
    FinishedWhateverTheVersion,
    /// The row is marked failed also if it has changed.
    FailedWhateverTheVersion,
    /// The row is marked failed after the run has ended, not in the transaction that ends it.
    FailedBesideTheRun,
    /// A row that is marked failed stays out of the index while it is tried again.
    FailedStaysOutOfTheIndex,
    /// A row that is marked failed goes back into the index when it is read, not under the lease.
    PutBackBeforeTheLease,
    /// The message is deleted first and parked then.
    AcknowledgedBeforeParked,
}

/// In that model the mutation breaks that promise.
fn breaks(mutation: Mutation, model: Model, promise: Promise) {
    let model = Model {
        mutation: Some(mutation),
        ..model
    };
    let Err(found) = search(&model, &[promise]) else {
        panic!("{mutation:?} breaks nothing of {promise:?}");
    };
    println!("{mutation:?}:\n{}", story(&model, &found));
}

const CREATED: Model = Model {
    updates: 0,
    deletes: false,
    messages: 2,
    max_receives: 2,
    mutation: None,
};

const CREATED_AND_DELETED: Model = Model {
    deletes: true,
    messages: 1,
    ..CREATED
};

#[test]
fn without_the_outbox_a_brand_is_lost() {
    breaks(Mutation::NoOutbox, CREATED, NotLost);
}

#[test]
fn without_the_outbox_a_deletion_is_lost() {
    breaks(Mutation::NoOutbox, CREATED_AND_DELETED, DeletedIsGone);
}

#[test]
fn marking_a_brand_synced_before_the_call_leaves_it_untold() {
    breaks(Mutation::SyncedBeforeApplied, CREATED, NoOrphan);
}

#[test]
fn going_by_what_was_read_before_the_lease_removes_a_synced_brand() {
    breaks(Mutation::NotReadAgain, CREATED, SyncedIsTrue);
}

#[test]
fn a_run_for_each_version_leaves_a_deleted_brand_in_the_cms() {
    breaks(Mutation::RunPerVersion, CREATED_AND_DELETED, DeletedIsGone);
}

#[test]
fn forgetting_what_an_open_run_recorded_leaves_an_orphan() {
    breaks(Mutation::OpenRunBegunAnew, CREATED_AND_DELETED, NoOrphan);
}

#[test]
fn a_lease_without_end_keeps_everybody_waiting() {
    breaks(Mutation::LeaseWithoutEnd, CREATED, ComesToRest);
}

#[test]
fn not_compensating_a_step_in_doubt_leaves_an_orphan() {
    breaks(Mutation::InDoubtNotCompensated, CREATED, NoOrphan);
}

#[test]
fn finishing_without_the_version_condition_calls_a_newer_version_synced() {
    let mutation = Mutation::FinishedWhateverTheVersion;
    breaks(mutation, CREATED_AND_DELETED, SyncedIsTrue);
}

#[test]
fn marking_failed_without_the_version_condition_loses_a_newer_version() {
    let mutation = Mutation::FailedWhateverTheVersion;
    breaks(mutation, CREATED_AND_DELETED, NotLost);
}

#[test]
fn marking_failed_outside_the_transaction_leaves_an_orphan() {
    breaks(Mutation::FailedBesideTheRun, CREATED, NoOrphan);
}

#[test]
fn trying_a_failed_brand_again_outside_the_index_leaves_an_orphan() {
    breaks(Mutation::FailedStaysOutOfTheIndex, CREATED, NoOrphan);
}

#[test]
fn putting_a_failed_brand_back_before_the_lease_leaves_an_orphan() {
    breaks(Mutation::PutBackBeforeTheLease, CREATED, NoOrphan);
}

#[test]
fn acknowledging_before_parking_loses_the_event() {
    breaks(Mutation::AcknowledgedBeforeParked, CREATED, NotLost);
}
