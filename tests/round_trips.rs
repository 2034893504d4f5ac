//! What the happy paths cost, in requests: counted, since counts do not vary.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use brand::{
    Brand, BrandName, BrandStore, CloudEvent, DynamoDbBrandStore, SqsBrandEvents, Timestamp,
};
use cms::StubCms;
use create_brand::CreateBrand;
use journal::DynamoDbJournal;
use serde_json::json;
use sync_brand::{App, SqsMessages, SyncBrand};
use system_tests::{Requests, Stack};
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
        let sdk = aws::sdk_config().await;
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

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn syncing_a_brand_takes_three_requests_to_dynamodb_and_one_to_the_cms_and_a_duplicate_takes_one()
 {
    let counted = Counted::new().await;
    // The brand is stored, and the event is handed to the handler here instead of being announced.
    let brand = Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::now());
    counted.brands().create(&brand).await.unwrap();
    assert_eq!(counted.to_dynamodb.sent(), 1);
    let mut batch = event(include_str!("../events/sqs-brand-created.json"));
    let body = serde_json::to_string(&CloudEvent::about(&brand)).unwrap();
    *batch.pointer_mut("/Records/0/body").unwrap() = json!(body);
    let batch: SqsEvent = serde_json::from_value(batch).unwrap();

    let cms = StubCms::new(None, cms::Faults::default());
    let journal = DynamoDbJournal::new(
        counted.dynamodb.clone(),
        &counted.stack.workflow_executions_table,
    );
    let (queue, parked) = (
        &counted.stack.brand_events_queue_url,
        &counted.stack.brand_events_dlq_url,
    );
    let messages = SqsMessages::new(counted.sqs.clone(), queue, parked);
    let app = App {
        brands: counted.brands(),
        cms: cms.clone(),
    };
    let handler = SyncBrand::new(Engine::new(Arc::new(journal)), app, messages, 5);

    let answer = handler.handle(batch.clone(), None).await;
    assert!(answer.batch_item_failures.is_empty());
    let synced = (
        counted.to_dynamodb.sent(),
        counted.to_sqs.sent(),
        cms.calls().creates,
    );
    assert_eq!(
        synced,
        (3, 0, 1),
        "requests to DynamoDB, to SQS, to the CMS"
    );

    let answer = handler.handle(batch, None).await;
    assert!(answer.batch_item_failures.is_empty());
    let duplicate = (
        counted.to_dynamodb.sent(),
        counted.to_sqs.sent(),
        cms.calls().creates,
    );
    assert_eq!(
        duplicate,
        (1, 0, 1),
        "requests to DynamoDB, to SQS, to the CMS since the beginning"
    );
}
