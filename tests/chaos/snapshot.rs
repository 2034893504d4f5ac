//! How everything stands: the brands' rows, the circuit, the CMS, the queues.

use std::{collections::BTreeMap, error::Error, fmt, sync::Arc};

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use brand::{BrandId, BrandRow, CMS_SUBSCRIBER, SyncStore};
use circuit::{CircuitStore, DynamoDbCircuitStore};
use cms::{CmsBrand, Stats};
use dead_letters::FailureKind;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use system_tests::{Stack, attribute};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// For how long, in seconds, a parked message that is looked at is kept from others.
const HOLD: i32 = 60;
/// How many rows are read at once.
const AT_ONCE: usize = 20;

/// What is still to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Brands in the index of what is due.
    pub(crate) unsynced: Vec<String>,
    /// Messages of the queue of events: visible, delivered and not acknowledged, delayed.
    pub(crate) messages: [u64; 3],
    /// Why the circuit is open, if it is.
    pub(crate) circuit_open: Option<String>,
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
            "{} brands unsynced, {visible} messages + {delivered} delivered + {delayed} delayed",
            self.unsynced.len(),
        )?;
        match &self.circuit_open {
            Some(cause) => write!(formatter, ", circuit open: {cause}"),
            None => Ok(()),
        }
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
    pub(crate) rows: BTreeMap<BrandId, BrandRow>,
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
            rows: self.rows().await?,
            in_cms: self.in_cms().await?,
            cms: self.stats().await?,
            parked: self.parked().await?,
        })
    }

    pub(crate) async fn pending(&self) -> Result<Pending, BoxError> {
        let (stack, dynamodb) = (self.stack, self.stack.dynamodb.clone());
        let circuits = DynamoDbCircuitStore::new(dynamodb, &stack.circuits_table);
        let circuit = circuits.load(CMS_SUBSCRIBER).await?;
        Ok(Pending {
            unsynced: stack.unsynced().await?,
            messages: self.messages().await?,
            circuit_open: circuit.open.map(|opening| opening.cause),
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

    async fn rows(&self) -> Result<BTreeMap<BrandId, BrandRow>, BoxError> {
        let store = &self.stack.brands();
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (ids, next) = store.ids(after).await?;
            all.extend(ids);
            after = next;
            if after.is_none() {
                break;
            }
        }
        let found = stream::iter(all)
            .map(|id| async move {
                let row = store.load(id).await?;
                row.ok_or_else(|| BoxError::from("a row is gone"))
            })
            .buffer_unordered(AT_ONCE);
        found.map_ok(|row| (row.brand.id, row)).try_collect().await
    }

    pub(crate) async fn in_cms(&self) -> Result<Vec<CmsBrand>, BoxError> {
        let mut held = self.cms("brands").await?;
        let held = held.get_mut("brands").map(Value::take).unwrap_or_default();
        Ok(serde_json::from_value(held)?)
    }

    pub(crate) async fn stats(&self) -> Result<Stats, BoxError> {
        Ok(serde_json::from_value(self.cms("stats").await?)?)
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
