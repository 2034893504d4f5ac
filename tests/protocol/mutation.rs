//! Departures from the design, one guard each, and the tests that each of them breaks a promise.

use crate::{
    model::{Model, Restore},
    properties::Promise::{
        self, CanBeTakenUp, CancelledStays, ChangesStay, ComesToRest, DeletedIsGone, EditsStay,
        FindingIsTrue, IsDue, IsReconciled, KeyMeansOneThing, MarkIsTrue, NoOrphan, NoStub,
        NotLost, OnlyTheRefusedIsUndone, SyncedIsTrue, UndoGoesBack, WrittenByTheHolder,
    },
    reconcile::Policy,
    search::search,
    state::Manner::{Accepts, Refuses},
    trace::story,
};

/// In what the protocol departs from its design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The API leaves it to the message that a change is seen.
    ChangeIsNotDue,
    /// The sweep moves `due_at` on whatever has happened since it read the row.
    SweepUnconditional,
    /// A lease may run out while a call that was made under it can still take effect.
    LeaseWithoutMargin,
    /// A lease ends with its worker's work only, not with time.
    LeaseWithoutEnd,
    /// A worker begins whatever the lease.
    LeaseIgnored,
    /// A worker calls the CMS without a look at its lease.
    CallsAfterTheLease,
    /// A worker writes whatever the fence.
    WriteWithoutFence,
    /// The begin write does not ask whether the fence is as it was read.
    BeginsWithoutFence,
    /// The begin write does not ask whether the version is as it was read.
    BeginsWhateverTheVersion,
    /// The begin write takes the row out of `due`.
    BeginTakesOutOfDue,
    /// A late message begins a version that is marked.
    BeginsMarked,
    /// A mark counts for every later version.
    MarkWithoutVersion,
    /// The begin write takes the lease, and does not record the intent.
    IntentIsNotRecorded,
    /// A run that is resumed reads again what the CMS held before.
    InputIsNotRecorded,
    /// A run that supersedes another one relies on what the row says of the CMS.
    SupersedesWithoutReading,
    /// A newer version supersedes a run while its lease lasts.
    SupersedesUnderALease,
    /// The doubt is over when a run has begun in doubt, not when it has read the CMS.
    DoubtEndsWithTheBegin,
    /// A deletion does not ask the CMS where the row says that it holds nothing.
    DeletionTrustsTheRow,
    /// The lease is released though a call was not answered.
    ReleasesBeforeTheMargin,
    /// The run ends though an earlier call was not answered.
    EndsBeforeTheMargin,
    /// The step is undone though an earlier call was not answered.
    UndoesBeforeTheMargin,
    /// The undo uses the key of the step.
    UndoUnderTheSameKey,
    /// A call that has failed is repeated under its key.
    KeyStaysAfterAFailure,
    /// The key is derived from the version.
    KeysByVersion,
    /// A run that is out of time is undone, not paused.
    GivesUpWhatIsLate,
    /// A run that is paused or failed is removed.
    MarkForgetsTheRun,
    /// The row is marked and taken out of `due` also if it has changed.
    MarksWhateverTheVersion,
    /// The row has to wait for a suspended run also if it has changed.
    SuspendsWhateverTheVersion,
    /// The version is taken for reached also if it has changed.
    DoneWhateverTheVersion,
    /// The row expires when the brand is deleted, not when the targets have been told.
    ExpiresBeforeItIsReached,
    /// Taking up a version leaves its mark.
    TakeUpKeepsMark,
    /// Taking up a version does not make the row due.
    TakeUpIsNotDue,
    /// Taking up a version relies on what the row says of the CMS.
    TakesUpWithoutReading,
    /// Cancelling a run removes its record.
    CancelForgetsTheRun,
    /// Cancelling a run does not make the row due.
    CancelIsNotDue,
    /// Cancelling a run does not move the fence.
    CancelDoesNotFence,
    /// `sync --all` relies on what the row says of the CMS.
    ResyncKeepsHolds,
    /// `sync --all` leaves a run that is open.
    ResyncKeepsRun,
    /// `sync --all` leaves the time at which the row expires.
    ResyncKeepsExpiry,
    /// `sync --all` does not move the fence.
    OperatorDoesNotFence,
    /// The lease is released by the run that ends first.
    ReleasesUnderTheOther,
    /// A visit that has lost its lease takes another one, while a run goes on that it began under the first.
    TakesTheLeaseAgain,
    /// Ending a run takes the row out of `due`, whatever the other subscriber needs.
    DueForOneSubscriber,
    /// The row expires when one subscriber has been told of the deletion.
    ExpiresForOneSubscriber,
    /// An update does not say what it supposes the entry to be.
    UpdatesWithoutCondition,
    /// An undo does not look at what the CMS holds.
    UndoDoesNotLook,
    /// An undo looks at what the CMS holds, and then acts whatever it holds by then.
    UndoLooksAndThenActs,
    /// What stands against an update is judged though an earlier call was not answered.
    ConflictBeforeTheMargin,
    /// The reconciler reads the row, then the CMS, and neither again.
    ReadsTheRowFirst,
    /// The reconciler reads the CMS, then the row, and neither again.
    ReadsOnce,
    /// The reconciler compares the row also while a run is open.
    ComparesOpenRuns,
    /// The reconciler has a version synced that an operator has cancelled.
    OverwritesForTheCancelled,
    /// The reconciler makes the row due whatever has happened since it read it.
    MakesDueUnconditionally,
    /// Making a row due leaves the time at which it expires.
    MakeDueKeepsExpiry,
    /// The row says that both agree before the brand has the editor's name.
    AgreesBeforeItAccepts,
    /// An editor's name is accepted also if the brand has changed.
    AcceptsWhateverTheVersion,
    /// An editor's name is accepted also if the lease has been written since it was found.
    AcceptsWithoutFence,
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
    subscribers: 1,
    workers: 2,
    updates: 0,
    deletes: 0,
    manners: &[Accepts, Refuses],
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

