//! What the happy paths cost, in requests: counted, since counts do not vary.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use brand::{Brand, BrandName, BrandStore, Changed, DynamoDbBrandStore, SqsBrandEvents, Timestamp};
use cms::StubCms;
use create_brand::CreateBrand;
use journal::DynamoDbJournal;
use serde_json::json;
use sync_brand::{App, SqsMessages, SyncBrand};
use system_tests::{Requests, Stack, event_about};
use workflow::Engine;

/// Clients that count.
struct Counted {
    stack: Stack,
    dynamodb: aws_sdk_dynamodb::Client,
    to_dynamodb: Requests,
    sqs: aws_sdk_sqs::Client,
    to_sqs: Requests,
}

impl Counted {
    async fn new() -> Self {
        let stack = Stack::connect().await;
        let sdk = aws::sdk_config().unwrap();
        let (to_dynamodb, to_sqs) = (Requests::default(), Requests::default());
        let dynamodb =
            aws_sdk_dynamodb::config::Builder::from(&sdk).interceptor(to_dynamodb.clone());
        let sqs = aws_sdk_sqs::config::Builder::from(&sdk).interceptor(to_sqs.clone());
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
        let sqs = aws_sdk_sqs::Client::from_conf(sqs.build());
        Self {
            stack,
            dynamodb,
            to_dynamodb,
            sqs,
            to_sqs,
        }
    }

    fn brands(&self) -> DynamoDbBrandStore {
        DynamoDbBrandStore::new(self.dynamodb.clone(), &self.stack.brands_table)
    }
}

fn event(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn creating_a_brand_takes_one_request_to_dynamodb_and_one_to_sqs() {
    let counted = Counted::new().await;
    let events = SqsBrandEvents::new(counted.sqs.clone(), &counted.stack.brand_events_queue_url);
    let handler = CreateBrand::new(counted.brands(), events);
    let request = include_str!("../events/api-gateway-create-brand.json");
    let answer = handler
        .handle(lambda_http::request::from_str(request).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        (counted.to_dynamodb.sent(), counted.to_sqs.sent()),
        (1, 1),
        "requests to DynamoDB, to SQS"
    );
}

/// The handler of events, and what it sends.
struct Counting {
    counted: Counted,
    cms: StubCms,
    handler: SyncBrand<DynamoDbBrandStore, StubCms, SqsMessages>,
}

impl Counting {
    async fn new() -> Self {
        let counted = Counted::new().await;
        let cms = StubCms::new(None, cms::Faults::default());
        let stack = &counted.stack;
        let journal =
            DynamoDbJournal::new(counted.dynamodb.clone(), &stack.workflow_executions_table);
        let (queue, parked) = (&stack.brand_events_queue_url, &stack.brand_events_dlq_url);
        let messages = SqsMessages::new(counted.sqs.clone(), queue, parked);
        let app = App::new(counted.brands(), cms.clone());
        let handler = SyncBrand::new(Engine::new(Arc::new(journal)), app, messages, 5);
        Self {
            counted,
            cms,
            handler,
        }
    }

    /// Handles the event that announces a brand; answers the requests to DynamoDB, to SQS and to the CMS.
    async fn hear_of(&self, brand: &Brand) -> (u32, u32, u64) {
        let mut batch = event(include_str!("../events/sqs-brand-created.json"));
        *batch.pointer_mut("/Records/0/body").unwrap() = json!(event_about(brand));
        let batch: SqsEvent = serde_json::from_value(batch).unwrap();
        let calls = || {
            let calls = self.cms.calls();
            calls.creates + calls.updates + calls.deletes
        };
        let before = calls();
        let _ = (self.counted.to_dynamodb.sent(), self.counted.to_sqs.sent());
        let answer = self.handler.handle(batch, None).await;
        assert!(answer.batch_item_failures.is_empty());
        let (dynamodb, sqs) = (self.counted.to_dynamodb.sent(), self.counted.to_sqs.sent());
        (dynamodb, sqs, calls() - before)
    }
}

// Brands are stored, and their events are handed to the handler here instead of being announced.

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn syncing_a_brand_takes_three_requests_to_dynamodb_and_one_to_the_cms_and_a_duplicate_takes_one()
 {
    let counting = Counting::new().await;
    let brand = Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::now());
    counting.counted.brands().create(&brand).await.unwrap();
    assert_eq!(counting.hear_of(&brand).await, (3, 0, 1));
    assert_eq!(counting.hear_of(&brand).await, (1, 0, 0), "a duplicate");
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn changing_a_brand_takes_one_request_and_syncing_the_change_five_and_what_is_overtaken_one()
{
    let counting = Counting::new().await;
    let brands = counting.counted.brands();
    let created = Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::now());
    brands.create(&created).await.unwrap();
    counting.hear_of(&created).await;
    let name = BrandName::parse("Globex").unwrap();
    let changed = brands
        .update(created.id, &name, Some(1), Timestamp::now())
        .await;
    assert_eq!(counting.counted.to_dynamodb.sent(), 1);
    let Changed::Done(changed) = changed.unwrap() else {
        unreachable!("nobody else changes it")
    };
    // The run of the version before is met, and followed.
    assert_eq!(counting.hear_of(&changed).await, (5, 0, 1));
    assert_eq!(counting.hear_of(&changed).await, (1, 0, 0), "a duplicate");
    assert_eq!(counting.hear_of(&created).await, (1, 0, 0), "overtaken");
}
