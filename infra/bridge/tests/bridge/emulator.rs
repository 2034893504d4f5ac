//! Between an emulator's queue and a function: visibility, receive counts and the dead-letter queue are the queue's.

use aws_sdk_sqs::{Client, types::QueueAttributeName};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    process::Bridge,
    server::{Shared, serve},
};

/// A queue of the test's own, where a message is parked after three deliveries.
struct Queues {
    sqs: Client,
    url: String,
    parked_url: String,
}

impl Queues {
    async fn create() -> Self {
        let sqs = Client::new(&aws::sdk_config().unwrap());
        let name = format!("bridge-{}", std::process::id());
        let parked = sqs
            .create_queue()
            .queue_name(format!("{name}-parked"))
            .send()
            .await;
        let parked_url = parked.unwrap().queue_url.unwrap();
        let arn = sqs
            .get_queue_attributes()
            .queue_url(&parked_url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .unwrap()
            .attributes
            .unwrap()
            .remove(&QueueAttributeName::QueueArn);
        let redrive = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 3 });
        let queue = sqs
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::VisibilityTimeout, "1")
            .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string());
        let url = queue.send().await.unwrap().queue_url.unwrap();
        Self {
            sqs,
            url,
            parked_url,
        }
    }

    async fn send(&self, body: &str) {
        let request = self.sqs.send_message().queue_url(&self.url);
        request.message_body(body).send().await.unwrap();
    }

    /// The bodies of the messages that are parked, once there are some.
    async fn parked(&self) -> Vec<String> {
        let request = self.sqs.receive_message().queue_url(&self.parked_url);
        let received = request.wait_time_seconds(1).send().await.unwrap();
        let messages = received.messages.unwrap_or_default();
        messages
            .into_iter()
            .filter_map(|message| message.body)
            .collect()
    }

    async fn delete(self) {
        for url in [&self.url, &self.parked_url] {
            self.sqs.delete_queue().queue_url(url).send().await.unwrap();
        }
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_message_that_fails_comes_again_alone_until_it_is_parked_and_the_others_are_gone() {
    let queues = Queues::create().await;
    for body in ["good", "bad", "fine"] {
        queues.send(body).await;
    }
    let seen = Shared::<Vec<(String, String)>>::default();
    let noted = seen.clone();
    let functions = serve(move |_, event| {
        let failures: Vec<Value> = event["Records"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|record| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let count = text(&record["attributes"]["ApproximateReceiveCount"]);
                noted.with(|seen| seen.push((text(&record["body"]), count)));
                (record["body"] == "bad").then(|| json!({ "itemIdentifier": record["messageId"] }))
            })
            .collect();
        Box::pin(async move { (StatusCode::OK, json!({ "batchItemFailures": failures })) })
    });
    let functions = functions.await;
    let bridge = Bridge::start(&queues.url, &functions, &[]);
    let mut parked = Vec::new();
    for _ in 0..20 {
        parked = queues.parked().await;
        if !parked.is_empty() {
            break;
        }
    }
    assert_eq!(parked, ["bad"]);
    let mut seen = seen.with(|seen| seen.clone());
    seen.sort();
    let expected = [
        ("bad", "1"),
        ("bad", "2"),
        ("bad", "3"),
        ("fine", "1"),
        ("good", "1"),
    ];
    assert_eq!(
        seen,
        expected.map(|(body, count)| (body.to_owned(), count.to_owned()))
    );
    bridge.terminate();
    assert!(bridge.ended().await.success());
    queues.delete().await;
}
