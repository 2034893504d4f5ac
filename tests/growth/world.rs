//! The functions' own code, on clients that count.

use std::time::{Duration, Instant};

use aws_lambda_events::sqs::SqsEvent;
use aws_smithy_types::timeout::TimeoutConfig;
use brand::{
    Brand, BrandId, BrandName, BrandReader, BrandWriter, Direction, DynamoDbBrandStore, Order,
    Position, SHARDS, Search, SortKey, SqsBrandEvents, SyncReader, Timestamp,
};
use cms::StubCms;
use create_brand::CreateBrand;
use dead_letters::DeadLetterQueue;
use futures::{StreamExt, TryStreamExt, stream};
use republish_brands::{Limits, RepublishBrands};
use serde_json::{Value, json};
use sync_brand::SyncBrand;
use system_tests::{Clients, Requests, Stack, Usage, event_about, store_synced};
use telemetry::Trace;
use workflow::SystemEnvironment;

use crate::{
    place::Place,
    problem,
    reads::{Read, Reads},
};

/// The template's `RepublishAfterSeconds` and `RepublishLimit`, where nothing else is said.
const LIMITS: Limits = Limits {
    first_wait: Duration::from_mins(1),
    rows: 1000,
};
/// How many requests are made at once to fill the table.
const AT_ONCE: usize = 16;
/// When the first brand was created, in 2001. Each is a millisecond younger than the one before.
const FIRST: u64 = 978_307_200_000;
/// How many brands the search finds, however many there are: fewer than a page.
pub(crate) const FOUND: usize = 10;
/// A part of the names that the search finds.
pub(crate) const SOUGHT: &str = "needle";

/// What an operation took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) dynamodb: Usage,
    pub(crate) queries: Read,
    pub(crate) to_sqs: u32,
    pub(crate) time: Duration,
}

impl Measured {
    /// All that does not vary.
    pub(crate) const fn counts(&self) -> (Usage, Read, u32) {
        (self.dynamodb, self.queries, self.to_sqs)
    }
}

pub(crate) struct World {
    pub(crate) place: Place,
    /// Does not count.
    store: DynamoDbBrandStore,
    to_dynamodb: Requests,
    to_sqs: Requests,
    reads: Reads,
    brands: DynamoDbBrandStore,
    create: CreateBrand<DynamoDbBrandStore, SqsBrandEvents>,
    sync: SyncBrand<DynamoDbBrandStore, DeadLetterQueue>,
    sweep: RepublishBrands<DynamoDbBrandStore, SqsBrandEvents>,
}

