//! How far the sync of brands is, and lists of those that are not synced.

use std::collections::{BTreeMap, BTreeSet};

use brand::{
    Action, Brand, BrandId, BrandRow, Intervention, MarkKind, MemoryBrandStore, SubscriberState,
    SyncState, Timestamp,
};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use workflow::{Run, RunState};

use crate::{
    brands::message,
    world::{
        BEGAN, CHANGED, CREATED, ENDED, FAILED, Watched, answer, at, list, mark, moment, record,
        refused, retrieve, row, run, second_synced, shown, some, store, synced, syncing, waiting,
    },
};

/// What is said of that row when it is asked for by its id.
async fn sync_of(row: &BrandRow) -> Value {
    let event = retrieve(&row.brand.id.to_string(), "fields=sync");
    let (status, mut body) = answer(store([row.clone()]), event).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["brand"]["sync"].take()
}

fn error(step: &str, message: &str, at: u64) -> Value {
    json!({ "step": step, "message": message, "at": shown(at) })
}

fn said(state: &str, mut more: Value) -> Value {
    let mut said = json!({
        "state": state, "version": 3, "synced_version": 2, "attempts": 4,
        "next_attempt_at": null, "since": shown(ENDED),
        "error": error("sync-brand-to-cms", "503", FAILED),
        "holds": { "name": "Second", "entry": "entry-1", "revision": "7", "in_doubt": false },
        "request": null,
    });
    said.as_object_mut()
        .unwrap()
        .append(more.as_object_mut().unwrap());
    said
}

#[tokio::test]
async fn a_brand_that_waits_says_since_when_for_what_and_until_when() {
    let not_begun = BrandRow {
        due_at: Some(at(ENDED)),
        subscribers: BTreeMap::new(),
        ..row("Acme", SubscriberState::default())
    };
    let nothing_known = json!({
        "synced_version": 0, "attempts": 0, "next_attempt_at": shown(ENDED), "since": shown(CHANGED),
        "error": null, "holds": null,
    });
    assert_eq!(sync_of(&not_begun).await, said("waiting", nothing_known));

    let suspended = json!({
        "next_attempt_at": "2100-01-01T00:00:00.000Z", "since": shown(CHANGED),
        "holds": { "name": "Second", "entry": "entry-1", "revision": "7", "in_doubt": true },
    });
    assert_eq!(sync_of(&waiting("Acme")).await, said("waiting", suspended));
}

#[tokio::test]
async fn a_brand_that_a_worker_is_at_is_syncing_until_the_lease_is_over() {
    let mut leased = syncing("Acme");
    let began = json!({ "since": shown(BEGAN) });
    assert_eq!(sync_of(&leased).await, said("syncing", began));
    leased.lease.as_mut().unwrap().until = Some(Timestamp::now());
    let due = json!({ "since": shown(CHANGED), "next_attempt_at": shown(CHANGED) });
    assert_eq!(sync_of(&leased).await, said("waiting", due));
}

#[tokio::test]
async fn a_brand_that_is_synced_has_no_error_whatever_its_run_went_through() {
    let without = json!({ "synced_version": 3, "error": null, "holds": null });
    let expected = said("synced", without);
    assert_eq!(sync_of(&synced("Acme")).await, expected);
    let state = SubscriberState {
        reached: 7,
        ..SubscriberState::default()
    };
    let restored = json!({
        "synced_version": 3, "attempts": 0, "since": null, "error": null, "holds": null,
    });
    assert_eq!(
        sync_of(&row("Acme", state)).await,
        said("synced", restored),
        "the record was lost, and the version before the restore was higher"
    );
}

#[tokio::test]
async fn a_brand_that_needs_attention_says_why_and_since_when() {
    assert_eq!(
        sync_of(&refused("Acme")).await,
        said("refused", json!({})),
        "the run's last error"
    );
    let failed = Run {
        state: RunState::Failed,
        ..run()
    };
    let paused = Run {
        paused_at: Some(moment(ENDED)),
        ..run()
    };
    for (word, kind, run) in [
        ("failed", MarkKind::Failed, failed),
        ("paused", MarkKind::Paused, paused),
    ] {
        let state = SubscriberState {
            mark: mark(kind),
            run: record(&run),
            ..second_synced()
        };
        assert_eq!(sync_of(&row("Acme", state)).await, said(word, json!({})));
    }
    let state = SubscriberState {
        mark: mark(MarkKind::Refused),
        ..second_synced()
    };
    let marked = error("sync-brand-to-cms", "the cause", ENDED);
    let unrecorded = json!({ "attempts": 0, "error": marked });
    assert_eq!(
        sync_of(&row("Acme", state)).await,
        said("refused", unrecorded)
    );
}

#[tokio::test]
async fn a_brand_whose_run_was_cancelled_says_by_whom_and_not_what_went_wrong_before() {
    let mut cancelled = refused("Acme");
    let state = cancelled.subscribers.get_mut("cms").unwrap();
    let reason = Some("a mistake".to_owned());
    state.mark = mark(MarkKind::Cancelled);
    state.intervention = Some(Intervention::new(
        Action::Cancel,
        "user_7",
        reason,
        at(FAILED),
    ));
    let request =
        json!({ "action": "cancel", "by": "user_7", "at": shown(FAILED), "reason": "a mistake" });
    let marked = error("sync-brand-to-cms", "the cause", ENDED);
    let expected = said("cancelled", json!({ "error": marked, "request": request }));
    assert_eq!(sync_of(&cancelled).await, expected);
}

