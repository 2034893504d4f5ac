//! What the happy paths cost, in requests and DynamoDB's units: as DynamoDB counts them, since counts do not vary.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::SqsEvent;
use brand::{
    Brand, BrandName, BrandWriter, Changed, DynamoDbBrandStore, SqsBrandEvents, SyncStore,
    Timestamp,
};
use circuit::{CallReports, Calls, DynamoDbCircuitStore};
use cms::StubCms;
use create_brand::CreateBrand;
use dead_letters::DeadLetterQueue;
use serde_json::json;
use sync_brand::SyncBrand;
use system_tests::{Clients, Requests, Stack, Usage, event_about};

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
async fn creating_a_brand_takes_one_request_and_three_units_and_one_request_to_sqs() {
    let counted = Counted::new().await;
    let events = SqsBrandEvents::new(counted.sqs.clone(), &counted.stack.brand_events_queue_url);
    let handler = CreateBrand::new(counted.brands(), events);
    let request = include_str!("../events/api-gateway-create-brand.json");
    let answer = handler
        .handle(lambda_http::request::from_str(request).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let dynamodb = Usage {
        requests: 1,
        write_units: 3.0,
        read_units: 0.0,
    };
    let usage = (counted.to_dynamodb.usage(), counted.to_sqs.sent());
    assert_eq!(usage, (dynamodb, 1));
}

/// The handler of events, and what it sends.
struct Counting {
    counted: Counted,
    cms: StubCms,
    handler: SyncBrand<DynamoDbBrandStore, DeadLetterQueue>,
}

impl Counting {
    async fn new() -> Self {
        let counted = Counted::new().await;
        let cms = StubCms::new(None, cms::Faults::default());
        let clients = Clients {
            dynamodb: counted.dynamodb.clone(),
            sqs: counted.sqs.clone(),
        };
        let handler = clients.sync_brand(&counted.stack, counted.brands(), cms.clone());
        Self {
            counted,
            cms,
            handler,
        }
    }

    /// Handles the event that announces a brand; answers what it took of DynamoDB, and the calls of the CMS.
    async fn hear_of(&self, brand: &Brand) -> (Usage, u64) {
        let mut batch = event(include_str!("../events/sqs-brand-created.json"));
        *batch.pointer_mut("/Records/0/body").unwrap() = json!(event_about(brand));
        let batch: SqsEvent = serde_json::from_value(batch).unwrap();
        let calls = || {
            let calls = self.cms.calls();
            calls.creates + calls.updates + calls.deletes + calls.retrieves
        };
        let before = calls();
        let _ = (self.counted.to_dynamodb.sent(), self.counted.to_sqs.sent());
        let answer = self.handler.handle(batch, None).await;
        assert!(answer.batch_item_failures.is_empty());
        assert_eq!(self.counted.to_sqs.sent(), 0);
        (self.counted.to_dynamodb.usage(), calls() - before)
    }

    /// Changes a brand's name.
    async fn rename(&self, brand: &Brand, name: &str) -> Brand {
        let name = BrandName::parse(name).unwrap();
        let brands = self.counted.brands();
        let now = Timestamp::now();
        match brands.update(brand.id, &name, None, now).await.unwrap() {
            Changed::Done(changed) => *changed,
            other => unreachable!("no other client changes it: {other:?}"),
        }
    }
}

/// A sync: a read by key, a begin that leaves the index alone, an end that takes the row out of it.
const SYNC: Usage = Usage {
    requests: 3,
    write_units: 3.0,
    read_units: 1.0,
};

/// What is due to be done already.
const DUPLICATE: Usage = Usage {
    requests: 1,
    write_units: 0.0,
    read_units: 1.0,
};

/// A report of the calls that a process has made in a minute or two.
const REPORT: Usage = Usage {
    requests: 1,
    write_units: 1.0,
    read_units: 0.0,
};

// Brands are stored, and their events are handed to the handler here instead of being announced.

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn syncing_a_brand_takes_three_requests_and_three_units_and_a_duplicate_takes_one_read() {
    let counting = Counting::new().await;
    let name = BrandName::parse("Sixteen letters!").unwrap();
    let brand = Brand::new(name, Timestamp::now());
    counting.counted.brands().create(&brand).await.unwrap();
    assert_eq!(counting.hear_of(&brand).await, (SYNC, 1));
    assert_eq!(counting.hear_of(&brand).await, (DUPLICATE, 0));
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn syncing_a_change_or_a_deletion_takes_no_more_than_syncing_a_new_brand() {
    let counting = Counting::new().await;
    let brands = counting.counted.brands();
    let created = Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::now());
    brands.create(&created).await.unwrap();
    counting.hear_of(&created).await;
    let _ = counting.counted.to_dynamodb.usage();
    let changed = counting.rename(&created, "Globex").await;
    let usage = counting.counted.to_dynamodb.usage();
    // The table, the index of what is due, and the entry of the list.
    assert_eq!((usage.requests, usage.write_units), (1, 3.0));
    assert_eq!(counting.hear_of(&changed).await, (SYNC, 1));
    assert_eq!(counting.hear_of(&changed).await, (DUPLICATE, 0));
    assert_eq!(
        counting.hear_of(&created).await,
        (DUPLICATE, 0),
        "overtaken"
    );
    brands
        .delete(created.id, None, Timestamp::now())
        .await
        .unwrap();
    assert_eq!(counting.hear_of(&created).await, (SYNC, 1));
    let row = brands.load(created.id).await.unwrap().unwrap();
    assert_eq!(row.due_at, None);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn reporting_the_calls_of_a_minute_takes_one_request_and_one_unit() {
    let counted = Counted::new().await;
    let store = DynamoDbCircuitStore::new(counted.dynamodb.clone(), &counted.stack.circuits_table);
    let reports = CallReports::new(Arc::new(store), "round-trips");
    // In the middle of ten minutes.
    let begun = workflow::Timestamp::from_millis(1_795_427_100_000);
    for second in 0..60 {
        let now = begun.plus(Duration::from_secs(second));
        let calls = Calls {
            calls: 100,
            errors: 50,
            limited: 25,
            latency_millis: 10_000,
        };
        reports.count(calls, now);
        reports.report(now).await.unwrap();
    }
    assert_eq!(counted.to_dynamodb.sent(), 0);
    for minute in 1..4 {
        let now = begun.plus(Duration::from_mins(minute));
        let calls = Calls {
            calls: 1,
            ..Calls::default()
        };
        reports.count(calls, now);
        reports.report(now).await.unwrap();
        let usage = counted.to_dynamodb.usage();
        // What was counted at the moment of a report has been reported with it.
        let expected = if minute % 2 == 1 {
            REPORT
        } else {
            Usage::default()
        };
        assert_eq!(usage, expected, "{minute}");
    }
}