const REFUSED: Model = Model {
    manners: &[Refuses],
    ..CREATED
};

const UPDATED: Model = Model {
    updates: 1,
    ..CREATED
};

const CANCELLED: Model = Model {
    cancels: true,
    ..CREATED
};

const DELETED: Model = Model {
    deletes: 1,
    manners: &[Accepts],
    ..CREATED
};

const SWEPT: Model = Model {
    sweeps: true,
    ..CREATED
};

const RESTORED: Model = Model {
    updates: 2,
    restore: Restore::WithResync,
    ..CREATED
};

const REPLACED: Model = Model {
    replaces: true,
    ..DELETED
};

const TWO: Model = Model {
    subscribers: 2,
    workers: 1,
    ..DELETED
};

#[test]
fn a_change_that_relies_on_its_message_is_lost() {
    breaks(Mutation::ChangeIsNotDue, UPDATED, NotLost);
}

#[test]
fn a_sweep_that_does_not_ask_keeps_a_synced_row_due() {
    breaks(Mutation::SweepUnconditional, SWEPT, ComesToRest);
}

#[test]
fn a_sweep_that_does_not_ask_makes_a_row_out_of_nothing() {
    breaks(
        Mutation::SweepUnconditional,
        Model {
            sweeps: true,
            ..DELETED
        },
        NoStub,
    );
}

#[test]
fn a_lease_without_a_margin_lets_a_late_effect_through() {
    breaks(Mutation::LeaseWithoutMargin, DELETED, SyncedIsTrue);
}

#[test]
fn a_lease_without_end_keeps_the_row_for_ever() {
    breaks(Mutation::LeaseWithoutEnd, CREATED, ComesToRest);
}

#[test]
fn ignoring_the_lease_lets_two_workers_call() {
    breaks(Mutation::LeaseIgnored, DELETED, SyncedIsTrue);
}

