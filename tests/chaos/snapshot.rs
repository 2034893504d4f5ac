//! How everything stands: the brands' table, the runs, the CMS, the queues.

use std::{collections::BTreeMap, error::Error, fmt, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use brand::{Brand, BrandId, BrandStore, DynamoDbBrandStore};
use cms::{CmsBrand, Stats};
use dead_letters::FailureKind;
use futures::{StreamExt, TryStreamExt, stream};
use journal::DynamoDbJournal;
use serde_json::Value;
use system_tests::{Stack, attribute};
use workflow::{Journal, Run, RunId, RunQuery, RunState};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// For how long, in seconds, a parked message that is looked at is kept from others.
const HOLD: i32 = 60;
/// How many rows are read at once.
const AT_ONCE: usize = 20;

/// What is still to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Brands in the index of what is to be synced.
    pub(crate) unsynced: Vec<String>,
    /// Messages of the queue of events: visible, delivered and not acknowledged, delayed.
    pub(crate) messages: [u64; 3],
    /// Runs that are not over.
    pub(crate) runs: Vec<(RunId, RunState)>,
}

impl Pending {
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [visible, delivered, delayed] = self.messages;
        write!(
            formatter,
            "{} brands unsynced, {visible} messages + {delivered} delivered + {delayed} delayed, {} runs under way",
            self.unsynced.len(),
            self.runs.len()
        )
    }
}

/// A parked message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) body: String,
    pub(crate) kind: FailureKind,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) pending: Pending,
    pub(crate) brands: BTreeMap<BrandId, Brand>,
    pub(crate) runs: BTreeMap<RunId, Run>,
    pub(crate) in_cms: Vec<CmsBrand>,
    pub(crate) cms: Stats,
    pub(crate) parked: Vec<Parked>,
}

/// Looks at things.
pub(crate) struct Look<'a> {
    pub(crate) stack: &'a Arc<Stack>,
    pub(crate) http: reqwest::Client,
}

impl Look<'_> {
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, BoxError> {
        Ok(Snapshot {
            pending: self.pending().await?,
            brands: self.brands().await?,
            runs: self
                .runs()
                .await?
                .into_iter()
                .map(|run| (run.id.clone(), run))
                .collect(),
            in_cms: self.in_cms().await?,
            cms: serde_json::from_value(self.cms("stats").await?)?,
            parked: self.parked().await?,
        })
    }

    /// The queue comes first and last: what moves from there to a run, or back, is not overlooked.
    pub(crate) async fn pending(&self) -> Result<Pending, BoxError> {
        let before = self.messages().await?;
        let runs = self.runs().await?.into_iter();
        let is_settled = |run: &Run| run.state.is_over() || run.state == RunState::Failed;
        let runs = runs
            .filter(|run| !is_settled(run))
            .map(|run| (run.id, run.state))
            .collect();
        let unsynced = self.ids(Some("unsynced")).await?;
        let after = self.messages().await?;
        let messages = if after == [0; 3] { before } else { after };
        Ok(Pending {
            unsynced,
            messages,
            runs,
        })
    }

    async fn messages(&self) -> Result<[u64; 3], BoxError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self
            .stack
            .sqs
            .get_queue_attributes()
            .queue_url(&self.stack.brand_events_queue_url)
            .set_attribute_names(Some(names.to_vec()));
        let attributes = request.send().await?.attributes.unwrap_or_default();
        let count = |name| attributes.get(&name).and_then(|count| count.parse().ok());
        let counts = names.map(count);
        if counts.contains(&None) {
            return Err("the queue does not tell how many messages it holds".into());
        }
        Ok(counts.map(Option::unwrap_or_default))
    }

    /// The ids of all brands, or of those in that index.
    async fn ids(&self, index: Option<&str>) -> Result<Vec<String>, BoxError> {
        let request = self
            .stack
            .dynamodb
            .scan()
            .table_name(&self.stack.brands_table)
            .set_index_name(index.map(str::to_owned))
            .set_consistent_read(index.is_none().then_some(true))
            .projection_expression("id");
        let items = request.into_paginator().items().send();
        let items: Vec<_> = items.collect::<Result<_, _>>().await?;
        let id = |item: &std::collections::HashMap<String, AttributeValue>| {
            item.get("id").and_then(|id| id.as_s().ok()).cloned()
        };
        Ok(items.iter().filter_map(id).collect())
    }

    async fn brands(&self) -> Result<BTreeMap<BrandId, Brand>, BoxError> {
        let store = &DynamoDbBrandStore::new(self.stack.dynamodb.clone(), &self.stack.brands_table);
        let found = stream::iter(self.ids(None).await?)
            .map(|id| async move {
                let brand = store.get(id.parse()?).await?;
                brand.ok_or_else(|| BoxError::from("a row is gone"))
            })
            .buffer_unordered(AT_ONCE);
        found.map_ok(|brand| (brand.id, brand)).try_collect().await
    }

    async fn runs(&self) -> Result<Vec<Run>, BoxError> {
        let (dynamodb, table) = (&self.stack.dynamodb, &self.stack.workflow_executions_table);
        let journal = DynamoDbJournal::new(dynamodb.clone(), table);
        let (mut runs, mut query) = (Vec::new(), RunQuery::default());
        loop {
            let page = journal.list(&query).await?;
            runs.extend(page.runs);
            if page.next.is_none() {
                return Ok(runs);
            }
            query.after = page.next;
        }
    }

    pub(crate) async fn in_cms(&self) -> Result<Vec<CmsBrand>, BoxError> {
        let mut held = self.cms("brands").await?;
        let held = held.get_mut("brands").map(Value::take).unwrap_or_default();
        Ok(serde_json::from_value(held)?)
    }

    async fn cms(&self, what: &str) -> Result<Value, BoxError> {
        let request = self.http.get(format!("{}/{what}", self.stack.cms_url));
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// All parked messages. They stay.
    async fn parked(&self) -> Result<Vec<Parked>, BoxError> {
        let (sqs, url) = (&self.stack.sqs, &self.stack.brand_events_dlq_url);
        let (mut parked, mut receipts) = (Vec::new(), Vec::new());
        loop {
            let request = sqs
                .receive_message()
                .queue_url(url)
                .max_number_of_messages(10)
                .visibility_timeout(HOLD)
                .message_attribute_names("All")
                .message_system_attribute_names(MessageSystemAttributeName::All);
            let received = request.send().await?.messages.unwrap_or_default();
            if received.is_empty() {
                break;
            }
            for message in received {
                let kind = attribute(&message, "failure_kind");
                parked.push(Parked {
                    // What the queue itself moved does not say why.
                    kind: kind.parse().unwrap_or(FailureKind::Undelivered),
                    body: message.body.unwrap_or_default(),
                });
                receipts.extend(message.receipt_handle);
            }
        }
        for receipt in receipts {
            let request = sqs.change_message_visibility().queue_url(url);
            let request = request.receipt_handle(receipt).visibility_timeout(0);
            request.send().await?;
        }
        Ok(parked)
    }
}
