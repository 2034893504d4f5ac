//! What a store of brands has to do, as cases that run on any: one suite a port.
//!
//! Each case makes brands of its own, so a store may hold others.

#![expect(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case fails by panicking, as a test does"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::join_all;

use crate::{
    Action, Brand, BrandId, BrandName, BrandRow, BrandWriter, Changed, Created, DueRow, Held,
    Indexes, Intervention, Inventory, Lease, Mark, MarkKind, Outbox, RunRecord, SHARDS, Schedule,
    SubscriberState, SyncReader, SyncStore, SyncWrite, SyncWritten, TakeUp, TakenUp, Timestamp,
    UnsyncedCount, WriteScope, take_up, take_up_for, take_up_seen,
};

const SUBSCRIBERS: &[&str] = &["one", "other"];

fn new_brand(name: &str) -> Brand {
    Brand::new(BrandName::parse(name).unwrap(), Timestamp::now())
}

async fn stored<S: BrandWriter + SyncStore>(store: &S, name: &str) -> BrandRow {
    let brand = new_brand(name);
    assert_eq!(store.create(&brand).await.unwrap(), Created::New);
    row(store, brand.id).await
}

async fn row<S: SyncStore>(store: &S, id: BrandId) -> BrandRow {
    store.load(id).await.unwrap().unwrap()
}

fn lease(token: &str, sequence: u64) -> Lease {
    Lease {
        token: token.to_owned(),
        sequence,
        until: None,
    }
}

/// A write to `row` by that writer, which changes what the subscriber `one` has reached.
fn write(row: &BrandRow, lease: Lease, scope: WriteScope) -> SyncWrite {
    let state = SubscriberState {
        reached: row.brand.version,
        holds: Some(Held {
            name: "Acme".to_owned(),
            spelled: Some("acme".to_owned()),
            entry: Some("entry-1".to_owned()),
            revision: Some("7".to_owned()),
            unlinked: true,
        }),
        in_doubt: true,
        mark: Some(Mark::new(
            MarkKind::Paused,
            "ö".repeat(200),
            Timestamp::from_millis(7),
            1,
        )),
        run: Some(RunRecord {
            version: row.brand.version,
            record: "{}".to_owned(),
        }),
        last: Some(RunRecord {
            version: 1,
            record: "[]".to_owned(),
        }),
        intervention: Some(Intervention::new(
            Action::Cancel,
            "user_1",
            Some("ö".repeat(200)),
            Timestamp::from_millis(8),
        )),
    };
    SyncWrite {
        id: row.brand.id,
        seen: row.lease.clone(),
        lease,
        subscribers: BTreeMap::from([("one".to_owned(), state)]),
        scope,
    }
}

/// The suite for [`BrandWriter`].
pub async fn writer<S: BrandWriter + SyncStore>(store: &S) {
    let brand = new_brand("Acme");
    assert_eq!(store.create(&brand).await.unwrap(), Created::New);
    let again = Brand {
        name: BrandName::parse("Globex").unwrap(),
        ..brand.clone()
    };
    let existing = Created::Existing(Box::new(brand.clone()));
    assert_eq!(store.create(&again).await.unwrap(), existing);
    let created = row(store, brand.id).await;
    assert_eq!(created.brand, brand);
    assert_eq!((&created.lease, created.subscribers.len()), (&None, 0));
    assert!(created.due_at > Some(brand.created_at), "it is due later");

    let now = brand.created_at.plus(Duration::from_secs(1));
    let name = BrandName::parse("Initech").unwrap();
    let Changed::Conflict(found) = store.update(brand.id, &name, Some(2), now).await.unwrap()
    else {
        panic!("another version was expected")
    };
    assert_eq!(*found, brand);
    let Changed::Done(changed) = store.update(brand.id, &name, Some(1), now).await.unwrap() else {
        panic!("it is as expected")
    };
    assert_eq!((changed.version, changed.updated_at), (2, now));
    assert_eq!(changed.name, name);
    assert!(row(store, brand.id).await.due_at > Some(now));

    let Changed::Done(deleted) = store.delete(brand.id, None, now).await.unwrap() else {
        panic!("nothing was expected")
    };
    let later = now.plus(Duration::from_millis(1));
    assert_eq!(
        (deleted.version, deleted.updated_at, deleted.deleted_at),
        (3, later, Some(later)),
        "the later version has the later time"
    );
    let Changed::Deleted {
        brand: found,
        needs_attention: false,
    } = store.update(brand.id, &name, None, now).await.unwrap()
    else {
        panic!("it is deleted")
    };
    assert_eq!(found, deleted);
    let missing = new_brand("Missing").id;
    let changed = store.update(missing, &name, None, now).await.unwrap();
    assert_eq!(changed, Changed::Missing);
    assert_eq!(
        store.delete(missing, None, now).await.unwrap(),
        Changed::Missing
    );

    let marked = stored(store, "Marked").await;
    let write = SyncWrite {
        scope: WriteScope::AnyVersion,
        ..write(&marked, lease("a", 1), WriteScope::AnyVersion)
    };
    assert_eq!(store.write(&write).await.unwrap(), SyncWritten::Applied);
    store.delete(marked.brand.id, None, now).await.unwrap();
    let again = store.delete(marked.brand.id, None, now.plus(Duration::from_secs(1)));
    let Changed::Deleted {
        needs_attention, ..
    } = again.await.unwrap()
    else {
        panic!("it is deleted")
    };
    assert!(!needs_attention, "the mark is about another version");
}