impl World {
    /// On a stack, with a table of its own. Its clients wait as long as it takes: the emulator is no measure for the
    /// functions' patience, and a request that is made again would be counted twice.
    pub(crate) async fn on(stack: &Stack) -> Result<Self, String> {
        let sdk = aws::sdk_config().map_err(problem)?;
        let patience = TimeoutConfig::disabled();
        let dynamodb =
            aws_sdk_dynamodb::config::Builder::from(&sdk).timeout_config(patience.clone());
        let sqs = aws_sdk_sqs::config::Builder::from(&sdk).timeout_config(patience);
        let plain = aws_sdk_dynamodb::Client::from_conf(dynamodb.clone().build());
        let (to_dynamodb, to_sqs, reads) =
            (Requests::default(), Requests::default(), Reads::default());
        let dynamodb = dynamodb.interceptor(to_dynamodb.clone());
        let dynamodb = dynamodb.interceptor(reads.clone()).build();
        let clients = Clients {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.interceptor(to_sqs.clone()).build()),
        };
        let place = Place::beside(stack, plain.clone(), clients.sqs.clone()).await?;
        let brands = DynamoDbBrandStore::new(clients.dynamodb.clone(), &place.table);
        let events = SqsBrandEvents::new(clients.sqs.clone(), &place.queue_url);
        let cms = StubCms::new(None, cms::Faults::default());
        let environment = std::sync::Arc::new(SystemEnvironment);
        let circuit = clients.circuit(stack);
        Ok(Self {
            store: DynamoDbBrandStore::new(plain, &place.table),
            to_dynamodb,
            to_sqs,
            reads,
            create: CreateBrand::new(brands.clone(), events.clone()),
            sync: clients.sync_brand(stack, brands.clone(), cms),
            sweep: RepublishBrands::new(brands.clone(), events, circuit, environment, LIMITS),
            brands,
            place,
        })
    }

    /// Stores brands that are synced, with those numbers.
    pub(crate) async fn fill(&self, numbers: std::ops::Range<u64>) -> Result<(), String> {
        let stored = stream::iter(numbers).map(async |number| {
            let stored = store_synced(&self.store, &brand(number)?).await;
            stored.map_err(problem)
        });
        stored.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Stores that many brands that have been due since an hour ago. They are not listed among the first.
    pub(crate) async fn store_due(&self, many: u32) -> Result<Vec<Brand>, String> {
        let then = Timestamp::now().minus(Duration::from_hours(1));
        let name = BrandName::parse("Due brand 000001").map_err(problem)?;
        let stored = stream::iter(0..many).map(async |_| {
            let brand = Brand::new(name.clone(), then);
            self.store.create(&brand).await.map_err(problem)?;
            Ok::<_, String>(brand)
        });
        stored.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// What an operation takes, and what it answers.
    async fn measured<T>(
        &self,
        operation: impl Future<Output = Result<T, String>>,
    ) -> Result<(Measured, T), String> {
        // What was made ready is not its own.
        let _ = (
            self.to_dynamodb.usage(),
            self.to_sqs.sent(),
            self.reads.take(),
        );
        let begun = Instant::now();
        let answer = operation.await?;
        let measured = Measured {
            time: begun.elapsed(),
            dynamodb: self.to_dynamodb.usage(),
            queries: self.reads.take(),
            to_sqs: self.to_sqs.sent(),
        };
        Ok((measured, answer))
    }

    /// POST /admin/brands: answers the brand as it is stored.
    pub(crate) async fn create(&self) -> Result<(Measured, Brand), String> {
        let request = include_str!("../../events/api-gateway-create-brand.json");
        let request = lambda_http::request::from_str(request).map_err(problem)?;
        let creating = async {
            let answer = self.create.handle(request).await;
            answer.map_err(|error| format!("no brand was created: {error:?}"))
        };
        let (measured, answer) = self.measured(creating).await?;
        let body: Value = serde_json::from_slice(answer.body()).map_err(problem)?;
        let id = body.pointer("/brand/id").and_then(Value::as_str);
        let id = id.and_then(|id| id.parse().ok()).ok_or("no id")?;
        let row = self.store.find(id).await.map_err(problem)?;
        Ok((measured, row.ok_or("the brand is gone")?.brand))
    }

    /// The event that announces the brand, as sync-brand hears it.
    pub(crate) async fn hear_of(&self, brand: &Brand) -> Result<Measured, String> {
        let batch = include_str!("../../events/sqs-brand-created.json");
        let mut batch: Value = serde_json::from_str(batch).map_err(problem)?;
        if let Some(body) = batch.pointer_mut("/Records/0/body") {
            *body = json!(event_about(brand));
        }
        let batch: SqsEvent = serde_json::from_value(batch).map_err(problem)?;
        let hearing = async { Ok(self.sync.handle(batch, None).await) };
        Ok(self.measured(hearing).await?.0)
    }

    pub(crate) async fn retrieve(&self, id: BrandId) -> Result<Measured, String> {
        let retrieving = async { self.brands.find(id).await.map_err(problem) };
        let (measured, found) = self.measured(retrieving).await?;
        found.map(|_| measured).ok_or("a brand is gone".to_owned())
    }

    /// The first page by number, and the count of all.
    pub(crate) async fn page_by_number(&self) -> Result<(Measured, u64), String> {
        let order = Order {
            by: SortKey::CreatedAt,
            direction: Direction::Ascending,
        };
        let (search, limit) = (Search::all(), query_brands::LIMIT);
        let listing = self.brands.list_and_count(&search, order, 0, limit);
        let listing = async { listing.await.map_err(problem) };
        let (measured, page) = self.measured(listing).await?;
        Ok((measured, page.count))
    }

    /// A page by cursor, behind the brand of that number if one is given; and how many brands it has.
    pub(crate) async fn page_after(
        &self,
        search: &Search,
        after: Option<u64>,
        limit: u16,
    ) -> Result<(Measured, usize), String> {
        let after = after.map(brand).transpose()?.map(|brand| Position {
            created_at: brand.created_at,
            id: brand.id,
        });
        let direction = Direction::Ascending;
        let listing = self.brands.list_after(search, direction, after, limit);
        let listing = async { listing.await.map_err(problem) };
        let (measured, page) = self.measured(listing).await?;
        Ok((measured, page.brands.len()))
    }

    /// An invocation of republish-brands, and how many reminders it sent.
    pub(crate) async fn sweep(&self) -> Result<(Measured, usize), String> {
        let trace = Trace::of_request(None, None);
        let sweeping = async { self.sweep.handle(&trace, None).await.map_err(problem) };
        let (measured, report) = self.measured(sweeping).await?;
        Ok((measured, report.notified))
    }
}

/// The brand of that number. All rows have the same size, and each shard nearly as many of them.
fn brand(number: u64) -> Result<Brand, String> {
    let is_sought = number.is_multiple_of(19) && number / 19 < FOUND as u64;
    let name = if is_sought {
        format!("Needle {number:09}")
    } else {
        format!("Brand {number:010}")
    };
    let name = BrandName::parse(&name).map_err(problem)?;
    let created_at = Timestamp::from_millis(FIRST + number);
    let brand = Brand::new(name, created_at);
    let ids = std::iter::repeat_with(|| BrandId::new(created_at));
    let is_in_shard = |id: &BrandId| u64::from(id.shard(SHARDS)) == number % u64::from(SHARDS);
    let id = ids.take(10_000).find(is_in_shard);
    let id = id.ok_or("no id falls into the shard")?;
    Ok(Brand { id, ..brand })
}
