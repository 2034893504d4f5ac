//! The local stack, as the tests of the whole system find it: `make test` starts it and says where everything is.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod admin;
mod document;
mod functions;
mod logs;
mod requests;

use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use brand::{Brand, BrandId, BrandStore, CloudEvent, DynamoDbBrandStore};
use config::Env;
use journal::DynamoDbJournal;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use workflow::{Journal, Run};

pub use admin::{Admin, answer};
pub use document::Document;
pub use functions::Functions;
pub use requests::Requests;

use self::admin::json_answer;

/// How long anything may take to come about.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(100);

/// Where everything is.
pub struct Stack {
    /// The API, as somebody uses it who may create brands.
    pub admin: Admin,
    /// The URL of the stub CMS.
    pub cms_url: String,
    /// The brands' table.
    pub brands_table: String,
    /// The table of the engine's runs.
    pub workflow_executions_table: String,
    /// The queue of the events.
    pub brand_events_queue_url: String,
    /// The queue where events are parked.
    pub brand_events_dlq_url: String,
    /// A client of the emulator's DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// A client of the emulator's SQS.
    pub sqs: aws_sdk_sqs::Client,
    aws_url: String,
    http: reqwest::Client,
}

impl Stack {
    /// The stack that `make test` has started.
    pub async fn connect() -> Self {
        let mut env = Env::of_process();
        let variables = [
            "AWS_ENDPOINT_URL",
            "CMS_URL",
            "BRANDS_TABLE",
            "WORKFLOW_EXECUTIONS_TABLE",
            "BRAND_EVENTS_QUEUE_URL",
            "BRAND_EVENTS_DLQ_URL",
        ];
        let values = variables.map(|variable| env.text(variable));
        let values = env.finish(values).expect(admin::NO_STACK);
        let [
            aws_url,
            cms_url,
            brands_table,
            workflow_executions_table,
            brand_events_queue_url,
            brand_events_dlq_url,
        ] = values;
        let sdk = aws::sdk_config().expect("a configuration");
        Self {
            admin: Admin::signed_in().await,
            cms_url,
            brands_table,
            workflow_executions_table,
            brand_events_queue_url,
            brand_events_dlq_url,
            dynamodb: aws_sdk_dynamodb::Client::new(&sdk),
            sqs: aws_sdk_sqs::Client::new(&sdk),
            aws_url,
            http: http_client(),
        }
    }

    /// Tells the CMS to fail at creating brands of that name, beside what it has been told before: all tests share it.
    pub async fn make_the_cms_fail(&self, name: &str, fault: Value) {
        let mut rule = json!({ "operation": "create", "name": name });
        if let (Value::Object(rule), Value::Object(fault)) = (&mut rule, fault) {
            rule.extend(fault);
        }
        let url = format!("{}/faults", self.cms_url);
        let request = self.http.post(url).body(json!([rule]).to_string());
        let answer = request.send().await.expect("the stub CMS answers");
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
    }

    /// Sends a body to POST /admin/brands, and answers status and body.
    pub async fn create(&self, body: &str) -> (u16, Value) {
        json_answer(self.creating(body)).await
    }

    /// The same, under an idempotency key.
    pub async fn create_under_key(&self, key: &str, body: String) -> (u16, Value) {
        json_answer(self.creating(&body).header("idempotency-key", key)).await
    }

    /// A request to create a brand, from somebody who may.
    pub fn creating(&self, body: &str) -> reqwest::RequestBuilder {
        self.request(Method::POST, "/admin/brands")
            .body(body.to_owned())
    }

