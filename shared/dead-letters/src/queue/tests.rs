//! Looks with a limit of time, at a queue in memory behind the SDK's client.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws::Limits;
use aws_sdk_sqs::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{DeadLetterQueue, MAX_HELD, RESERVE};
use crate::{FailureKind, Filter, Redrive};

/// How long a request takes.
const LATENCY: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
struct Message {
    id: String,
    visible_at: Instant,
}

/// A queue that answers as SQS does. What is sent is counted, and gone.
#[derive(Clone, Debug, Default)]
struct Sqs {
    messages: Arc<Mutex<Vec<Message>>>,
    sent: Arc<Mutex<usize>>,
}

impl Sqs {
    fn with(count: usize) -> Self {
        let visible_at = Instant::now();
        let message = |number| Message {
            id: format!("id-{number}"),
            visible_at,
        };
        let sqs = Self::default();
        *sqs.messages.lock().unwrap() = (0..count).map(message).collect();
        sqs
    }

    fn queue(&self) -> DeadLetterQueue {
        DeadLetterQueue::new(self.client(), "http://localhost/dlq")
    }

    fn client(&self) -> Client {
        let connector = SharedHttpConnector::new(self.clone());
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("AKID", "key", None, None, "test"))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .region(Region::new("eu-central-1"))
            .timeout_config(Limits::SHORT.timeouts());
        Client::from_conf(config.build())
    }

    fn count(&self) -> usize {
        self.messages.lock().unwrap().len()
    }

    /// How many messages another receiver would get.
    fn visible(&self) -> usize {
        let (messages, now) = (self.messages.lock().unwrap(), Instant::now());
        let visible = messages.iter().filter(|message| message.visible_at <= now);
        visible.count()
    }

    fn receive(&self, hold: u64, most: usize) -> Vec<Value> {
        let now = Instant::now();
        let mut messages = self.messages.lock().unwrap();
        let visible = messages
            .iter_mut()
            .filter(|message| message.visible_at <= now);
        visible
            .take(most)
            .map(|message| {
                message.visible_at = now + Duration::from_secs(hold);
                json!({ "MessageId": message.id, "ReceiptHandle": message.id, "Body": "{}" })
            })
            .collect()
    }

    async fn answer(&self, action: &str, request: Value) -> Value {
        sleep(LATENCY).await;
        match action {
            "AmazonSQS.ReceiveMessage" => {
                let hold = request["VisibilityTimeout"].as_u64().unwrap();
                let most = request["MaxNumberOfMessages"].as_u64().unwrap();
                let received = self.receive(hold, usize::try_from(most).unwrap());
                if received.is_empty() {
                    let wait = request["WaitTimeSeconds"].as_u64().unwrap();
                    sleep(Duration::from_secs(wait)).await;
                }
                json!({ "Messages": received })
            }
            "AmazonSQS.ChangeMessageVisibilityBatch" => {
                let mut messages = self.messages.lock().unwrap();
                for entry in request["Entries"].as_array().unwrap() {
                    let hold = entry["VisibilityTimeout"].as_u64().unwrap();
                    let mut found = messages
                        .iter_mut()
                        .filter(|message| entry["ReceiptHandle"] == *message.id);
                    found.next().unwrap().visible_at = Instant::now() + Duration::from_secs(hold);
                }
                json!({ "Successful": [], "Failed": [] })
            }
            "AmazonSQS.DeleteMessage" => {
                let mut messages = self.messages.lock().unwrap();
                messages.retain(|message| request["ReceiptHandle"] != *message.id);
                json!({})
            }
            "AmazonSQS.SendMessage" => {
                *self.sent.lock().unwrap() += 1;
                json!({ "MessageId": "sent", "MD5OfMessageBody": "99914b932bd37a50b983c5e7c90ae93b" })
            }
            other => unreachable!("{other}"),
        }
    }
}

