//! Runs, as Medusa shows its workflow executions.

use std::collections::BTreeMap;

use brand::{BrandId, BrandRow, MemoryBrandStore, SubscriberState, Timestamp};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use workflow::{Run, RunState, StepState};

use crate::world::{
    BEGAN, CHANGED, ENDED, FAILED, Watched, answer, at, get, record, refused, response, row, run,
    second_synced, shown, store, synced, waiting,
};

const PATH: &str = "/admin/workflows-executions";
const STEP: &str = "_root.sync-brand-to-cms";

async fn executions(memory: &MemoryBrandStore, query: &str) -> Value {
    let (status, body) = answer(memory.clone(), get(PATH, query)).await;
    assert_eq!(status, StatusCode::OK, "{query}: {body}");
    body
}

/// The ids of the brands that are listed.
async fn listed(memory: &MemoryBrandStore, query: &str) -> Vec<String> {
    let body = executions(memory, query).await;
    let executions = body["workflow_executions"].as_array().unwrap().iter();
    executions
        .map(|execution| execution["transaction_id"].as_str().unwrap().to_owned())
        .collect()
}

async fn execution(row: &BrandRow) -> Value {
    let id = row.brand.id;
    let event = get(&format!("{PATH}/sync-brand-to-cms/{id}"), "");
    let (status, mut body) = answer(store([row.clone()]), event).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["workflow_execution"].take()
}

#[tokio::test]
async fn a_run_that_waits_is_shown_as_medusa_shows_it_by_both_paths() {
    let row = waiting("Acme");
    let id = row.brand.id;
    let expected = json!({ "workflow_execution": {
        "id": format!("sync-brand-to-cms:{id}"),
        "workflow_id": "sync-brand-to-cms",
        "transaction_id": id,
        "state": "invoking",
        "execution": { "steps": {
            "_root": {
                "id": "_root", "depth": 0, "definition": {}, "startedAt": BEGAN,
                "invoke": { "state": "done", "status": "ok" },
                "compensate": { "state": "dormant", "status": "idle" },
                "next": [STEP],
            },
            STEP: {
                "id": STEP, "depth": 1, "definition": { "noCompensation": false }, "startedAt": BEGAN,
                "attempts": 4, "compensations": 0,
                "invoke": { "state": "invoking", "status": "temp_failure" },
                "compensate": { "state": "dormant", "status": "idle" },
                "next": [],
            },
        }},
        "context": {
            "data": { "invoke": {}, "payload": { "version": 3 } },
            "compensate": {},
            "errors": [
                { "action": "sync-brand-to-cms", "handlerType": "invoke", "error": { "message": "500", "at": shown(FAILED) } },
                { "action": "sync-brand-to-cms", "handlerType": "invoke", "error": { "message": "503", "at": shown(FAILED) } },
            ],
        },
        "resume_at": "2100-01-01T00:00:00.000Z",
        "paused_at": null,
        "cancel_requested_at": null,
        "ended_at": null,
        "suspensions": 2,
        "created_at": shown(BEGAN),
        "updated_at": shown(FAILED),
        "deleted_at": null,
    }});
    let memory = store([row]);
    for path in [
        format!("{PATH}/sync-brand-to-cms/{id}"),
        format!("{PATH}/sync-brand-to-cms:{id}"),
        format!("{PATH}/sync-brand-to-cms%3A{id}"),
    ] {
        let (status, body) = answer(memory.clone(), get(&path, "")).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        assert_eq!(body, expected, "{path}");
    }
}

#[tokio::test]
async fn the_last_run_is_shown_where_there_is_no_current_one() {
    for (row, state) in [(refused("Acme"), "reverted"), (synced("Acme"), "done")] {
        let execution = execution(&row).await;
        assert_eq!(execution["state"], state);
        assert_eq!(execution["ended_at"], shown(ENDED));
        assert_eq!(execution["updated_at"], shown(ENDED));
        assert_eq!(
            execution["context"]["data"]["payload"],
            json!({ "version": 3 })
        );
    }
}

