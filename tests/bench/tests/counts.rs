//! What the functions cost in what can be counted: calls, connections and instructions do not vary, as times do.
//!
//! The functions are those that `make test` builds, for the dev profile: calls and connections are the same for the release,
//! and of instructions it shows what a change adds. `make bench` counts those of the release.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use std::path::PathBuf;

use bench::{Event, Function, Service, Stage};

fn function(name: &str) -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    PathBuf::from(format!("{root}/target/lambda/{name}/bootstrap"))
}

fn started(stage: &Stage, name: &str) -> Function {
    let mut function = Function::start(stage, &[&function(name)], None, None).unwrap();
    function.asked().unwrap();
    function
}

#[test]
#[ignore = "needs the functions: make test"]
fn create_brand_opens_three_connections_at_its_start_and_none_later_and_makes_two_calls() {
    let stage = Stage::start("create").unwrap();
    let mut create_brand = started(&stage, "create-brand");
    let start = stage.counts();
    assert_eq!(start.calls(), "GetItem 1, GetSecretValue 1");
    assert_eq!(
        start.pings(),
        1,
        "that of SQS: the read of the list is DynamoDB's"
    );
    assert_eq!(start.connections(), "DynamoDB 1, SQS 1, Secrets Manager 1");
    for _ in 0..20 {
        let event = Event::CreateBrand.text(&stage).unwrap();
        let (_, answer) = create_brand.invoke(event).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
    let invocations = stage.counts().since(&start);
    assert_eq!(invocations.calls(), "PutItem 20, SendMessage 20");
    assert_eq!(invocations.connections(), "", "connections are kept");
}

#[test]
#[ignore = "needs the functions: make test"]
fn sync_brand_opens_a_connection_to_the_cms_with_its_first_message_and_makes_three_calls_for_each()
{
    let stage = Stage::start("sync").unwrap();
    let mut sync_brand = started(&stage, "sync-brand");
    let start = stage.counts();
    assert_eq!(start.calls(), "GetSecretValue 1");
    assert_eq!(start.connections(), "DynamoDB 1, Secrets Manager 1");
    for _ in 0..20 {
        invoke(&mut sync_brand, &stage, 1);
    }
    let one_by_one = stage.counts().since(&start);
    let calls = "GetItem 20, UpdateItem 40, POST 20";
    assert_eq!(one_by_one.calls(), calls);
    assert_eq!(one_by_one.connections(), "CMS 1");
}

#[test]
#[ignore = "needs the functions: make test"]
fn a_batch_of_ten_takes_the_calls_of_ten_and_its_connections_are_kept() {
    let stage = Stage::start("batch").unwrap();
    let mut sync_brand = started(&stage, "sync-brand");
    let start = stage.counts();
    invoke(&mut sync_brand, &stage, 10);
    let batch = stage.counts().since(&start);
    let calls = "GetItem 10, UpdateItem 20, POST 10";
    assert_eq!(batch.calls(), calls);
    // Whoever waits for a connection takes one that is given back meanwhile; the one that was being made is kept as well. So
    // there may be more than ten to each of the two, and how many varies.
    assert!(batch.connections_in_all() <= 40, "{batch}");
    let before = stage.counts();
    for _ in 0..20 {
        invoke(&mut sync_brand, &stage, 1);
    }
    assert_eq!(stage.counts().since(&before).connections(), "");
}

fn invoke(sync_brand: &mut Function, stage: &Stage, messages: usize) {
    let event = Event::BrandsCreated(messages).text(stage).unwrap();
    let (_, answer) = sync_brand.invoke(event).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(
        answer["batchItemFailures"],
        serde_json::json!([]),
        "{answer}"
    );
}

#[test]
#[ignore = "needs the functions: make test"]
fn a_function_starts_even_if_dynamodb_and_sqs_are_away() {
    let mut stage = Stage::start("away").unwrap();
    stage.take_away(Service::DynamoDb).unwrap();
    stage.take_away(Service::Sqs).unwrap();
    for name in ["create-brand", "change-brand", "query-brands", "sync-brand"] {
        started(&stage, name);
    }
    assert_eq!(stage.counts().connections(), "Secrets Manager 4");
}

/// How many KiB a function's memory may grow by while it answers so many invocations, each of another trace.
const GROWTH: u64 = 512;

#[test]
#[ignore = "needs the functions: make test"]
fn the_memory_of_a_function_stays_where_it_is() {
    for (name, event, invocations) in [
        // It hashes a password each time, in 19 MiB.
        ("sign-in", Event::SignIn, 200),
        // With an environment variable set for each, it took 900 KiB more.
        ("create-brand", Event::CreateBrand, 5_000),
    ] {
        let stage = Stage::start("memory").unwrap();
        let mut function = started(&stage, name);
        let mut invoke = |times| {
            for _ in 0..times {
                function.invoke(event.text(&stage).unwrap()).unwrap();
            }
            function.memory().unwrap()
        };
        let begun = invoke(50);
        let ended = invoke(invocations);
        eprintln!("{name}: {begun} KiB, {ended} KiB after {invocations} invocations");
        assert!(
            ended < begun + GROWTH,
            "{name}: {begun} KiB, then {ended} KiB"
        );
    }
}

/// What a warm create may take in the dev profile, in millions of instructions: 8.6 were counted, and a quarter more is allowed.
const CREATE_BRAND: u64 = 11;

#[test]
#[ignore = "needs the functions: make test"]
fn a_warm_create_takes_no_more_instructions_than_it_did() {
    let stage = Stage::start("instructions").unwrap();
    let executable = function("create-brand");
    let Some(counted) = bench::instructions(&stage, &executable, Event::CreateBrand).unwrap()
    else {
        eprintln!("left out: instructions are counted by valgrind, which is not installed");
        return;
    };
    eprintln!("a warm create takes {counted} instructions");
    assert!(counted <= CREATE_BRAND * 1_000_000, "{counted}");
}
