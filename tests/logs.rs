//! What the functions have logged, as CloudWatch Logs keeps it.

use serde_json::{Value, json};

use crate::{Stack, admin};

impl Stack {
    /// All lines of all functions that are JSON. They are there once an invocation has ended.
    pub async fn log_lines(&self) -> Vec<Value> {
        let groups = self.ask_logs("DescribeLogGroups", json!({})).await;
        let mut lines = Vec::new();
        for group in array(&groups, "logGroups") {
            let mut next = None;
            loop {
                let page = json!({ "logGroupName": group["logGroupName"], "nextToken": next });
                let answer = self.ask_logs("FilterLogEvents", page).await;
                lines.extend(
                    array(&answer, "events")
                        .iter()
                        .filter_map(|event| event["message"].as_str())
                        .filter_map(|message| serde_json::from_str(message).ok()),
                );
                next = answer.get("nextToken").cloned();
                if next.is_none() {
                    break;
                }
            }
        }
        lines
    }

    async fn ask_logs(&self, what: &str, request: Value) -> Value {
        let answer = self
            .aws_request("logs", self.aws_url.clone())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Logs_20140328.{what}"))
            .body(request.to_string());
        let (status, body) = admin::json_answer(answer).await;
        assert_eq!(status, 200, "{body}");
        body
    }
}

fn array<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}