/// What [`BrandWriter`] promises to those who change one brand at once, by clocks that differ.
pub async fn concurrent_changes<S: BrandWriter + SyncStore>(store: &S) {
    let now = Timestamp::now();
    one_of_many_changes_of_one_version_wins(store, now).await;
    many_changes_at_once_follow_each_other(store, now).await;
    changes_by_clocks_that_differ_follow_each_other(store, now).await;
    a_deletion_is_made_once(store, now).await;
}

/// Even where all want the same name at the same time.
async fn one_of_many_changes_of_one_version_wins<S: BrandWriter + SyncStore>(
    store: &S,
    now: Timestamp,
) {
    let id = stored(store, "Acme").await.brand.id;
    let now = now.plus(Duration::from_secs(1));
    let name = BrandName::parse("Globex").unwrap();
    let renames = (0..20).map(|_| store.update(id, &name, Some(1), now));
    let outcomes = join_all(renames).await.into_iter().map(Result::unwrap);
    let (won, lost): (Vec<Changed>, Vec<Changed>) =
        outcomes.partition(|outcome| matches!(outcome, Changed::Done(_)));
    assert_eq!(won.len(), 1, "{won:?}");
    assert!(
        lost.iter()
            .all(|outcome| matches!(outcome, Changed::Conflict(_)))
    );
    assert_eq!(row(store, id).await.brand.version, 2);
}

async fn many_changes_at_once_follow_each_other<S: BrandWriter + SyncStore>(
    store: &S,
    now: Timestamp,
) {
    const CHANGES: u32 = 30;
    let id = stored(store, "Acme").await.brand.id;
    let name = |number: u32| BrandName::parse(format!("Name {number}")).unwrap();
    let renames = (0..CHANGES).map(|number| {
        // Some clocks are a little behind.
        let at = now.minus(Duration::from_millis(u64::from(number % 7)));
        async move { store.update(id, &name(number), None, at).await.unwrap() }
    });
    let mut versions =
        BTreeMap::from([(1, (now.minus(Duration::from_mins(1)), "Acme".to_owned()))]);
    for outcome in join_all(renames).await {
        let Changed::Done(brand) = outcome else {
            panic!("nothing was expected")
        };
        let known = versions.insert(brand.version, (brand.updated_at, brand.name.to_string()));
        assert_eq!(known, None, "each change is a version of its own");
    }
    assert_eq!(versions.len(), CHANGES as usize + 1);
    let times: Vec<Timestamp> = versions.values().map(|(at, _)| *at).collect();
    assert!(times.is_sorted_by(|one, other| one < other), "{times:?}");
    let names: BTreeSet<&String> = versions.values().map(|(_, name)| name).collect();
    assert_eq!(names.len(), versions.len());
    let last = row(store, id).await.brand;
    assert_eq!(
        (last.version, Some(&last.updated_at)),
        (CHANGES + 1, times.last())
    );
}