#[test]
fn calling_after_the_lease_lets_two_workers_call() {
    breaks(Mutation::CallsAfterTheLease, DELETED, SyncedIsTrue);
}

#[test]
fn writing_without_the_fence_reports_the_wrong_content() {
    breaks(Mutation::WriteWithoutFence, REFUSED, NoOrphan);
}

#[test]
fn writing_without_the_fence_writes_without_the_lease() {
    breaks(Mutation::WriteWithoutFence, CREATED, WrittenByTheHolder);
}

#[test]
fn beginning_without_the_fence_lets_two_workers_call() {
    breaks(Mutation::BeginsWithoutFence, DELETED, SyncedIsTrue);
}

#[test]
fn a_begin_that_takes_the_row_out_of_due_loses_it() {
    breaks(Mutation::BeginTakesOutOfDue, CREATED, NotLost);
}

#[test]
fn beginning_a_marked_version_makes_its_mark_untrue() {
    breaks(Mutation::BeginsMarked, REFUSED, MarkIsTrue);
}

#[test]
fn a_mark_without_a_version_stops_the_next_one() {
    breaks(Mutation::MarkWithoutVersion, UPDATED, ComesToRest);
}

#[test]
fn an_effect_without_an_intent_is_not_known() {
    breaks(Mutation::IntentIsNotRecorded, CREATED, NoOrphan);
}

#[test]
fn an_input_that_is_read_again_is_that_of_the_step_itself() {
    breaks(Mutation::InputIsNotRecorded, CREATED, UndoGoesBack);
}

#[test]
fn superseding_without_reading_removes_what_was_accepted() {
    breaks(Mutation::SupersedesWithoutReading, UPDATED, UndoGoesBack);
}

#[test]
fn superseding_under_a_lease_lets_a_late_effect_through() {
    breaks(Mutation::SupersedesUnderALease, DELETED, SyncedIsTrue);
}

#[test]
fn a_doubt_that_ends_with_the_begin_is_not_passed_on() {
    breaks(
        Mutation::DoubtEndsWithTheBegin,
        Model {
            updates: 2,
            ..UPDATED
        },
        UndoGoesBack,
    );
}

#[test]
fn a_deletion_that_trusts_a_restored_row_leaves_the_brand() {
    breaks(
        Mutation::DeletionTrustsTheRow,
        Model {
            deletes: 1,
            restore: Restore::Bare,
            ..UPDATED
        },
        DeletedIsGone,
    );
}

#[test]
fn releasing_the_lease_before_the_margin_lets_a_late_effect_through() {
    breaks(Mutation::ReleasesBeforeTheMargin, DELETED, SyncedIsTrue);
}

#[test]
fn ending_before_the_margin_lets_a_late_effect_through() {
    breaks(Mutation::EndsBeforeTheMargin, DELETED, SyncedIsTrue);
}

#[test]
fn undoing_before_the_margin_lets_a_late_effect_through() {
    breaks(Mutation::UndoesBeforeTheMargin, CREATED, NoOrphan);
}

#[test]
fn an_undo_under_the_key_of_the_step_means_two_things() {
    breaks(Mutation::UndoUnderTheSameKey, CREATED, KeyMeansOneThing);
}

#[test]
fn a_key_that_stays_after_a_failure_fails_for_ever() {
    breaks(Mutation::KeyStaysAfterAFailure, CREATED, CanBeTakenUp);
}

#[test]
fn a_key_of_the_version_means_two_things_after_a_restore() {
    breaks(Mutation::KeysByVersion, RESTORED, KeyMeansOneThing);
}

#[test]
fn giving_up_undoes_what_is_only_late() {
    breaks(Mutation::GivesUpWhatIsLate, CREATED, OnlyTheRefusedIsUndone);
}

#[test]
fn a_paused_run_that_is_removed_leaves_an_orphan() {
    breaks(Mutation::MarkForgetsTheRun, CREATED, NoOrphan);
}

#[test]
fn marking_whatever_the_version_loses_the_newer_one() {
    breaks(Mutation::MarksWhateverTheVersion, UPDATED, NotLost);
}

