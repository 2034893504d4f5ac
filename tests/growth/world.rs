//! The functions' own code, on clients that are metered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lambda_events::sqs::SqsEvent;
use aws_smithy_types::timeout::TimeoutConfig;
use brand::{
    Brand, BrandId, BrandReader, CountedPage, Direction, DynamoDbBrandStore, NextPage, Order,
    Position, Search, SortKey, SqsBrandEvents,
};
use cms::StubCms;
use create_brand::CreateBrand;
use journal::DynamoDbJournal;
use republish_brands::{Limits, Report, RepublishBrands};
use serde_json::{Value, json};
use sync_brand::{App, SqsMessages, SyncBrand};
use system_tests::{Requests, Stack, event_about};
use telemetry::Trace;
use workflow::Engine;

use crate::{count::Count, meter::Meter, place::Place, problem};

/// The template's `RepublishAfterSeconds` and `RepublishLimit`, where nothing else is said.
pub(crate) const LIMITS: Limits = Limits {
    age: Duration::from_mins(1),
    brands: 1000,
};

/// What an operation took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) count: Count,
    /// The write units of which DynamoDB itself tells.
    pub(crate) told: f64,
    pub(crate) time: Duration,
}

pub(crate) struct World {
    /// Not metered.
    pub(crate) client: aws_sdk_dynamodb::Client,
    /// Not metered.
    pub(crate) store: DynamoDbBrandStore,
    pub(crate) meter: Meter,
    pub(crate) place: Place,
    to_sqs: Requests,
    brands: DynamoDbBrandStore,
    create: CreateBrand<DynamoDbBrandStore, SqsBrandEvents>,
    sync: SyncBrand<DynamoDbBrandStore, StubCms, SqsMessages>,
    sweep: RepublishBrands<DynamoDbBrandStore, SqsBrandEvents>,
}

impl World {
    /// On a stack, with a table of its own. Its clients wait as long as it takes: the emulator is no measure for the functions'
    /// patience, and a request that is made again would be counted twice.
    pub(crate) async fn on(stack: &Stack) -> Result<Self, String> {
        let sdk = aws::sdk_config().map_err(problem)?;
        let patience = TimeoutConfig::disabled();
        let dynamodb =
            aws_sdk_dynamodb::config::Builder::from(&sdk).timeout_config(patience.clone());
        let sqs = aws_sdk_sqs::config::Builder::from(&sdk).timeout_config(patience);
        let client = aws_sdk_dynamodb::Client::from_conf(dynamodb.clone().build());
        let to_sqs = Requests::default();
        let sqs = aws_sdk_sqs::Client::from_conf(sqs.interceptor(to_sqs.clone()).build());
        let place = Place::beside(stack, client.clone(), sqs.clone()).await?;
        let meter = Meter::new(&place);
        let dynamodb = dynamodb.interceptor(meter.requests.clone());
        let dynamodb = dynamodb.interceptor(meter.clone()).build();
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb);
        let brands = DynamoDbBrandStore::new(dynamodb.clone(), &place.table);
        let events = SqsBrandEvents::new(sqs.clone(), &place.queue_url);
        let journal = DynamoDbJournal::new(dynamodb, &stack.workflow_executions_table);
        let app = App::new(brands.clone(), StubCms::new(None, cms::Faults::default()));
        // Nothing is parked here.
        let messages = SqsMessages::new(sqs, &place.queue_url, &stack.brand_events_dlq_url);
        Ok(Self {
            store: DynamoDbBrandStore::new(client.clone(), &place.table),
            client,
            meter,
            to_sqs,
            create: CreateBrand::new(brands.clone(), events.clone()),
            sync: SyncBrand::new(Engine::new(Arc::new(journal)), app, messages, 5),
            sweep: RepublishBrands::new(brands.clone(), events, LIMITS),
            brands,
            place,
        })
    }

    /// What an operation takes, and what it answers.
    async fn measured<T>(
        &self,
        operation: impl Future<Output = Result<T, String>>,
    ) -> Result<(Measured, T), String> {
        // What was made ready is not its own.
        self.meter.read(&self.client).await?;
        self.to_sqs.sent();
        let begun = Instant::now();
        let answer = operation.await?;
        let time = begun.elapsed();
        let reading = self.meter.read(&self.client).await?;
        let mut count = reading.count;
        count.to_sqs = self.to_sqs.sent().into();
        let told = reading.told;
        Ok((Measured { count, told, time }, answer))
    }

    /// POST /admin/brands: answers the brand's id.
    pub(crate) async fn create(&self, name: &str) -> Result<(Measured, BrandId), String> {
        let mut request = json(include_str!("../../events/api-gateway-create-brand.json"))?;
        if let Some(body) = request.pointer_mut("/body") {
            *body = json!(json!({ "name": name }).to_string());
        }
        let request = lambda_http::request::from_str(&request.to_string()).map_err(problem)?;
        let creating = async {
            let answer = self.create.handle(request).await;
            answer.map_err(|error| format!("no brand was created: {error:?}"))
        };
        let (measured, answer) = self.measured(creating).await?;
        let body: Value = serde_json::from_slice(answer.body()).map_err(problem)?;
        let id = body.pointer("/brand/id").and_then(Value::as_str);
        let id = id.and_then(|id| id.parse().ok());
        Ok((measured, id.ok_or("the answer has no id")?))
    }

    /// The event that announces the brand, as sync-brand hears it.
    pub(crate) async fn hear_of(&self, brand: &Brand) -> Result<Measured, String> {
        let mut batch = json(include_str!("../../events/sqs-brand-created.json"))?;
        if let Some(body) = batch.pointer_mut("/Records/0/body") {
            *body = json!(event_about(brand));
        }
        let batch: SqsEvent = serde_json::from_value(batch).map_err(problem)?;
        let hearing = async { Ok(self.sync.handle(batch, None).await) };
        let (measured, answer) = self.measured(hearing).await?;
        if answer.batch_item_failures.is_empty() {
            Ok(measured)
        } else {
            Err("a brand was not synced".to_owned())
        }
    }

    pub(crate) async fn retrieve(&self, id: BrandId) -> Result<Measured, String> {
        let retrieving = async { self.brands.retrieve(id).await.map_err(problem) };
        let (measured, found) = self.measured(retrieving).await?;
        found.map(|_| measured).ok_or("a brand is gone".to_owned())
    }

    /// The first page by number, which is counted.
    pub(crate) async fn page_by_number(&self) -> Result<(Measured, CountedPage), String> {
        let order = Order {
            by: SortKey::CreatedAt,
            direction: Direction::Ascending,
        };
        let (search, limit) = (Search::all(), query_brands::LIMIT);
        let listing = self.brands.list_and_count(&search, order, 0, limit);
        self.measured(async { listing.await.map_err(problem) })
            .await
    }

    /// A page by cursor.
    pub(crate) async fn page_after(
        &self,
        search: &Search,
        after: Option<&Brand>,
        limit: u16,
    ) -> Result<(Measured, NextPage), String> {
        let after = after.map(|brand| Position {
            created_at: brand.created_at,
            id: brand.id,
        });
        let direction = Direction::Ascending;
        let listing = self.brands.list_after(search, direction, after, limit);
        self.measured(async { listing.await.map_err(problem) })
            .await
    }

    /// An invocation of republish-brands.
    pub(crate) async fn sweep(&self) -> Result<(Measured, Report), String> {
        let trace = Trace::of_request(None, None);
        let sweeping = self.sweep.handle(&trace, None);
        self.measured(async { sweeping.await.map_err(problem) })
            .await
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(problem)
}
