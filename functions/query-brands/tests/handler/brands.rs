//! Brands: one of them, and lists.

use std::{env, process::Command, time::Duration};

use brand::{Brand, BrandId, BrandName, BrandWriter, MemoryBrandStore, Timestamp};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use crate::world::{Faulty, Watched, answer, get, list, response, retrieve, some};

const WIRE: &str = include_str!("../../../../tests/wire/medusa.json");

pub(crate) async fn message(query: &str) -> String {
    let (status, body) = answer(MemoryBrandStore::new(), list(query)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {body}");
    assert_eq!(body["type"], "invalid_data", "{query}");
    body["message"].as_str().unwrap().to_owned()
}

/// The recorded answers of a real Medusa to GET /admin/brands.
#[tokio::test]
async fn every_recorded_list_is_answered_as_medusa_does_or_as_is_recorded_to_be_stricter() {
    let wire: Value = serde_json::from_str(WIRE).unwrap();
    let (store, brands) = some(8).await;
    let mut replayed = 0;
    for case in wire["cases"].as_array().unwrap() {
        let query = case["path"]
            .as_str()
            .unwrap()
            .strip_prefix("/admin/brands?");
        let Some(query) = query.filter(|_| case["method"] == "GET") else {
            continue;
        };
        let (status, body) = answer(store.clone(), list(query)).await;
        let wanted = case.get("want_status").unwrap_or(&case["medusa_status"]);
        assert_eq!(json!(status.as_u16()), *wanted, "{query}: {body}");
        if status == StatusCode::OK {
            let mut expected = case["medusa_body"].clone();
            let shown = expected["brands"].as_array_mut().unwrap();
            for (shown, brand) in shown.iter_mut().zip([&brands[7], &brands[6]]) {
                shown["id"] = json!(brand.id);
                shown["name"] = json!(brand.name);
            }
            assert_eq!(body, expected, "{query}");
        } else if case["stricter"] == true {
            assert_eq!(body["type"], "invalid_data", "{query}");
        } else {
            assert_eq!(body, case["medusa_body"], "{query}");
        }
        replayed += 1;
    }
    assert_eq!(replayed, 5, "recorded lists");
}

#[tokio::test]
async fn what_has_no_route_is_not_found_and_a_slash_at_the_end_makes_no_difference() {
    let (store, brands) = some(1).await;
    let id = &brands[0].id;
    for (path, status) in [
        ("/admin/brands/", StatusCode::OK),
        (&format!("/admin/brands/{id}/"), StatusCode::OK),
        ("/admin/brands//", StatusCode::NOT_FOUND),
        ("/admin//brands", StatusCode::NOT_FOUND),
        ("/admin/nosuch", StatusCode::NOT_FOUND),
        (&format!("/admin/brands/{id}/more"), StatusCode::NOT_FOUND),
    ] {
        let mut event = list("");
        event["rawPath"] = path.into();
        let response = response(store.clone(), event).await;
        assert_eq!(response.status(), status, "{path}");
    }
}

#[tokio::test]
async fn without_a_good_token_nothing_is_answered_not_even_what_is_wrong_with_the_request() {
    for mut event in [list("nosuch=1"), retrieve("nobody", "")] {
        event["headers"]["authorization"] = "Bearer not.a.token".into();
        let (status, body) = answer(MemoryBrandStore::new(), event).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(body, json!({ "message": "Unauthorized" }));
    }
}

#[tokio::test]
async fn a_list_begins_with_the_oldest_twenty_unless_it_is_asked_for_others() {
    let (store, brands) = some(30).await;
    let (status, body) = answer(store.clone(), list("")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["brands"].as_array().unwrap().len(), 20);
    assert_eq!(body["brands"][0]["id"], json!(brands[0].id));
    let (count, limit, offset) = (&body["count"], &body["limit"], &body["offset"]);
    assert_eq!((count, limit, offset), (&json!(30), &json!(20), &json!(0)));

    let query = "offset=2&limit=2&order=-name&q=RAND+1&fields=%2Bcreated_at,-products";
    let (_, body) = answer(store, list(query)).await;
    let shown = |brand: &Brand| json!({ "id": brand.id, "name": brand.name, "created_at": brand.created_at });
    let expected = json!({
        "brands": [shown(&brands[17]), shown(&brands[16])],
        "count": 11,
        "limit": 2,
        "offset": 2,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_cursors_of_a_list_lead_through_all_of_it_once() {
    let (store, mut brands) = some(25).await;
    for order in ["created_at", "-created_at"] {
        let mut listed = Vec::new();
        let mut cursor = String::new();
        loop {
            let query = format!("order={order}&limit=10&after={cursor}&fields=name");
            let (status, body) = answer(store.clone(), list(&query)).await;
            assert_eq!(status, StatusCode::OK, "{body}");
            let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["brands", "limit", "next"], "no count, no offset");
            listed.extend(body["brands"].as_array().unwrap().clone());
            match body["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        let shown = |brand: &Brand| json!({ "id": brand.id, "name": brand.name });
        let expected: Vec<Value> = brands.iter().map(shown).collect();
        assert_eq!(listed, expected, "{order}");
        brands.reverse();
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_list_is_said_in_medusas_words_and_all_at_once() {
    let expected = [
        (
            "limit=x&order=id&offset=-1&color=red&size=1",
            "Invalid request: Value for field 'offset' too small, expected at least: '0'; \
             Expected type: 'number' for field 'limit', got: 'x'; Unrecognized fields: 'color, size'",
        ),
        (
            "limit=-1",
            "Invalid request: Value for field 'limit' too small, expected at least: '0'",
        ),
        (
            "limit=0&after=",
            "Invalid request: Field 'after' leads nowhere with the limit '0'",
        ),
        (
            "limit=101",
            "Invalid request: Value for field 'limit' too big, expected at most: '100'",
        ),
        (
            "limit=99999999999999999999",
            "Invalid request: Value for field 'limit' too big, expected at most: '100'",
        ),
        (
            "limit=",
            "Invalid request: Expected type: 'number' for field 'limit', got: ''",
        ),
        (
            "limit=1.5",
            "Invalid request: Expected type: 'number' for field 'limit', got: '1.5'",
        ),
        (
            "limit=1&limit=2",
            "Invalid request: Field 'limit' is given more than once",
        ),
        ("order=color", "Order field color is not valid"),
        ("order=-", "Order field  is not valid"),
        ("fields=id,color", "Requested fields [color] are not valid"),
    ];
    for (query, expected) in expected {
        assert_eq!(message(query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn an_offset_that_is_too_great_is_told_of_the_cursor() {
    for offset in ["10001", "4294967296"] {
        let message = message(&format!("offset={offset}")).await;
        let expected = "Invalid request: Value for field 'offset' too big, expected at most: '10000'; Field 'after' goes further";
        assert!(message.starts_with(expected), "{message}");
    }
    let (status, _) = answer(MemoryBrandStore::new(), list("offset=10000")).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_cursor_is_taken_only_where_it_belongs() {
    let (store, _) = some(2).await;
    let (_, body) = answer(store, list("limit=1&after=")).await;
    let cursor = body["next"].as_str().unwrap();
    let refused = [
        (format!("after={cursor}&order=name"), "goes with the orders"),
        ("after=&order=id".to_owned(), "goes with the orders"),
        (
            format!("after={cursor}&order=-created_at"),
            "the other order",
        ),
        (format!("after={cursor}&offset=0"), "exclude each other"),
        (format!("after={cursor}x"), "holds no cursor"),
        ("after=nonsense".to_owned(), "holds no cursor"),
    ];
    for (query, expected) in refused {
        let message = message(&query).await;
        assert!(message.contains(expected), "{query}: {message}");
    }
}

#[tokio::test]
async fn a_list_by_number_leaves_out_a_row_that_cannot_be_read() {
    let (store, brands) = some(2).await;
    let (status, body) = answer(Watched::damaged(store), list("fields=name")).await;
    let shown = |brand: &Brand| json!({ "id": brand.id, "name": brand.name });
    let expected = json!({
        "brands": [shown(&brands[0]), shown(&brands[1])],
        "count": 2,
        "limit": 20,
        "offset": 0,
    });
    assert_eq!((status, body), (StatusCode::OK, expected));
}

#[tokio::test]
async fn a_list_by_cursor_leaves_out_a_row_that_cannot_be_read() {
    let (store, brands) = some(1).await;
    let (status, body) = answer(Watched::damaged(store), list("after=&fields=name")).await;
    let shown = json!({ "id": brands[0].id, "name": brands[0].name });
    let expected = json!({ "brands": [shown], "limit": 20, "next": null });
    assert_eq!((status, body), (StatusCode::OK, expected));
}

/// Metrics go to standard output, so these tests are run once more, in a process of their own.
#[test]
fn each_row_that_a_list_leaves_out_is_counted() {
    let mut tests = Command::new(env::current_exe().unwrap());
    let output = tests.args(["leaves_out_a_row", "--nocapture"]).output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    let metrics = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok());
    let mut counted: Vec<Value> = metrics
        .map(|line| json!([line["listed"], line["followed"], line["unreadable"]]))
        .collect();
    counted.sort_by_key(ToString::to_string);
    let followed = json!([null, 1, 1]);
    let expected = [json!([1, null, 1]), followed.clone(), followed];
    assert_eq!(counted, expected, "{output}");
}

#[tokio::test]
async fn a_brand_is_answered_as_creating_it_is_or_with_the_fields_that_are_asked_for() {
    let (store, brands) = some(1).await;
    let brand = &brands[0];
    let (status, body) = answer(store.clone(), retrieve(&brand.id.to_string(), "")).await;
    let expected = json!({ "brand": {
        "id": brand.id,
        "name": "Brand 0",
        "created_at": brand.created_at,
        "updated_at": brand.updated_at,
        "deleted_at": null,
    }});
    assert_eq!((status, body), (StatusCode::OK, expected));
    let query = "fields=name,products.*";
    let (_, body) = answer(store, retrieve(&brand.id.to_string(), query)).await;
    let expected = json!({ "brand": { "id": brand.id, "name": "Brand 0", "products": [] } });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_brand_is_answered_with_the_entity_tag_that_a_change_of_it_expects() {
    let (store, brands) = some(1).await;
    let id = brands[0].id;
    let event = retrieve(&id.to_string(), "fields=id");
    let created = response(store.clone(), event.clone()).await;
    assert_eq!(created.headers()["etag"], "\"1\"");
    let name = BrandName::parse("Renamed").unwrap();
    store
        .update(id, &name, Some(1), Timestamp::now())
        .await
        .unwrap();
    let renamed = response(store, event).await;
    assert_eq!(renamed.headers()["etag"], "\"2\"");
}

#[tokio::test]
async fn a_brand_that_is_unknown_or_deleted_or_no_brand_at_all_is_not_found() {
    let (store, brands) = some(1).await;
    let deleted = brands[0].id;
    store.delete(deleted, None, Timestamp::now()).await.unwrap();
    let unknown = BrandId::new(Timestamp::now());
    for id in [
        deleted.to_string(),
        unknown.to_string(),
        "brand_01".to_owned(),
        "x".repeat(100),
    ] {
        let (status, body) = answer(store.clone(), retrieve(&id, "")).await;
        let message = format!("Brand with id: {id} was not found");
        let expected = json!({ "type": "not_found", "message": message });
        assert_eq!((status, body), (StatusCode::NOT_FOUND, expected));
    }
    let (_, body) = answer(store, retrieve(&"x".repeat(5000), "")).await;
    assert!(body.to_string().len() < 200, "{body}");
}

#[tokio::test]
async fn a_single_brand_takes_no_parameter_but_fields_and_with_deleted() {
    let (status, body) = answer(MemoryBrandStore::new(), retrieve("x", "limit=1")).await;
    let expected = json!({ "type": "invalid_data", "message": "Invalid request: Unrecognized fields: 'limit'" });
    assert_eq!((status, body), (StatusCode::BAD_REQUEST, expected));
}

#[tokio::test]
async fn a_table_that_is_away_answers_500_without_detail() {
    let expected = json!({ "code": "unknown_error", "type": "unknown_error", "message": "An unknown error occurred." });
    let id = BrandId::new(Timestamp::now()).to_string();
    for event in [
        list(""),
        list("after="),
        list("sync=waiting"),
        retrieve(&id, ""),
        get("/admin/workflows-executions", ""),
        get(
            &format!("/admin/workflows-executions/sync-brand-to-cms/{id}"),
            "",
        ),
    ] {
        let (status, body) = answer(Faulty::Away, event).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_hangs_is_not_waited_for_for_ever() {
    let begun = tokio::time::Instant::now();
    let (status, _) = answer(Faulty::Hangs, list("")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(begun.elapsed() < Duration::from_secs(10));
}