#[tokio::test]
async fn a_mark_says_nothing_of_a_later_version() {
    let mut renamed = refused("Acme");
    renamed.brand.version = 4;
    renamed.due_at = Some(at(ENDED));
    let sync = sync_of(&renamed).await;
    assert_eq!(sync["state"], "waiting");
    assert_eq!(sync["since"], shown(CHANGED));
}

#[tokio::test]
async fn a_list_shows_how_far_its_brands_are_in_one_read_and_none_where_it_is_not_asked_for() {
    let (memory, brands) = some(3).await;
    memory.put(BrandRow {
        brand: brands[1].clone(),
        ..synced("Brand 1")
    });
    let store = Watched::new(memory);
    for paging in ["", "&after="] {
        let query = format!("fields=name,sync{paging}");
        let (status, body) = answer(store.clone(), list(&query)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let shown = body["brands"].as_array().unwrap().iter();
        let synced: Vec<&Value> = shown.map(|brand| &brand["sync"]["state"]).collect();
        assert_eq!(synced, ["waiting", "synced", "waiting"], "{query}");
        assert_eq!(store.reads(), 1, "{query}");
        let query = format!("fields=name,updated_at,deleted_at{paging}");
        let (_, body) = answer(store.clone(), list(&query)).await;
        assert_eq!(body["brands"][0].get("sync"), None, "{query}");
        assert_eq!(store.reads(), 0, "{query}");
    }
    let (_, body) = answer(store.clone(), list("fields=%2Bsync&limit=1")).await;
    let keys: Vec<&String> = body["brands"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "name", "products", "sync"]);
}

/// The ids on all pages of that query, each page of at most `limit` brands, and how many brands each page had.
async fn pages(store: &MemoryBrandStore, query: &str, limit: usize) -> (Vec<String>, Vec<usize>) {
    let (mut ids, mut sizes, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let query = format!("{query}&limit={limit}&after={cursor}&fields=id");
        let (status, body) = answer(store.clone(), list(&query)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["brands", "limit", "next"], "no count, no offset");
        let brands = body["brands"].as_array().unwrap();
        assert!(brands.len() <= limit);
        sizes.push(brands.len());
        ids.extend(
            brands
                .iter()
                .map(|brand| brand["id"].as_str().unwrap().to_owned()),
        );
        match body["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return (ids, sizes),
        }
    }
}

/// Ten rows in each state, and those of each state.
fn rows_of_all_states() -> (MemoryBrandStore, BTreeMap<&'static str, BTreeSet<String>>) {
    let marked = |kind| {
        let state = SubscriberState {
            mark: mark(kind),
            ..second_synced()
        };
        row("Acme", state)
    };
    let mut of_state: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let memory = MemoryBrandStore::new();
    for _ in 0..10 {
        for (state, row) in [
            ("synced", synced("Acme")),
            ("waiting", waiting("Acme")),
            ("syncing", syncing("Acme")),
            ("refused", refused("Acme")),
            ("failed", marked(MarkKind::Failed)),
            ("paused", marked(MarkKind::Paused)),
            ("cancelled", marked(MarkKind::Cancelled)),
        ] {
            let id = row.brand.id.to_string();
            of_state.entry(state).or_default().insert(id);
            memory.put(row);
        }
    }
    (memory, of_state)
}

#[tokio::test]
async fn a_list_by_state_leads_through_all_brands_in_these_states_once() {
    let (memory, of_state) = rows_of_all_states();
    let unsynced = SyncState::UNSYNCED.map(SyncState::as_str);
    let all = unsynced.join(",");
    for state in unsynced
        .into_iter()
        .chain(["refused,waiting", "paused,failed", &*all])
    {
        let expected: BTreeSet<String> = state
            .split(',')
            .flat_map(|state| of_state[state].clone())
            .collect();
        for limit in [1, 7, 100] {
            let (ids, _) = pages(&memory, &format!("sync={state}"), limit).await;
            assert_eq!(ids.len(), expected.len(), "{state}: each comes once");
            assert_eq!(BTreeSet::from_iter(ids), expected, "{state}");
        }
    }
    let (_, body) = answer(memory, list("sync=refused&fields=sync&limit=1")).await;
    for brand in body["brands"].as_array().unwrap() {
        assert_eq!(brand["sync"]["state"], "refused");
    }
    assert!(body["next"].is_string(), "the first page is the default");
}

#[tokio::test]
async fn a_page_by_state_may_be_empty_and_yet_have_a_next() {
    let names = (0..60).map(|number| format!("Acme {number}"));
    let memory = store(names.map(|name| refused(&name)));
    let wanted = refused("Globex");
    memory.put(wanted.clone());
    // The search ignores case.
    let (ids, sizes) = pages(&memory, "sync=refused&q=LOBE", 1).await;
    assert_eq!(ids, [wanted.brand.id.to_string()]);
    assert!(sizes.contains(&0), "{sizes:?}");
    let (ids, _) = pages(&memory, "sync=refused&q=nosuch", 100).await;
    assert_eq!(ids, [""; 0]);
}