#[test]
fn suspending_whatever_the_version_makes_the_newer_one_wait() {
    breaks(Mutation::SuspendsWhateverTheVersion, UPDATED, IsDue);
}

#[test]
fn ending_whatever_the_version_calls_the_newer_one_synced() {
    breaks(Mutation::DoneWhateverTheVersion, UPDATED, SyncedIsTrue);
}

#[test]
fn expiring_before_the_target_is_told_leaves_the_brand() {
    breaks(Mutation::ExpiresBeforeItIsReached, DELETED, DeletedIsGone);
}

#[test]
fn taking_up_without_clearing_the_mark_notifies_for_ever() {
    breaks(Mutation::TakeUpKeepsMark, CREATED, ComesToRest);
}

#[test]
fn taking_up_without_making_the_row_due_loses_it() {
    breaks(Mutation::TakeUpIsNotDue, CREATED, NotLost);
}

#[test]
fn cancelling_that_forgets_the_run_leaves_an_orphan() {
    breaks(Mutation::CancelForgetsTheRun, CANCELLED, NoOrphan);
}

#[test]
fn cancelling_without_making_the_row_due_loses_a_paused_run() {
    breaks(Mutation::CancelIsNotDue, CANCELLED, NotLost);
}

#[test]
fn cancelling_without_the_fence_is_overwritten() {
    breaks(Mutation::CancelDoesNotFence, CANCELLED, CancelledStays);
}

#[test]
fn a_resync_that_trusts_a_restored_row_undoes_the_wrong_thing() {
    breaks(Mutation::ResyncKeepsHolds, RESTORED, UndoGoesBack);
}

#[test]
fn a_resync_that_leaves_a_restored_run_undoes_the_wrong_thing() {
    breaks(Mutation::ResyncKeepsRun, RESTORED, UndoGoesBack);
}

#[test]
fn a_resync_that_leaves_the_expiry_leaves_the_brand() {
    breaks(Mutation::ResyncKeepsExpiry, REPLACED, DeletedIsGone);
}

#[test]
fn a_resync_that_does_not_fence_calls_an_empty_cms_synced() {
    breaks(Mutation::OperatorDoesNotFence, REPLACED, SyncedIsTrue);
}

#[test]
fn releasing_the_lease_under_the_other_run_lets_two_workers_call() {
    breaks(
        Mutation::ReleasesUnderTheOther,
        Model {
            workers: 2,
            is_calm: true,
            ..TWO
        },
        SyncedIsTrue,
    );
}

#[test]
fn a_second_lease_in_a_visit_revives_a_run_that_has_lost_the_first() {
    breaks(
        Mutation::TakesTheLeaseAgain,
        Model {
            workers: 2,
            is_calm: true,
            ..TWO
        },
        KeyMeansOneThing,
    );
}

#[test]
fn taking_the_row_out_of_due_for_one_subscriber_loses_the_other() {
    breaks(Mutation::DueForOneSubscriber, TWO, NotLost);
}

#[test]
fn expiring_for_one_subscriber_leaves_the_brand_at_the_other() {
    breaks(Mutation::ExpiresForOneSubscriber, TWO, DeletedIsGone);
}

/// The condition on the version saves a call, no more: the fence protects what the begin write changes.
#[test]
fn beginning_whatever_the_version_breaks_nothing() {
    for model in [UPDATED, DELETED] {
        let model = Model {
            mutation: Some(Mutation::BeginsWhateverTheVersion),
            ..model
        };
        if let Err(found) = search(&model, &Promise::ALL) {
            panic!("{}", story(&model, &found));
        }
    }
}

const EDITED: Model = Model {
    workers: 1,
    manners: &[Accepts],
    edits: 1,
    ..CREATED
};

const RECONCILED: Model = Model {
    reconciles: true,
    ..EDITED
};

const OVERWRITTEN: Model = Model {
    policy: Policy::OURS,
    ..RECONCILED
};

