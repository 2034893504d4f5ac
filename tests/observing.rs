//! What the system tells of itself: a trace from the request to the sync of its brand, and metrics.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use serde_json::{Value, json};
use system_tests::{Stack, answer, until};

/// The fields of the spans that a line was logged in, the outermost first.
fn spans(line: &Value) -> &[Value] {
    line["spans"].as_array().map_or(&[], Vec::as_slice)
}

fn span<'a>(line: &'a Value, name: &str) -> Option<&'a Value> {
    spans(line).iter().find(|span| span["name"] == name)
}

fn message(line: &Value) -> &str {
    let message = line.pointer("/fields/message");
    message.and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_clients_trace_leads_from_its_request_to_the_sync_of_its_brand() {
    let stack = Stack::connect().await;
    let trace_id = format!("{:032x}", fastrand::u128(1..));
    let traceparent = format!("00-{trace_id}-b7ad6b7169203331-01");
    let request = stack
        .creating(&json!({ "name": "Traced" }).to_string())
        .header("traceparent", traceparent);
    assert_eq!(answer(request).await.status(), 200);

    let of_trace = |line: &Value| {
        spans(line)
            .iter()
            .any(|span| span["trace_id"] == trace_id.as_str())
    };
    let lines = until("the end of the sync is logged", async || {
        let lines: Vec<_> = stack.log_lines().await;
        let lines: Vec<_> = lines.into_iter().filter(&of_trace).collect();
        let is_there = |text| lines.iter().any(|line| message(line) == text);
        (is_there("brand created") && is_there("brand synced")).then_some(lines)
    })
    .await;
    let line = |text: &str| lines.iter().find(|line| message(line).contains(text));

    let created = line("brand created").unwrap();
    assert!(span(created, "request").is_some(), "{created}");
    assert!(created["timestamp"].is_string(), "{created}");
    // One span for the message, with the run, the step and the attempt within it.
    let sending = line("Sending a POST request").unwrap();
    let [message, workflow, step] =
        ["message", "workflow", "step"].map(|name| span(sending, name).unwrap());
    assert!(message["message"].is_string(), "{message}");
    let run = workflow["run"].as_str().unwrap();
    let id = created.pointer("/fields/brand.id").unwrap();
    let id = id.as_str().unwrap();
    assert_eq!(run, format!("sync-brand-to-cms:{id}"));
    assert_eq!(step["step"], "sync-brand-to-cms");
    assert_eq!(step["attempt"], 1);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn each_invocation_tells_its_metrics_in_one_line_by_the_functions_own_name() {
    let stack = Stack::connect().await;
    stack.create_brand("Measured").await;
    let lines = until("both functions have told", async || {
        let lines = stack.log_lines().await;
        let has = |line: &Value, name| line["_aws"].is_object() && line[name].as_f64() >= Some(1.0);
        let find = |name| lines.iter().find(|line| has(line, name)).cloned();
        Some([find("created")?, find("runs_done")?])
    })
    .await;
    let [create, sync] = &lines;
    let names = |line: &Value| -> Vec<String> {
        let about = line.pointer("/_aws/CloudWatchMetrics/0").unwrap();
        assert_eq!(about["Namespace"], "BrandSync");
        assert_eq!(about["Dimensions"], json!([["function"]]));
        let metrics = about["Metrics"].as_array().unwrap();
        let name = |metric: &Value| metric["Name"].as_str().unwrap().to_owned();
        metrics.iter().map(name).collect()
    };
    assert_eq!(names(create), ["created", "announced"]);
    let synced = names(sync);
    for name in [
        "acknowledged",
        "runs_done",
        "step_attempts",
        "step_latency",
        "cms_requests",
        "cms_errors",
        "cms_latency",
    ] {
        assert!(synced.iter().any(|known| known == name), "{name}: {sync}");
    }
    // CloudFormation has it in a name like CreateBrandFunction, `cargo lambda watch` like create-brand.
    let function = |line: &Value| {
        let name = line["function"].as_str().unwrap();
        name.replace('-', "").to_lowercase()
    };
    assert!(function(create).contains("createbrand"), "{create}");
    assert!(function(sync).contains("syncbrand"), "{sync}");
}