impl HttpConnector for Sqs {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let action = request.headers().get("x-amz-target").unwrap().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let sqs = self.clone();
        HttpConnectorFuture::new(async move {
            let answer = sqs.answer(&action, body).await.to_string();
            Ok(HttpResponse::new(200.try_into().unwrap(), answer.into()))
        })
    }
}

const TIME: Duration = Duration::from_secs(25);

#[tokio::test(start_paused = true)]
async fn all_that_is_listed_is_given_back() {
    let (sqs, begun) = (Sqs::with(95), Instant::now());
    let listed = sqs.queue().list(&Filter::default(), Some(TIME)).await;
    let mut ids: Vec<String> = listed.unwrap().into_iter().map(|found| found.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), sqs.visible()), (95, 95));
    // The end of the queue is seen by waiting for two seconds.
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_ends_at_its_limit() {
    let sqs = Sqs::with(95);
    let filter = Filter {
        limit: Some(15),
        ..Filter::default()
    };
    let begun = Instant::now();
    let listed = sqs.queue().list(&filter, Some(TIME)).await;
    assert_eq!((listed.unwrap().len(), sqs.visible()), (15, 95));
    // It does not wait for the end of the queue.
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn when_time_is_up_what_was_found_is_told_and_all_is_given_back() {
    let (sqs, begun) = (Sqs::with(20_000), Instant::now());
    let time = RESERVE + Duration::from_secs(2);
    let listed = sqs.queue().list(&Filter::default(), Some(time)).await;
    let found = listed.unwrap().len();
    assert!((500..MAX_HELD).contains(&found), "{found}");
    assert_eq!(sqs.visible(), 20_000);
    assert!(begun.elapsed() <= time, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_more_is_held_than_can_be_given_back() {
    let sqs = Sqs::with(20_000);
    let unknown = Filter {
        kinds: vec![FailureKind::TooLarge],
        ..Filter::default()
    };
    let begun = Instant::now();
    let listed = sqs.queue().list(&unknown, Some(TIME)).await;
    assert_eq!((listed.unwrap().len(), sqs.visible()), (0, 20_000));
    assert!(begun.elapsed() + RESERVE < TIME, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_is_deleted_by_its_id_and_the_others_are_given_back() {
    let sqs = Sqs::with(30);
    assert!(sqs.queue().delete("id-17", Some(TIME)).await.unwrap());
    assert_eq!((sqs.count(), sqs.visible()), (29, 29));
    assert!(!sqs.queue().delete("id-17", Some(TIME)).await.unwrap());
    assert_eq!((sqs.count(), sqs.visible()), (29, 29));
}

#[tokio::test(start_paused = true)]
async fn messages_are_moved_by_id_and_the_others_are_given_back() {
    let sqs = Sqs::with(30);
    let redrive = Redrive::new(
        sqs.client(),
        "http://localhost/dlq",
        "http://localhost/queue",
    );
    let filter = Filter {
        ids: vec!["id-3".to_owned(), "id-12".to_owned()],
        limit: Some(2),
        ..Filter::default()
    };
    let report = redrive.run(&filter, Some(TIME), |_| ()).await.unwrap();
    assert_eq!(
        (report.total(), report.left, report.complete),
        (2, 18, true)
    );
    assert_eq!((sqs.count(), sqs.visible()), (28, 28));
    assert_eq!(*sqs.sent.lock().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_move_that_runs_out_of_time_says_so() {
    let (sqs, begun) = (Sqs::with(5_000), Instant::now());
    let redrive = Redrive::new(
        sqs.client(),
        "http://localhost/dlq",
        "http://localhost/queue",
    );
    let time = RESERVE + Duration::from_secs(2);
    let all = Filter::default();
    let report = redrive.run(&all, Some(time), |_| ()).await.unwrap();
    assert!(!report.complete);
    assert_eq!(sqs.count() + report.total(), 5_000);
    assert!(report.total() > 100, "{}", report.total());
    assert_eq!(sqs.visible(), sqs.count());
    assert!(begun.elapsed() <= time, "{:?}", begun.elapsed());
}