#[tokio::test]
async fn a_row_without_a_record_says_what_its_state_says() {
    let not_begun = BrandRow {
        subscribers: BTreeMap::new(),
        ..row("Acme", SubscriberState::default())
    };
    let synced = SubscriberState {
        reached: 3,
        ..SubscriberState::default()
    };
    let unrecorded = |row: BrandRow| {
        let mut row = row;
        row.subscribers.get_mut("cms").unwrap().last = None;
        row
    };
    for (row, state) in [
        (not_begun, "not_started"),
        (row("Acme", synced), "done"),
        (unrecorded(refused("Acme")), "reverted"),
    ] {
        let execution = execution(&row).await;
        assert_eq!(execution["state"], state);
        assert_eq!(execution["execution"], json!({ "steps": {} }));
        let context =
            json!({ "data": { "invoke": {}, "payload": null }, "compensate": {}, "errors": [] });
        assert_eq!(execution["context"], context);
        for moment in ["created_at", "updated_at"] {
            assert_eq!(execution[moment], shown(CHANGED));
        }
    }
}

#[tokio::test]
async fn how_far_a_step_is_is_said_in_medusas_words() {
    let invoked = |state: &str, status: &str| json!({ "state": state, "status": status });
    let (dormant, failed) = (
        invoked("dormant", "idle"),
        invoked("failed", "permanent_failure"),
    );
    let (now, reverted) = ("waiting_response", invoked("reverted", "ok"));
    let compensating = invoked("compensating", now);
    for (run_state, step_state, invoke, compensate) in [
        (
            RunState::Invoking,
            StepState::Invoking,
            invoked("invoking", now),
            &dormant,
        ),
        (
            RunState::Done,
            StepState::Done,
            invoked("done", "ok"),
            &dormant,
        ),
        (
            RunState::Compensating,
            StepState::Failed,
            failed.clone(),
            &compensating,
        ),
        (
            RunState::Compensating,
            StepState::Invoking,
            failed.clone(),
            &compensating,
        ),
        (
            RunState::Compensating,
            StepState::Done,
            invoked("done", "ok"),
            &compensating,
        ),
        (
            RunState::Reverted,
            StepState::Reverted,
            failed.clone(),
            &reverted,
        ),
        (
            RunState::Failed,
            StepState::CompensationFailed,
            failed.clone(),
            &failed,
        ),
    ] {
        let mut run = Run {
            state: run_state,
            ..run()
        };
        run.steps[0].state = step_state;
        let state = SubscriberState {
            run: record(&run),
            ..second_synced()
        };
        let execution = execution(&row("Acme", state)).await;
        assert_eq!(execution["state"], run_state.as_str());
        let step = &execution["execution"]["steps"][STEP];
        assert_eq!(step["invoke"], invoke, "{run_state} {step_state:?}");
        assert_eq!(
            step["compensate"], *compensate,
            "{run_state} {step_state:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_execution_is_not_found() {
    let memory = store([waiting("Acme")]);
    let id = memory.all_rows()[0].brand.id;
    let unknown = BrandId::new(Timestamp::now());
    for (path, id) in [
        (
            format!("sync-brand-to-cms/{unknown}"),
            format!("sync-brand-to-cms:{unknown}"),
        ),
        (
            format!("sync-brand-to-cms:{unknown}"),
            format!("sync-brand-to-cms:{unknown}"),
        ),
        (format!("another/{id}"), format!("another:{id}")),
        (format!("another:{id}"), format!("another:{id}")),
        ("nosuch".to_owned(), "nosuch".to_owned()),
        (id.to_string(), id.to_string()),
        ("x".repeat(5000), "x".repeat(100)),
    ] {
        let event = get(&format!("{PATH}/{path}"), "");
        let (status, body) = answer(memory.clone(), event).await;
        let message = format!("WorkflowExecution with id: {id} was not found");
        let expected = json!({ "type": "not_found", "message": message });
        assert_eq!((status, body), (StatusCode::NOT_FOUND, expected));
    }
    let event = get(&format!("{PATH}/sync-brand-to-cms/{id}/more"), "");
    assert_eq!(
        response(memory, event).await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn only_the_fields_that_are_asked_for_are_shown() {
    let row = waiting("Acme");
    let path = format!("{PATH}/sync-brand-to-cms/{}", row.brand.id);
    let memory = store([row]);
    let keys = async |path: &str, query: &str| {
        let (status, body) = answer(memory.clone(), get(path, query)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let one = body.get("workflow_execution");
        let shown = one.unwrap_or_else(|| &body["workflow_executions"][0]);
        shown
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<String>>()
    };
    for path in [&*path, PATH] {
        assert_eq!(keys(path, "fields=state").await, ["id", "state"]);
        let within = keys(path, "fields=execution.steps,state").await;
        assert_eq!(within, ["execution", "id", "state"]);
        let all = keys(path, "").await;
        assert_eq!(all.len(), 14);
        assert_eq!(keys(path, "fields=%2Bcontext,*execution").await, all);
        let less = keys(path, "fields=-context,-execution").await;
        assert_eq!(less.len(), 12);
        let (status, body) = answer(memory.clone(), get(path, "fields=state,color,-size")).await;
        let message = "Requested fields [color, size] are not valid";
        let expected = json!({ "type": "invalid_data", "message": message });
        assert_eq!(
            (status, body),
            (StatusCode::BAD_REQUEST, expected),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_list_has_the_runs_that_are_not_over_or_need_attention() {
    let rows = [waiting("A"), refused("B"), synced("C")];
    let [waiting, refused, synced] = rows.each_ref().map(|row| row.brand.id.to_string());
    let memory = store(rows);
    let mut unsynced = vec![waiting.clone(), refused.clone()];
    unsynced.sort();
    assert_eq!(listed(&memory, "").await, unsynced);
    let all = executions(&memory, "").await;
    let paging = (&all["count"], &all["limit"], &all["offset"]);
    assert_eq!(paging, (&json!(2), &json!(100), &json!(0)));
    for (query, expected) in [
        ("state=invoking".to_owned(), vec![waiting.clone()]),
        (
            "state=reverted&state=done".to_owned(),
            vec![refused.clone()],
        ),
        (
            "state[]=reverted&state[]=invoking".to_owned(),
            unsynced.clone(),
        ),
        ("state=nosuch".to_owned(), vec![]),
        ("workflow_id=sync-brand-to-cms".to_owned(), unsynced.clone()),
        (
            "workflow_id=a&workflow_id[1]=sync-brand-to-cms".to_owned(),
            unsynced.clone(),
        ),
        ("workflow_id=another".to_owned(), vec![]),
        (
            format!("q={}", waiting.to_uppercase()),
            vec![waiting.clone()],
        ),
        ("q=SYNC-brand".to_owned(), unsynced.clone()),
        ("q=nosuch".to_owned(), vec![]),
        ("q=".to_owned(), unsynced.clone()),
        (format!("transaction_id={refused}"), vec![refused.clone()]),
        (
            format!("transaction_id[]={refused}&transaction_id[]={refused}"),
            vec![refused.clone()],
        ),
        // One that is done is there where it is asked for.
        (
            format!("transaction_id[0]={synced}&transaction_id[1]=x"),
            vec![synced.clone()],
        ),
        (format!("transaction_id={synced}&state=invoking"), vec![]),
        (
            format!("transaction_id={synced}&workflow_id=another"),
            vec![],
        ),
    ] {
        assert_eq!(listed(&memory, &query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_page_of_executions_is_cut_from_what_is_counted() {
    let memory = store((0..7).map(|_| waiting("Acme")).chain([refused("Acme")]));
    let all = listed(&memory, "").await;
    assert_eq!(all.len(), 8);
    let page = executions(&memory, "limit=3&offset=2").await;
    let paging = (&page["count"], &page["limit"], &page["offset"]);
    assert_eq!(paging, (&json!(8), &json!(3), &json!(2)));
    assert_eq!(listed(&memory, "limit=3&offset=2").await, all[2..5]);
    assert_eq!(listed(&memory, "offset=8").await, [""; 0]);
    assert_eq!(listed(&memory, "limit=0").await, [""; 0]);
    let page = executions(&memory, "state=invoking&limit=2&offset=6").await;
    assert_eq!(page["count"], 7, "those in that state");
    assert_eq!(page["workflow_executions"].as_array().unwrap().len(), 1);
    let (status, body) = answer(memory, get(PATH, "limit=101&offset=-1&color=red")).await;
    let message = "Invalid request: Value for field 'limit' too big, expected at most: '100'; \
                   Value for field 'offset' too small, expected at least: '0'; Unrecognized fields: 'color'";
    let expected = json!({ "type": "invalid_data", "message": message });
    assert_eq!((status, body), (StatusCode::BAD_REQUEST, expected));
}

#[tokio::test]
async fn executions_of_deleted_brands_are_shown_and_unreadable_rows_are_not() {
    let mut deleted = waiting("Acme");
    deleted.brand.deleted_at = Some(at(CHANGED));
    let execution = execution(&deleted).await;
    assert_eq!(
        execution["deleted_at"],
        Value::Null,
        "the run is not deleted"
    );
    let (status, body) = answer(Watched::damaged(store([deleted])), get(PATH, "")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["workflow_executions"].as_array().unwrap().len(), 1);
}