async fn changes_by_clocks_that_differ_follow_each_other<S: BrandWriter + SyncStore>(
    store: &S,
    now: Timestamp,
) {
    let id = stored(store, "Acme").await.brand.id;
    let name = BrandName::parse("Globex").unwrap();
    let year = Duration::from_hours(365 * 24);
    let mut before = None;
    for at in [
        now.plus(year),
        now.minus(year),
        Timestamp::from_millis(0),
        now,
    ] {
        let Changed::Done(brand) = store.update(id, &name, None, at).await.unwrap() else {
            panic!("nothing was expected")
        };
        assert!(Some(brand.updated_at) > before, "{brand:?}");
        before = Some(brand.updated_at);
        let due_at = row(store, id).await.due_at.unwrap();
        assert!(due_at > at, "it is due by the clock of the change");
        assert!(due_at < at.plus(Duration::from_hours(1)));
    }
    // The last moment of all is followed by another, since a brand must not be stuck.
    for at in [Timestamp::from_millis(u64::MAX), now] {
        let changed = store.update(id, &name, None, at).await.unwrap();
        assert!(matches!(changed, Changed::Done(brand) if brand.updated_at == at));
    }
}

async fn a_deletion_is_made_once<S: BrandWriter + SyncStore>(store: &S, now: Timestamp) {
    let id = stored(store, "Acme").await.brand.id;
    let deletions = (0..20).map(|_| store.delete(id, None, now));
    let outcomes = join_all(deletions).await.into_iter().map(Result::unwrap);
    let (won, lost): (Vec<Changed>, Vec<Changed>) =
        outcomes.partition(|outcome| matches!(outcome, Changed::Done(_)));
    assert_eq!(won.len(), 1, "{won:?}");
    assert!(
        lost.iter()
            .all(|outcome| matches!(outcome, Changed::Deleted { .. }))
    );
}

/// The suite for [`SyncStore`].
pub async fn sync<S: BrandWriter + SyncStore>(store: &S) {
    assert_eq!(store.load(new_brand("Missing").id).await.unwrap(), None);
    let ghost = BrandRow::from(new_brand("Ghost"));
    let to_ghost = write(&ghost, lease("a", 1), WriteScope::AnyVersion);
    let refused = store.write(&to_ghost).await.unwrap();
    assert_eq!(
        refused,
        SyncWritten::Refused(None),
        "no stub of a row is made"
    );
    assert_eq!(store.load(ghost.brand.id).await.unwrap(), None);

    let first = stored(store, "Acme").await;
    let begin = write(&first, lease("a", 1), WriteScope::Version(1));
    assert_eq!(store.write(&begin).await.unwrap(), SyncWritten::Applied);
    let after = row(store, first.brand.id).await;
    assert_eq!(after.lease, Some(lease("a", 1)));
    assert_eq!(after.subscribers, begin.subscribers);
    assert_eq!(after.due_at, first.due_at, "a begin leaves it due");

    // The same write again, and one that has seen nothing, are refused with the row as it stands.
    let refused = SyncWritten::Refused(Some(Box::new(after.clone())));
    assert_eq!(store.write(&begin).await.unwrap(), refused);
    for seen in [lease("a", 2), lease("b", 1)] {
        let stale = SyncWrite {
            seen: Some(seen),
            ..write(&after, lease("b", 2), WriteScope::AnyVersion)
        };
        assert_eq!(store.write(&stale).await.unwrap(), refused);
    }

    // Another version than the write is about.
    let name = BrandName::parse("Globex").unwrap();
    let now = Timestamp::now();
    store
        .update(first.brand.id, &name, None, now)
        .await
        .unwrap();
    let changed = row(store, first.brand.id).await;
    assert_eq!(
        changed.lease, after.lease,
        "a change leaves the sync state alone"
    );
    let end = write(
        &changed,
        lease("a", 2),
        WriteScope::Schedule(1, Schedule::default()),
    );
    let refused = SyncWritten::Refused(Some(Box::new(changed.clone())));
    assert_eq!(store.write(&end).await.unwrap(), refused);
    let end = SyncWrite {
        scope: WriteScope::AnyVersion,
        ..end
    };
    assert_eq!(store.write(&end).await.unwrap(), SyncWritten::Applied);
    let ended = row(store, first.brand.id).await;
    assert_eq!(
        ended.due_at, changed.due_at,
        "it stays due for the new version"
    );

    let done = write(
        &ended,
        lease("b", 3),
        WriteScope::Schedule(2, Schedule::default()),
    );
    assert_eq!(store.write(&done).await.unwrap(), SyncWritten::Applied);
    assert_eq!(row(store, first.brand.id).await.due_at, None);
}

