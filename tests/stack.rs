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
mod handlers;
mod logs;
mod requests;

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use brand::{
    Brand, BrandId, BrandRow, BrandWriter, CMS_SUBSCRIBER, CloudEvent, DynamoDbBrandStore, Held,
    Indexes, Lease, Outbox, SHARDS, Schedule, StoreError, SubscriberState, SyncReader, SyncStore,
    SyncWrite, Timestamp, WriteScope,
};
use config::Env;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

pub use admin::{Admin, answer};
pub use document::Document;
pub use functions::Functions;
pub use handlers::Clients;
pub use requests::{Requests, Usage};

use self::admin::json_answer;

/// How long anything may take to come about: the schedule of the sweep fires each minute.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(100);
/// How often the sweep is invoked, beside its schedule, while a brand is awaited.
const SWEEP: Duration = Duration::from_secs(3);
/// How long a sweep takes at most. One whose process was killed the emulator answers only when the function's time is over.
const SWEEP_ENDS: Duration = Duration::from_secs(20);

/// Where everything is.
pub struct Stack {
    /// The API, as somebody uses it who may create brands.
    pub admin: Admin,
    /// The URL of the stub CMS.
    pub cms_url: String,
    cms_api_key: String,
    /// The brands' table.
    pub brands_table: String,
    /// The table of circuits.
    pub circuits_table: String,
    /// The queue of the events.
    pub brand_events_queue_url: String,
    /// The queue where events are parked.
    pub brand_events_dlq_url: String,
    /// A client of the emulator's DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// A client of the emulator's SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// The function that sweeps; none where the emulator has no functions.
    republish_brands: Option<String>,
    /// Where watched functions log.
    function_logs: Option<String>,
    aws_url: String,
    http: reqwest::Client,
}

impl Stack {
    /// The brands that need attention, by the index.
    pub async fn needing_attention(&self) -> Result<Vec<BrandId>, StoreError> {
        let indexes = Indexes {
            due: false,
            attention: true,
        };
        let page = self.brands().unsynced(indexes, None, u16::MAX).await?;
        Ok(page.ids)
    }

    /// The stack that `make test` has started.
    pub async fn connect() -> Self {
        let mut env = Env::of_process();
        let variables = [
            "AWS_ENDPOINT_URL",
            "CMS_URL",
            "CMS_API_KEY",
            "BRANDS_TABLE",
            "CIRCUITS_TABLE",
            "BRAND_EVENTS_QUEUE_URL",
            "BRAND_EVENTS_DLQ_URL",
        ];
        let values = variables.map(|variable| env.text(variable));
        let republish_brands = env.optional("REPUBLISH_BRANDS_FUNCTION");
        let function_logs = env.optional("FUNCTION_LOGS");
        let values = env.finish(values).expect(admin::NO_STACK);
        let [
            aws_url,
            cms_url,
            cms_api_key,
            brands_table,
            circuits_table,
            brand_events_queue_url,
            brand_events_dlq_url,
        ] = values;
        let sdk = aws::sdk_config().expect("a configuration");
        Self {
            admin: Admin::signed_in().await,
            cms_url,
            cms_api_key,
            brands_table,
            circuits_table,
            brand_events_queue_url,
            brand_events_dlq_url,
            dynamodb: aws_sdk_dynamodb::Client::new(&sdk),
            sqs: aws_sdk_sqs::Client::new(&sdk),
            republish_brands,
            function_logs,
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
        let request = self.faults(Method::POST, &json!([rule]));
        let answer = request.send().await.expect("the stub CMS answers");
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
    }

    /// A request to the stub CMS: PUT replaces its fault rules, POST adds to them.
    pub fn faults(&self, method: Method, rules: &Value) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}/faults", self.cms_url))
            .bearer_auth(&self.cms_api_key)
            .header("content-type", "application/json")
            .body(rules.to_string())
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

    /// The table of brands.
    #[must_use]
    pub fn brands(&self) -> DynamoDbBrandStore {
        DynamoDbBrandStore::new(self.dynamodb.clone(), &self.brands_table)
    }

    /// The brand's row.
    pub async fn row(&self, id: BrandId) -> Option<BrandRow> {
        self.brands().load(id).await.expect("the table answers")
    }

    /// Waits until the current version of the brand is synced, and answers its row. What waits in the row is not left to
    /// the schedule alone.
    pub async fn synced(&self, id: BrandId) -> BrandRow {
        let synced = until("the brand is synced", async || {
            let row = self.row(id).await?;
            let is_synced = row.subscriber(CMS_SUBSCRIBER).reached == row.brand.version;
            is_synced.then_some(row)
        });
        tokio::select! {
            row = synced => row,
            never = self.keep_sweeping() => match never {},
        }
    }

    /// Invokes the sweep again and again.
    pub async fn keep_sweeping(&self) -> Infallible {
        loop {
            sleep(SWEEP).await;
            self.sweep().await;
        }
    }

    /// Invokes republish-brands, as its schedule does each minute. One that fails is followed by another.
    async fn sweep(&self) {
        let Some(function) = &self.republish_brands else {
            return;
        };
        let url = format!(
            "{}/2015-03-31/functions/{function}/invocations",
            self.aws_url
        );
        let request = self.aws_request("lambda", url).body("{}");
        let _ = request.timeout(SWEEP_ENDS).send().await;
    }

    /// A request by hand, not through one more SDK. The emulator reads no signature.
    fn aws_request(&self, service: &str, url: String) -> reqwest::RequestBuilder {
        let scope = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
        let authorization = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0");
        self.http.post(url).header("authorization", authorization)
    }

    /// The ids of the brands that are due, or will be: those that are not synced and not marked.
    pub async fn unsynced(&self) -> Result<Vec<String>, StoreError> {
        let later = Timestamp::now().plus(Duration::from_hours(24 * 365));
        let brands = self.brands();
        let mut ids = Vec::new();
        for shard in 0..SHARDS {
            let due = brands.due(shard, later, u16::MAX).await?;
            ids.extend(due.into_iter().map(|row| row.id));
        }
        Ok(ids)
    }

    /// Waits until the CMS subscriber has stopped with the brand, and answers what it keeps.
    pub async fn marked(&self, id: BrandId) -> SubscriberState {
        until("the brand is marked", async || {
            let row = self.row(id).await?;
            let state = row.subscriber(CMS_SUBSCRIBER);
            state.mark_of(row.brand.version).is_some().then_some(state)
        })
        .await
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
            200 => {
                let answer: Value = answer.json().await.expect("JSON");
                Some(
                    json!({ "id": answer.pointer("/brand/id"), "name": answer.pointer("/brand/name") }),
                )
            }
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

/// Stores a brand as the system leaves it: synced, so that it is not announced.
pub async fn store_synced(brands: &DynamoDbBrandStore, brand: &Brand) -> Result<(), StoreError> {
    brands.create(brand).await?;
    let state = SubscriberState {
        reached: brand.version,
        holds: Some(Held::named(brand.name.to_string())),
        ..SubscriberState::default()
    };
    let lease = Lease {
        token: brand.id.to_string(),
        sequence: 1,
        until: None,
    };
    let write = SyncWrite {
        id: brand.id,
        seen: None,
        lease,
        subscribers: BTreeMap::from([(CMS_SUBSCRIBER.to_owned(), state)]),
        scope: WriteScope::Schedule(brand.version, Schedule::default()),
    };
    brands.write(&write).await.map(drop)
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
