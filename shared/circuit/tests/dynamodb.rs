//! Circuits on DynamoDB: what they promise in memory, they promise there.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use circuit::{
    Change, CircuitBreaker, CircuitConfig, CircuitGate, ClosedBy, DynamoDbCircuitStore, Failure,
    Permit, conformance,
};
use config::Env;
use workflow::Timestamp;

fn store() -> DynamoDbCircuitStore {
    let mut env = Env::of_process();
    let table = env.text("CIRCUITS_TABLE");
    let table = env.finish(table).unwrap();
    let sdk = aws::sdk_config().unwrap();
    DynamoDbCircuitStore::new(aws_sdk_dynamodb::Client::new(&sdk), table)
}

/// The beginning of names that no other run of these tests has.
fn prefix() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("test-{}", now.as_nanos())
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn the_store_on_dynamodb_does_what_a_store_must() {
    let cases = conformance::check(&store(), &prefix()).await;
    println!("{cases} cases passed on DynamoDB");
    assert!(cases > 0);
    let cases = conformance::check_calls(&store(), &prefix()).await;
    println!("{cases} cases of calls passed on DynamoDB");
    assert!(cases > 0);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn failures_open_a_circuit_and_its_probe_closes_it() {
    let breaker = CircuitBreaker::new(Arc::new(store()), prefix(), CircuitConfig::default());
    let (one, other) = (
        CircuitGate::new(breaker.clone()),
        CircuitGate::new(breaker.clone()),
    );
    let now = Timestamp::from_millis(1_795_427_107_966);
    let mut changes = Vec::new();
    for number in 0..5 {
        let gate = if number % 2 == 0 { &one } else { &other };
        let brand = format!("brand-{number}");
        let failure = Failure {
            key: Some(&brand),
            cause: "503",
            retry_after: None,
            probe: None,
        };
        changes.push(gate.failed(failure, now).await);
    }
    assert_eq!(changes.last(), Some(&Some(Change::Opened)));
    assert!(matches!(one.permit(now, None).await, Permit::Open { .. }));

    let now = now.plus(Duration::from_mins(1));
    let circuit = breaker.load().await.unwrap();
    let probe = breaker.begin_probe(&circuit, now).await.unwrap();
    assert!(probe.is_some());
    let probe = probe.as_ref();
    assert_eq!(other.permit(now, probe).await, Permit::Allowed);
    assert_eq!(other.succeeded(now, probe).await, Some(Change::Closed));
    assert_eq!(one.permit(now, None).await, Permit::Allowed);
    let closed = breaker.load().await.unwrap().closed.unwrap();
    assert_eq!(closed.by, ClosedBy::Probe);
}