/// Due rows of a brand's shard.
async fn due<S: Outbox>(store: &S, id: BrandId, now: Timestamp) -> Option<DueRow> {
    let found = store.due(id.shard(SHARDS), now, 1_000).await.unwrap();
    found.into_iter().find(|row| row.id == id.to_string())
}

/// The suite for [`Outbox`]. An index may lag, so the store is asked until it has caught up.
pub async fn outbox<S: BrandWriter + SyncStore + Outbox>(store: &S) {
    let created = stored(store, "Acme").await;
    let (id, due_at) = (created.brand.id, created.due_at.unwrap());
    let a_little = Duration::from_millis(1);
    assert_eq!(due(store, id, due_at.minus(a_little)).await, None);
    let found = due(store, id, due_at).await.unwrap();
    assert_eq!(
        (found.due_at.clone(), found.since),
        (due_at.to_string(), Some(due_at))
    );

    let later = due_at.plus(Duration::from_mins(1));
    store.postpone(&found, later).await.unwrap();
    assert_eq!(due(store, id, due_at).await, None);
    let postponed = due(store, id, later).await.unwrap();
    assert_eq!(
        postponed.since,
        Some(due_at),
        "it knows since when it is due"
    );
    store.postpone(&found, due_at).await.unwrap();
    assert_eq!(
        due(store, id, due_at).await,
        None,
        "it was due otherwise than seen"
    );

    far_ahead(store).await;

    let shard = id.shard(SHARDS);
    let since = Timestamp::now();
    let marked = Schedule {
        attention_since: Some(since),
        ..Schedule::default()
    };
    let row_now = row(store, id).await;
    let mark = write(&row_now, lease("a", 1), WriteScope::Schedule(1, marked));
    assert_eq!(store.write(&mark).await.unwrap(), SyncWritten::Applied);
    assert_eq!(due(store, id, later).await, None, "it is no longer due");
    assert!(store.count_attention(shard).await.unwrap() > 0);
    let name = BrandName::parse("Globex").unwrap();
    store.update(id, &name, None, since).await.unwrap();
    let changed = row(store, id).await;
    assert_eq!(changed.attention_since(), None, "a change ends it");
}

/// A clock that was a year ahead does not make a brand wait for a year.
async fn far_ahead<S: BrandWriter + SyncStore + Outbox>(store: &S) {
    let now = Timestamp::now();
    let year = Duration::from_hours(365 * 24);
    let brand = Brand::new(BrandName::parse("Ahead").unwrap(), now.plus(year));
    assert_eq!(store.create(&brand).await.unwrap(), Created::New);
    let mut found = None;
    for minutes in 0..u64::from(SHARDS) {
        let now = now.plus(Duration::from_mins(minutes));
        found = found.or(due(store, brand.id, now).await);
    }
    let found = found.unwrap();
    assert_eq!(found.since, None, "that is yet to come");
    let next = now.plus(Duration::from_mins(10));
    store.postpone(&found, next).await.unwrap();
    let found = due(store, brand.id, next).await.unwrap();
    assert_eq!(found.since, Some(next), "its waits grow from then on");
}