const ACCEPTED: Model = Model {
    policy: Policy::THEIRS,
    ..RECONCILED
};

#[test]
fn an_update_without_a_condition_overwrites_what_an_editor_wrote() {
    let model = Model {
        updates: 1,
        ..EDITED
    };
    breaks(Mutation::UpdatesWithoutCondition, model, EditsStay);
}

#[test]
fn an_undo_that_does_not_look_overwrites_what_an_editor_wrote() {
    let model = Model {
        manners: &[Refuses],
        ..EDITED
    };
    breaks(Mutation::UndoDoesNotLook, model, EditsStay);
}

/// So the call that undoes a creation has to be conditional, too.
#[test]
fn an_undo_that_looks_and_then_acts_overwrites_what_an_editor_wrote() {
    let model = Model {
        manners: &[Refuses],
        ..EDITED
    };
    breaks(Mutation::UndoLooksAndThenActs, model, EditsStay);
}

#[test]
fn judging_a_conflict_before_the_margin_undoes_what_is_only_late() {
    let model = Model { edits: 2, ..EDITED };
    breaks(
        Mutation::ConflictBeforeTheMargin,
        model,
        OnlyTheRefusedIsUndone,
    );
}

#[test]
fn taking_up_without_reading_is_refused_for_ever() {
    breaks(Mutation::TakesUpWithoutReading, EDITED, CanBeTakenUp);
}

#[test]
fn reading_the_row_first_takes_a_sync_for_an_edit() {
    let model = Model {
        updates: 1,
        ..RECONCILED
    };
    breaks(Mutation::ReadsTheRowFirst, model, FindingIsTrue);
}

#[test]
fn reading_once_takes_a_sync_for_an_edit() {
    for policy in [Policy::REPORT, Policy::OURS, Policy::THEIRS] {
        let model = Model {
            updates: 1,
            edits: 0,
            policy,
            ..RECONCILED
        };
        breaks(Mutation::ReadsOnce, model, FindingIsTrue);
    }
}

#[test]
fn comparing_open_runs_takes_what_they_wrote_for_an_edit() {
    let model = Model {
        updates: 1,
        edits: 0,
        ..RECONCILED
    };
    breaks(Mutation::ComparesOpenRuns, model, FindingIsTrue);
}

#[test]
fn overwriting_for_what_is_cancelled_syncs_it() {
    let model = Model {
        updates: 1,
        cancels: true,
        is_calm: true,
        ..OVERWRITTEN
    };
    breaks(Mutation::OverwritesForTheCancelled, model, CancelledStays);
}

#[test]
fn making_due_without_a_condition_makes_a_row_out_of_nothing() {
    let model = Model {
        deletes: 1,
        ..OVERWRITTEN
    };
    breaks(Mutation::MakesDueUnconditionally, model, NoStub);
}

#[test]
fn making_due_without_a_condition_syncs_what_is_cancelled() {
    let model = Model {
        updates: 1,
        cancels: true,
        is_calm: true,
        ..OVERWRITTEN
    };
    breaks(Mutation::MakesDueUnconditionally, model, CancelledStays);
}

#[test]
fn making_due_without_the_expiry_leaves_the_entry() {
    let model = Model {
        deletes: 1,
        undeletes: true,
        ..OVERWRITTEN
    };
    breaks(Mutation::MakeDueKeepsExpiry, model, IsReconciled);
}

#[test]
fn agreeing_before_accepting_loses_what_an_editor_wrote() {
    breaks(Mutation::AgreesBeforeItAccepts, ACCEPTED, EditsStay);
}

#[test]
fn accepting_whatever_the_version_loses_the_newer_one() {
    let model = Model {
        updates: 1,
        ..ACCEPTED
    };
    breaks(Mutation::AcceptsWhateverTheVersion, model, ChangesStay);
}

#[test]
fn accepting_without_the_fence_takes_back_what_an_operator_overwrote() {
    breaks(Mutation::AcceptsWithoutFence, ACCEPTED, FindingIsTrue);
}
