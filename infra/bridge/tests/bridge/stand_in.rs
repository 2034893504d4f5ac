//! Between a queue and a function that do exactly what the test says, as the real ones seldom do.

use std::collections::VecDeque;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    process::Bridge,
    server::{Answer, Shared, serve},
};

/// What the queue and the function are going to do, and what was asked of them.
#[derive(Debug, Default)]
struct World {
    /// Batches that are still to be received, as ids of messages.
    batches: VecDeque<Vec<&'static str>>,
    /// What the function answers; it takes its time while there is nothing.
    answers: VecDeque<(u16, Value)>,
    /// The receipts whose deletion fails, each once.
    undeletable: Vec<&'static str>,
    invocations: Vec<Value>,
    deleted: Vec<String>,
}

async fn start(world: &Shared<World>) -> Bridge {
    let shared = world.clone();
    let url = serve(move |target, body| answer(shared.clone(), target, body)).await;
    Bridge::start(
        &format!("{url}/queue"),
        &url,
        &[
            ("AWS_ENDPOINT_URL", &url),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ],
    )
}

fn answer(world: Shared<World>, target: String, body: Value) -> Answer {
    Box::pin(async move {
        let (status, answer) = match target.as_str() {
            "AmazonSQS.GetQueueAttributes" => (
                200,
                json!({ "Attributes": { "QueueArn": "arn:aws:sqs:us-east-1:1:queue" } }),
            ),
            "AmazonSQS.ReceiveMessage" => {
                let batch = world.until(|world| world.batches.pop_front()).await;
                let messages: Vec<Value> = batch.iter().map(|id| message(id)).collect();
                (200, json!({ "Messages": messages }))
            }
            "AmazonSQS.DeleteMessageBatch" => (200, world.with(|world| world.delete(&body))),
            "/2015-03-31/functions/consumer/invocations" => {
                world.with(|world| world.invocations.push(body));
                world.until(|world| world.answers.pop_front()).await
            }
            other => (404, json!(other)),
        };
        (StatusCode::from_u16(status).unwrap(), answer)
    })
}

fn message(id: &str) -> Value {
    json!({ "MessageId": id, "ReceiptHandle": format!("receipt {id}"), "Body": "{}", "MD5OfBody": "99914b932bd37a50b983c5e7c90ae93b" })
}

impl World {
    fn delete(&mut self, request: &Value) -> Value {
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for entry in request["Entries"].as_array().unwrap() {
            let receipt = entry["ReceiptHandle"].as_str().unwrap();
            let place = self.undeletable.iter().position(|known| *known == receipt);
            if let Some(place) = place {
                self.undeletable.remove(place);
                failed.push(
                    json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false }),
                );
            } else {
                self.deleted.push(receipt.to_owned());
                deleted.push(json!({ "Id": entry["Id"] }));
            }
        }
        json!({ "Successful": deleted, "Failed": failed })
    }

    /// The ids of the messages of each invocation.
    fn invoked_with(&self) -> Vec<Vec<&str>> {
        let ids = |event: &'_ Value| -> Vec<_> {
            let records = event["Records"].as_array();
            records
                .unwrap()
                .iter()
                .map(|record| record["messageId"].clone())
                .collect()
        };
        let known = ["a", "b", "c", "d"];
        let named = |ids: Vec<Value>| {
            known
                .into_iter()
                .filter(|known| ids.contains(&json!(known)))
                .collect()
        };
        self.invocations.iter().map(ids).map(named).collect()
    }
}

#[tokio::test]
async fn what_the_function_is_done_with_is_deleted_even_if_that_fails_at_first_and_nothing_else_is()
{
    let world = Shared::<World>::default();
    world.with(|world| {
        world.batches = [vec!["a", "b", "c"], vec!["b"], vec!["d"]].into();
        world.answers = [
            (
                200,
                json!({ "batchItemFailures": [{ "itemIdentifier": "b" }] }),
            ),
            (
                500,
                json!({ "errorType": "Error", "errorMessage": "on purpose" }),
            ),
            (200, Value::Null),
        ]
        .into();
        world.undeletable = vec!["receipt c"];
    });
    let _bridge = start(&world).await;
    let invoked = world
        .until(|world| {
            let last = world.deleted.contains(&"receipt d".to_owned());
            last.then(|| {
                world
                    .invoked_with()
                    .iter()
                    .map(|ids| ids.join(" "))
                    .collect::<Vec<_>>()
            })
        })
        .await;
    assert_eq!(invoked, ["a b c", "b", "d"]);
    let deleted = world.with(|world| world.deleted.clone());
    assert_eq!(deleted, ["receipt a", "receipt c", "receipt d"]);
}

#[tokio::test]
async fn told_to_end_it_finishes_the_batch_in_flight_and_takes_no_other() {
    let world = Shared::<World>::default();
    world.with(|world| world.batches = [vec!["a"], vec!["b"]].into());
    let bridge = start(&world).await;
    world
        .until(|world| (world.invocations.len() == 1).then_some(()))
        .await;
    bridge.terminate();
    world.with(|world| world.answers.push_back((200, json!({}))));
    assert!(bridge.ended().await.success());
    let (deleted, left) = world.with(|world| (world.deleted.clone(), world.batches.clone()));
    assert_eq!(deleted, ["receipt a"]);
    assert_eq!(left, [vec!["b"]]);
}

#[tokio::test]
async fn told_to_end_while_it_waits_for_messages_it_ends_at_once() {
    let world = Shared::<World>::default();
    world.with(|world| {
        world.batches = [vec!["a"]].into();
        world.answers = [(200, json!({}))].into();
    });
    let bridge = start(&world).await;
    world
        .until(|world| (!world.deleted.is_empty()).then_some(()))
        .await;
    bridge.terminate();
    assert!(bridge.ended().await.success());
}