/// The suite for taking rows up again.
pub async fn taking_up<S: BrandWriter + SyncStore>(store: &S) {
    let now = Timestamp::now();
    let created = stored(store, "Acme").await;
    let id = created.brand.id;
    let nothing = take_up(store, (id, TakeUp::Marked), SUBSCRIBERS, "t", now);
    let nothing = nothing.await.unwrap();
    assert_eq!(
        nothing,
        TakenUp::NothingToDo(Box::new(created.brand.clone()))
    );

    let until = now.plus(Duration::from_secs(30));
    let held = Lease {
        until: Some(until),
        ..lease("a", 1)
    };
    let marked = Schedule {
        attention_since: Some(now),
        ..Schedule::default()
    };
    let mark = write(&created, held, WriteScope::Schedule(1, marked));
    assert_eq!(store.write(&mark).await.unwrap(), SyncWritten::Applied);
    assert!(row(store, id).await.attention_since().is_some());
    let taken_up = take_up(store, (id, TakeUp::Marked), SUBSCRIBERS, "t", now);
    assert_eq!(
        taken_up.await.unwrap(),
        TakenUp::Due(Box::new(created.brand))
    );
    let due = row(store, id).await;
    let state = due.subscriber("one");
    assert_eq!((state.mark, state.run, state.in_doubt), (None, None, true));
    assert_eq!((due.due_at, due.attention_since()), (Some(now), None));
    let kept = due.lease.unwrap();
    assert_eq!((&*kept.token, kept.sequence), ("t", 2));
    assert_eq!(kept.until, Some(until), "whoever held it may still act");

    // One that a wrong clock has written is none.
    let a_year_ahead = Lease {
        until: Some(now.plus(Duration::from_hours(365 * 24))),
        ..lease("a", 3)
    };
    let mark = write(
        &row(store, id).await,
        a_year_ahead,
        WriteScope::Schedule(1, marked),
    );
    assert_eq!(store.write(&mark).await.unwrap(), SyncWritten::Applied);
    let taken_up = take_up(store, (id, TakeUp::Marked), SUBSCRIBERS, "v", now);
    assert!(matches!(taken_up.await.unwrap(), TakenUp::Due(_)));
    assert_eq!(row(store, id).await.lease.unwrap().until, None);

    let all = take_up(store, (id, TakeUp::Everything), SUBSCRIBERS, "u", now);
    assert!(matches!(all.await.unwrap(), TakenUp::Due(_)));
    let due = row(store, id).await;
    for name in SUBSCRIBERS {
        let state = due.subscriber(name);
        assert_eq!((state.reached, state.in_doubt), (0, true), "{name}");
    }
    let missing = (new_brand("Missing").id, TakeUp::Everything);
    let missing = take_up(store, missing, SUBSCRIBERS, "t", now).await;
    assert_eq!(missing.unwrap(), TakenUp::Missing);
    taking_up_for_a_person(store, now).await;
}

/// Whatever state a row is in, it is due, and says who asked for that.
async fn taking_up_for_a_person<S: BrandWriter + SyncStore>(store: &S, now: Timestamp) {
    let record = RunRecord {
        version: 1,
        record: "{}".to_owned(),
    };
    let asked = Intervention::new(Action::Sync, "user_1", Some("moved".to_owned()), now);
    let (not_begun, held) = (SubscriberState::default(), Some(Held::named("Acme")));
    let synced = SubscriberState {
        reached: 1,
        holds: held,
        last: Some(record.clone()),
        ..not_begun.clone()
    };
    let read_again = SubscriberState {
        reached: 0,
        in_doubt: true,
        ..synced.clone()
    };
    let waiting = SubscriberState {
        run: Some(record.clone()),
        ..not_begun.clone()
    };
    let begun_anew = SubscriberState {
        in_doubt: true,
        ..not_begun.clone()
    };
    let marked = SubscriberState {
        mark: Some(Mark::new(MarkKind::Refused, "422".to_owned(), now, 1)),
        last: Some(record),
        ..not_begun.clone()
    };
    let unmarked = SubscriberState {
        mark: None,
        in_doubt: true,
        ..marked.clone()
    };
    for (before, after) in [
        (None, not_begun.clone()),
        (Some(synced), read_again),
        (Some(waiting), begun_anew),
        (Some(marked), unmarked),
    ] {
        let created = stored(store, "Acme").await;
        let id = created.brand.id;
        if let Some(before) = before {
            let scope = WriteScope::Schedule(1, Schedule::default());
            let write = SyncWrite {
                subscribers: BTreeMap::from([("one".to_owned(), before)]),
                ..write(&created, lease("a", 1), scope)
            };
            assert_eq!(store.write(&write).await.unwrap(), SyncWritten::Applied);
        }
        let asked_for = (Some(&asked), now);
        let taken_up = take_up_for(store, (id, TakeUp::Again), SUBSCRIBERS, "t", asked_for);
        let taken_up = taken_up.await.unwrap();
        assert_eq!(taken_up, TakenUp::Due(Box::new(created.brand)));
        let due = row(store, id).await;
        assert_eq!((due.due_at, due.attention_since()), (Some(now), None));
        for (name, after) in [("one", after), ("other", not_begun.clone())] {
            let intervention = Some(asked.clone());
            let expected = SubscriberState {
                intervention,
                ..after
            };
            assert_eq!(due.subscriber(name), expected, "{name}");
        }
        // One who gives no name leaves the last one that was given.
        let taken_up = take_up(store, (id, TakeUp::Unsynced), SUBSCRIBERS, "u", now);
        assert!(matches!(taken_up.await.unwrap(), TakenUp::Due(_)));
        let kept = row(store, id).await.subscriber("one").intervention;
        assert_eq!(kept.as_ref(), Some(&asked));
    }
    let missing = (new_brand("Missing").id, TakeUp::Again);
    let missing = take_up_for(store, missing, SUBSCRIBERS, "t", (Some(&asked), now)).await;
    assert_eq!(missing.unwrap(), TakenUp::Missing);
}