    /// A request to the API, with the token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.admin
            .request(method, path)
            .header("content-type", "application/json")
    }

    /// Sends a request to the API, with the token, and answers status and body.
    pub async fn send_to_api(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.request(method, path);
        json_answer(request.body(body.to_string())).await
    }

    /// Creates a brand of that name, and answers its id.
    pub async fn create_brand(&self, name: &str) -> BrandId {
        let (status, body) = self.create(&json!({ "name": name }).to_string()).await;
        assert_eq!(status, 200, "{body}");
        let id = body
            .pointer("/brand/id")
            .and_then(Value::as_str)
            .expect("an id");
        id.parse().expect("the id of a brand")
    }

    /// The brand's row.
    pub async fn brand(&self, id: BrandId) -> Option<Brand> {
        let store = DynamoDbBrandStore::new(self.dynamodb.clone(), &self.brands_table);
        store.get(id).await.expect("the table answers")
    }

    /// The run that syncs the brand, as the journal holds it.
    pub async fn run(&self, id: BrandId) -> Option<Run> {
        let journal = DynamoDbJournal::new(self.dynamodb.clone(), &self.workflow_executions_table);
        let run = format!("sync-brand-to-cms:{id}");
        journal
            .load(&workflow::RunId::new(run))
            .await
            .expect("the table answers")
    }

    /// The brand as the CMS holds it.
    pub async fn in_cms(&self, id: BrandId) -> Option<Value> {
        let answer = self
            .http
            .get(format!("{}/brands/{id}", self.cms_url))
            .send()
            .await;
        let answer = answer.expect("the stub CMS answers");
        match answer.status().as_u16() {
            200 => answer
                .json::<Value>()
                .await
                .expect("JSON")
                .get("brand")
                .cloned(),
            404 => None,
            other => panic!("the stub CMS answers {other}"),
        }
    }

    /// How often a create of the brand really acted in the CMS.
    pub async fn creates_in_cms(&self, id: BrandId) -> u64 {
        let answer = self
            .http
            .get(format!("{}/stats", self.cms_url))
            .send()
            .await;
        let stats: Value = answer
            .expect("the stub CMS answers")
            .json()
            .await
            .expect("JSON");
        stats
            .pointer(&format!("/acts/{id}/creates"))
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    /// The ids that the index of unsynced brands holds.
    pub async fn unsynced(&self) -> Vec<String> {
        let request = self
            .dynamodb
            .scan()
            .table_name(&self.brands_table)
            .index_name("unsynced");
        let items = request.into_paginator().items().send();
        let items: Result<Vec<_>, _> = items.collect().await;
        let id = |item: &std::collections::HashMap<_, aws_sdk_dynamodb::types::AttributeValue>| {
            item.get("id").and_then(|id| id.as_s().ok()).cloned()
        };
        items
            .expect("the index answers")
            .iter()
            .filter_map(id)
            .collect()
    }

    /// Sends a message to the queue of the events.
    pub async fn send(&self, body: &str) -> String {
        let request = self
            .sqs
            .send_message()
            .queue_url(&self.brand_events_queue_url)
            .message_body(body);
        let sent = request.send().await.expect("the queue takes the message");
        sent.message_id.expect("a message id")
    }

    /// Waits for a parked message of which that holds, and answers it. Others are left where they are.
    pub async fn parked(&self, what: &str, is_it: impl Fn(&Message) -> bool) -> Message {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let request = self
                .sqs
                .receive_message()
                .queue_url(&self.brand_events_dlq_url)
                .max_number_of_messages(10)
                .visibility_timeout(1)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .wait_time_seconds(1);
            let received = request.send().await.expect("the queue answers");
            if let Some(message) = received
                .messages
                .unwrap_or_default()
                .into_iter()
                .find(&is_it)
            {
                return message;
            }
        }
        panic!("no message is parked {what}");
    }
}

/// Waits until that answers something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "in vain: {what}");
        sleep(LOOK).await;
    }
}

/// The event that announces a brand, as it is sent.
#[must_use]
pub fn event_about(brand: &Brand) -> String {
    serde_json::to_string(&CloudEvent::about(brand)).expect("an event is JSON")
}

/// The text of a parked message's attribute.
#[must_use]
pub fn attribute<'a>(message: &'a Message, name: &str) -> &'a str {
    let attributes = message.message_attributes.as_ref();
    let value = attributes.and_then(|attributes| attributes.get(name));
    value
        .and_then(|value| value.string_value.as_deref())
        .unwrap_or_default()
}

/// A client of what runs on this machine.
#[must_use]
pub fn http_client() -> reqwest::Client {
    // reqwest wants a provider of TLS even where nothing is spoken over it. Another test of the process may have set it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client")
}
