//! How it stands with the CMS.

use std::{sync::Arc, time::Duration};

use brand::{Brand, BrandName, BrandRow, Timestamp};
use circuit::{
    CallStore, Calls, CircuitBreaker, CircuitConfig, MemoryCircuitStore, Minute, WINDOW,
};
use lambda_http::http::StatusCode;
use query_brands::CmsStatus;
use serde_json::{Value, json};

use crate::world::{Faulty, answer, answer_with, get, moment, refused, store, synced, waiting};

const PATH: &str = "/admin/cms";
const MINUTE: u64 = 60_000;

#[tokio::test]
async fn the_circuit_the_rate_the_calls_and_what_is_not_synced_are_told() {
    let circuits = Arc::new(MemoryCircuitStore::default());
    let breaker = CircuitBreaker::new(circuits.clone(), "cms", CircuitConfig::default());
    let now = moment(Timestamp::now().as_millis());
    breaker.open("user_7", "maintenance", now).await.unwrap();
    let minute = Minute::of(now);
    let mut counted = [Calls::default(); WINDOW];
    let place = usize::try_from(now.as_millis() / MINUTE % 10).unwrap();
    counted[place] = Calls {
        calls: 4,
        errors: 1,
        limited: 1,
        latency_millis: 330,
    };
    let calls = circuits.add("cms", minute.window(), &counted);
    calls.await.unwrap();

    let brands = store([waiting("A"), waiting("B"), refused("C"), synced("D")]);
    let cms = CmsStatus::new(
        circuits,
        Arc::new(reconcile::MemoryReconciliationStore::default()),
        Some(7.5),
    );
    let (status, body) = answer_with(brands, cms, get(PATH, "")).await;
    let expected = json!({ "cms": {
        "circuit": {
            "state": "open", "by": "operator", "since": now.to_string(), "reason": "maintenance",
            "failed_probes": null, "next_probe_at": null, "changed_by": "user_7",
        },
        "calls": [{
            "minute": minute.begins_at().to_string(), "calls": 4, "errors": 1, "limited": 1, "latency_ms": 82,
        }],
        "requests_per_second": 7.5,
        "brands": { "waiting": 2, "needs_attention": 1 },
    }});
    assert_eq!((status, body), (StatusCode::OK, expected));
    let (_, body) = answer(store([]), get(PATH, "fields=")).await;
    assert_eq!(body["cms"]["requests_per_second"], Value::Null);
    assert_eq!(body["cms"]["circuit"]["state"], "closed");
}

/// The same row, created at that time.
fn created(row: BrandRow, created_at: Timestamp) -> BrandRow {
    let name = BrandName::parse(row.brand.name.as_str()).unwrap();
    let Brand { id, .. } = Brand::new(name, created_at);
    BrandRow {
        brand: Brand {
            id,
            created_at,
            ..row.brand
        },
        ..row
    }
}

#[tokio::test]
async fn the_activity_counts_the_brands_of_each_of_the_last_sixty_minutes_by_how_they_are_now() {
    let now = Timestamp::now();
    let ago = |minutes: u64| now.minus(Duration::from_mins(minutes));
    let minute_of = |at: Timestamp| {
        let begins = at.as_millis() / MINUTE * MINUTE;
        Timestamp::from_millis(begins).to_string()
    };
    let brands = store([
        created(synced("A"), ago(1)),
        created(synced("B"), ago(1)),
        created(waiting("C"), ago(1)),
        created(refused("D"), ago(1)),
        created(waiting("E"), ago(58)),
        // Too old, and of a clock that is ahead.
        created(synced("F"), ago(61)),
        created(waiting("G"), ago(61)),
        created(synced("H"), now.plus(Duration::from_mins(10))),
    ]);
    for asked in ["%2Bactivity", "+activity", "activity"] {
        let event = get(PATH, &format!("fields={asked}"));
        let (status, body) = answer(brands.clone(), event).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let activity = &body["cms"]["activity"];
        assert_eq!(activity["complete"], true);
        let minutes = activity["minutes"].as_array().unwrap();
        assert_eq!(minutes.len(), 60);
        let begins: Vec<u64> = minutes
            .iter()
            .map(|minute| {
                let begins: Timestamp = minute["minute"].as_str().unwrap().parse().unwrap();
                begins.as_millis()
            })
            .collect();
        assert!(begins.windows(2).all(|pair| pair[1] == pair[0] + MINUTE));
        let last = begins[59];
        assert!(last + 2 * MINUTE > Timestamp::now().as_millis());
        let counted: Vec<&Value> = minutes
            .iter()
            .filter(|minute| minute["created"] != 0)
            .collect();
        let expected = [
            json!({ "minute": minute_of(ago(58)), "created": 1, "synced": 0, "waiting": 1, "needs_attention": 0 }),
            json!({ "minute": minute_of(ago(1)), "created": 4, "synced": 2, "waiting": 1, "needs_attention": 1 }),
        ];
        assert_eq!(counted, expected.iter().collect::<Vec<&Value>>());
    }
}

#[tokio::test]
async fn an_activity_of_too_many_brands_says_that_it_is_not_complete() {
    let now = Timestamp::now().minus(Duration::from_mins(1));
    let brands = store((0..10_001).map(|_| created(synced("Acme"), now)));
    let (status, body) = answer(brands, get(PATH, "fields=activity")).await;
    assert_eq!(status, StatusCode::OK);
    let activity = &body["cms"]["activity"];
    assert_eq!(activity["complete"], false);
    let minutes = activity["minutes"].as_array().unwrap().iter();
    let created: u64 = minutes
        .map(|minute| minute["created"].as_u64().unwrap())
        .sum();
    assert_eq!(created, 10_000);
}

#[tokio::test]
async fn what_is_wrong_with_the_question_is_said() {
    for (query, expected) in [
        ("fields=calls", "Requested fields [calls] are not valid"),
        ("fields=%2Bcolor", "Requested fields [color] are not valid"),
        ("limit=1", "Invalid request: Unrecognized fields: 'limit'"),
        (
            "fields=activity&fields=activity",
            "Invalid request: Field 'fields' is given more than once",
        ),
    ] {
        let (status, body) = answer(store([]), get(PATH, query)).await;
        let expected = json!({ "type": "invalid_data", "message": expected });
        assert_eq!((status, body), (StatusCode::BAD_REQUEST, expected));
    }
}

#[tokio::test]
async fn brands_that_cannot_be_counted_are_an_unknown_error() {
    for query in ["", "fields=activity"] {
        let (status, body) = answer(Faulty::Away, get(PATH, query)).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!body.to_string().contains("secret"), "{body}");
    }
}