/// The suite for a row that is taken up as it was seen.
pub async fn taking_up_as_seen<S: BrandWriter + SyncStore>(store: &S) {
    let now = Timestamp::now();
    let created = stored(store, "Acme").await;
    let scope = WriteScope::Schedule(1, Schedule::default());
    let done = write(&created, lease("a", 1), scope);
    assert_eq!(store.write(&done).await.unwrap(), SyncWritten::Applied);
    let seen = row(store, created.brand.id).await;
    assert!(take_up_seen(store, &seen, "one", "t", now).await.unwrap());
    let due = row(store, seen.brand.id).await;
    let before = seen.subscriber("one");
    let expected = SubscriberState {
        reached: 0,
        in_doubt: true,
        mark: None,
        run: None,
        ..before
    };
    assert_eq!((due.subscriber("one"), due.due_at), (expected, Some(now)));
    // The row has been written to since; and then its brand is changed.
    assert!(!take_up_seen(store, &seen, "one", "u", now).await.unwrap());
    let name = BrandName::parse("Globex").unwrap();
    let changed = store.update(seen.brand.id, &name, None, now).await.unwrap();
    assert!(matches!(changed, Changed::Done(_)));
    assert!(!take_up_seen(store, &due, "one", "v", now).await.unwrap());
    let left = row(store, seen.brand.id).await;
    assert_eq!(left.lease, due.lease);
}

/// The suite for [`Inventory`]. The store holds nothing else.
pub async fn inventory<S: BrandWriter + SyncStore + Inventory>(store: &S) {
    assert_eq!(all_of(store, 2).await, BTreeSet::new());
    let mut all = BTreeSet::new();
    for _ in 0..23 {
        all.insert(stored(store, "Acme").await.brand.id);
    }
    let deleted = stored(store, "Globex").await.brand;
    let now = deleted.created_at.plus(Duration::from_secs(1));
    store.delete(deleted.id, None, now).await.unwrap();
    let state = SubscriberState {
        holds: Some(Held {
            unlinked: true,
            entry: Some("entry-1".to_owned()),
            ..Held::named("Initech")
        }),
        ..SubscriberState::default()
    };
    let made = new_brand("Initech");
    let inserted = store.insert(&made, ("one", &state)).await.unwrap();
    assert_eq!(inserted, Created::New);
    let existing = Created::Existing(Box::new(made.clone()));
    let unknown = SubscriberState::default();
    let again = store.insert(&made, ("one", &unknown)).await.unwrap();
    assert_eq!(again, existing);
    let kept = row(store, made.id).await;
    assert_eq!(
        (kept.subscriber("one"), kept.due_at),
        (state, Some(made.updated_at))
    );
    all.insert(made.id);
    // Of what is stored as deleted, only the row is there.
    let gone = Brand {
        deleted_at: Some(now),
        ..new_brand("Umbrella")
    };
    let inserted = store.insert(&gone, ("one", &unknown)).await.unwrap();
    assert_eq!(inserted, Created::New);
    for limit in [1, 2, 7, 100] {
        assert_eq!(all_of(store, limit).await, all, "pages of {limit}");
    }
    let asked = [gone.id, made.id, new_brand("Missing").id, deleted.id];
    let found = store.rows(&asked).await.unwrap().rows.into_iter();
    let found: Vec<(BrandId, bool)> = found
        .map(|row| (row.brand.id, row.brand.deleted_at.is_some()))
        .collect();
    let expected = [(gone.id, true), (made.id, false), (deleted.id, true)];
    assert_eq!(found, expected);
}

