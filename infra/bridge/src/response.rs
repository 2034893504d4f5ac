//! What a function that reports batch item failures says of a batch.
//!
//! Rules: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>

use std::collections::BTreeSet;

use serde_json::Value;
use thiserror::Error;

/// Why a response says nothing that can be relied on: Lambda counts the whole batch as failed then.
#[derive(Debug, Error)]
pub enum Malformed {
    /// It is no JSON.
    #[error("the response is no JSON")]
    NotJson(#[source] serde_json::Error),
    /// It is neither an object nor null.
    #[error("the response is no object")]
    NoObject,
    /// The failures are no list.
    #[error("batchItemFailures is no list")]
    NoList,
    /// A failure does not name its message.
    #[error("a failure has no itemIdentifier")]
    NoIdentifier,
    /// A failure names a message that the batch did not have.
    #[error("itemIdentifier {0:?} is no message of the batch")]
    Unknown(String),
}

/// The ids of the messages that are to be delivered again; the others of the batch are done with.
///
/// No failures are: none, null, an empty object, or an empty or missing list.
pub fn failures(response: &[u8], batch: &BTreeSet<String>) -> Result<BTreeSet<String>, Malformed> {
    let response: Value = serde_json::from_slice(response).map_err(Malformed::NotJson)?;
    let reported = match &response {
        Value::Null => return Ok(BTreeSet::new()),
        Value::Object(response) => response.get("batchItemFailures"),
        _ => return Err(Malformed::NoObject),
    };
    match reported {
        None | Some(Value::Null) => Ok(BTreeSet::new()),
        Some(Value::Array(failures)) => failures.iter().map(|one| named(one, batch)).collect(),
        Some(_) => Err(Malformed::NoList),
    }
}

fn named(failure: &Value, batch: &BTreeSet<String>) -> Result<String, Malformed> {
    let id = failure.get("itemIdentifier").and_then(Value::as_str);
    let id = id
        .filter(|id| !id.is_empty())
        .ok_or(Malformed::NoIdentifier)?;
    if batch.contains(id) {
        Ok(id.to_owned())
    } else {
        Err(Malformed::Unknown(id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{any, prop_assert, proptest};

    use super::failures;

    fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
        ids.map(str::to_owned).into()
    }

    fn failed(response: &str) -> Result<BTreeSet<String>, String> {
        let failed = failures(response.as_bytes(), &ids(["a", "b", "c"]));
        failed.map_err(|malformed| malformed.to_string())
    }

    #[test]
    fn an_empty_response_is_a_success_of_the_whole_batch() {
        for response in [
            "null",
            "{}",
            r#"{"batchItemFailures": []}"#,
            r#"{"batchItemFailures": null}"#,
            r#"{"other": 1}"#,
        ] {
            assert_eq!(failed(response), Ok(ids([])), "{response}");
        }
    }

    #[test]
    fn those_that_are_named_have_failed_and_no_others() {
        let response =
            r#"{"batchItemFailures": [{"itemIdentifier": "c"}, {"itemIdentifier": "a"}]}"#;
        assert_eq!(failed(response), Ok(ids(["a", "c"])));
        let twice = r#"{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "b"}]}"#;
        assert_eq!(failed(twice), Ok(ids(["b"])));
    }

    #[test]
    fn a_malformed_response_is_a_failure_of_the_whole_batch() {
        let cases = [
            ("", "the response is no JSON"),
            ("ok", "the response is no JSON"),
            (r#""ok""#, "the response is no object"),
            ("[]", "the response is no object"),
            (
                r#"{"batchItemFailures": "a"}"#,
                "batchItemFailures is no list",
            ),
            (
                r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,
                "a failure has no itemIdentifier",
            ),
            (
                r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,
                "a failure has no itemIdentifier",
            ),
            (
                r#"{"batchItemFailures": [{"itemIdentifier": 1}]}"#,
                "a failure has no itemIdentifier",
            ),
            (
                r#"{"batchItemFailures": [{"itemId": "a"}]}"#,
                "a failure has no itemIdentifier",
            ),
            (
                r#"{"batchItemFailures": ["a"]}"#,
                "a failure has no itemIdentifier",
            ),
            (
                r#"{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "z"}]}"#,
                r#"itemIdentifier "z" is no message of the batch"#,
            ),
        ];
        for (response, problem) in cases {
            assert_eq!(failed(response), Err(problem.to_owned()), "{response}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_answered_only_messages_of_the_batch_have_failed(response in any::<String>()) {
            if let Ok(failed) = failed(&response) {
                prop_assert!(failed.is_subset(&ids(["a", "b", "c"])));
            }
        }
    }
}