#[tokio::test]
async fn a_list_by_state_shows_a_deleted_brand_until_its_deletion_is_synced() {
    let mut deleted = waiting("Acme");
    deleted.brand.deleted_at = Some(at(CHANGED));
    let (_, body) = answer(
        store([deleted]),
        list("sync=waiting&fields=name,deleted_at"),
    )
    .await;
    assert_eq!(body["brands"][0]["deleted_at"], shown(CHANGED));
    let (_, body) = answer(
        store([waiting("Acme")]),
        list("sync=waiting&fields=deleted_at"),
    )
    .await;
    assert_eq!(body["brands"][0]["deleted_at"], Value::Null);
}

#[tokio::test]
async fn a_list_by_state_leaves_out_a_row_that_cannot_be_read() {
    let damaged = Watched::damaged(store([refused("Acme")]));
    let (status, body) = answer(damaged, list("sync=refused&fields=name")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["brands"].as_array().unwrap().len(), 1);
    assert_eq!(body["brands"][0]["name"], "Acme");
}

#[tokio::test]
async fn what_is_wrong_with_a_list_by_state_is_said() {
    let states = "waiting, syncing, refused, failed, paused, cancelled";
    let unknown = |got: &str| {
        format!("Invalid request: Expected: '{states}' for field 'sync', but got: '{got}'")
    };
    for (query, expected) in [
        ("sync=synced", unknown("synced")),
        ("sync=", unknown("")),
        ("sync=refused,Failed", unknown("Failed")),
        (
            "sync=x,waiting,y",
            format!(
                "{}; Expected: '{states}' for field 'sync', but got: 'y'",
                unknown("x")
            ),
        ),
        (
            "sync=refused&order=created_at",
            "Invalid request: Field 'sync' goes with 'after', not with 'offset' and 'order'"
                .to_owned(),
        ),
        (
            "sync=refused&offset=0",
            "Invalid request: Field 'sync' goes with 'after', not with 'offset' and 'order'"
                .to_owned(),
        ),
        (
            "sync=refused&limit=0",
            "Invalid request: Field 'sync' finds nothing with the limit '0'".to_owned(),
        ),
        (
            "sync=refused&sync=failed",
            "Invalid request: Field 'sync' is given more than once".to_owned(),
        ),
        (
            "sync=refused&fields=color",
            "Requested fields [color] are not valid".to_owned(),
        ),
    ] {
        assert_eq!(message(query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_of_one_kind_of_list_is_none_of_the_other() {
    let (listed, _) = some(2).await;
    let (_, body) = answer(listed, list("after=&limit=1")).await;
    let of_list = body["next"].as_str().unwrap();
    let memory = store([refused("Acme"), refused("Globex")]);
    let (_, body) = answer(memory, list("sync=refused&limit=1")).await;
    let by_state = body["next"].as_str().unwrap();
    for query in [
        format!("sync=refused&after={of_list}"),
        "sync=refused&after=nonsense".to_owned(),
        format!("after={by_state}"),
    ] {
        let message = message(&query).await;
        assert!(message.contains("holds no cursor"), "{query}: {message}");
    }
}

#[tokio::test]
async fn a_deleted_brand_is_shown_where_it_is_asked_for_as_long_as_its_row_is_there() {
    let mut deleted = waiting("Acme");
    deleted.brand.deleted_at = Some(at(CHANGED));
    let (id, memory) = (deleted.brand.id.to_string(), store([deleted]));
    for (query, expected) in [
        ("", StatusCode::NOT_FOUND),
        ("with_deleted=false", StatusCode::NOT_FOUND),
        ("with_deleted=true", StatusCode::OK),
        ("with_deleted=1", StatusCode::BAD_REQUEST),
    ] {
        let (status, body) = answer(memory.clone(), retrieve(&id, query)).await;
        assert_eq!(status, expected, "{query}: {body}");
        if status == StatusCode::OK {
            let expected = json!({ "brand": {
                "id": id, "name": "Acme", "created_at": shown(CREATED),
                "updated_at": shown(CHANGED), "deleted_at": shown(CHANGED),
            }});
            assert_eq!(body, expected);
        }
    }
    let unknown = BrandId::new(Timestamp::now()).to_string();
    let (status, _) = answer(memory, retrieve(&unknown, "with_deleted=true")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// A row that has gone between the index and its table has no sync to show.
#[tokio::test]
async fn a_brand_that_has_gone_since_it_was_listed_is_shown_without_its_sync() {
    let (memory, brands) = some(2).await;
    let gone: &Brand = &brands[0];
    let store = Watched::new(memory).without_row(gone.id);
    let (_, body) = answer(store, list("fields=sync")).await;
    assert_eq!(body["brands"][0], json!({ "id": gone.id }));
    assert_eq!(body["brands"][1]["sync"]["state"], "waiting");
}
