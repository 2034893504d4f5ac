//! What the functions have logged: CloudWatch Logs has it, or files where `cargo lambda watch` runs the functions.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{Stack, admin};

impl Stack {
    /// All lines of all functions that are JSON. They are there once an invocation has ended.
    pub async fn log_lines(&self) -> Vec<Value> {
        if let Some(folder) = &self.function_logs {
            return lines_of_files(folder.as_ref());
        }
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

/// Those of all files in the folder. A line that is being written is not JSON yet.
fn lines_of_files(folder: &Path) -> Vec<Value> {
    let files = fs::read_dir(folder).expect("the folder of the functions' logs");
    let texts = files.map(|file| {
        let bytes = fs::read(file.expect("a log").path()).expect("a log");
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let read = |text: String| -> Vec<Value> {
        let lines = text.lines().map(serde_json::from_str);
        lines.filter_map(Result::ok).collect()
    };
    texts.flat_map(read).collect()
}

fn array<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}