/// All brands that are not deleted, page by page, each of them once.
async fn all_of<S: Inventory>(store: &S, limit: u16) -> BTreeSet<BrandId> {
    let (mut all, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.page(after.as_ref(), limit).await.unwrap();
        assert!(page.ids.len() <= limit.into());
        for id in page.ids {
            assert!(all.insert(id), "{id} comes twice");
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// The suite for [`SyncReader`]. The store holds nothing else.
pub async fn sync_reader<S: BrandWriter + SyncStore + SyncReader>(store: &S) {
    assert_eq!(walk(store, Indexes::ALL, 2).await, BTreeSet::new());
    let (mut due, mut marked) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..9 {
        due.insert(stored(store, "Acme").await.brand.id);
        let row = stored(store, "Globex").await;
        let since = row.brand.created_at.plus(Duration::from_secs(number));
        let schedule = Schedule {
            attention_since: Some(since),
            ..Schedule::default()
        };
        let mark = write(&row, lease("a", 1), WriteScope::Schedule(1, schedule));
        assert_eq!(store.write(&mark).await.unwrap(), SyncWritten::Applied);
        marked.insert(row.brand.id);
    }
    let synced = stored(store, "Initech").await;
    let done = WriteScope::Schedule(1, Schedule::default());
    let done = write(&synced, lease("a", 1), done);
    assert_eq!(store.write(&done).await.unwrap(), SyncWritten::Applied);

    let only = |due, attention| Indexes { due, attention };
    let all: BTreeSet<BrandId> = due.union(&marked).copied().collect();
    for limit in [1, 2, 5, 18, 100] {
        assert_eq!(walk(store, only(true, false), limit).await, due);
        assert_eq!(walk(store, only(false, true), limit).await, marked);
        assert_eq!(walk(store, Indexes::ALL, limit).await, all);
    }
    let counted = UnsyncedCount {
        due: 9,
        attention: 9,
    };
    assert_eq!(store.count_unsynced().await.unwrap(), counted);

    let missing = new_brand("Missing").id;
    let ids: Vec<BrandId> = all.iter().rev().copied().collect();
    let asked = [&[missing], &*ids].concat();
    let found = store.find_all(&asked).await.unwrap();
    let found: Vec<BrandId> = found.rows.iter().map(|row| row.brand.id).collect();
    assert_eq!(found, ids, "in the order asked for");
    assert_eq!(store.find(missing).await.unwrap(), None);
    let found = store.find(synced.brand.id).await.unwrap().unwrap();
    assert_eq!(Some(&found.subscriber("one")), done.subscribers.get("one"));
    let now = Timestamp::now();
    store.delete(synced.brand.id, None, now).await.unwrap();
    let found = store.find(synced.brand.id).await.unwrap().unwrap();
    let deleted = row(store, synced.brand.id).await;
    assert_eq!(found, deleted, "a deleted brand has its row");
    assert!(found.brand.deleted_at.is_some());
}

/// All brands in those indexes, page by page, each of them once.
async fn walk<S: SyncReader>(store: &S, indexes: Indexes, limit: u16) -> BTreeSet<BrandId> {
    let (mut all, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.unsynced(indexes, after.as_ref(), limit);
        let page = page.await.unwrap();
        assert!(page.ids.len() <= limit.into());
        for id in page.ids {
            assert!(all.insert(id), "{id} comes twice");
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}
