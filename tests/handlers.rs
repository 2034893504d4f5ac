//! The functions' own handlers, on clients that a test chooses.

use std::{sync::Arc, time::Duration};

use brand::{CMS_SUBSCRIBER, DynamoDbBrandStore};
use circuit::{
    CallReports, CircuitBreaker, CircuitConfig, CircuitGate, DynamoDbCircuitStore, Pace,
};
use cms::StubCms;
use dead_letters::DeadLetterQueue;
use sync_brand::{CmsSubscriber, CmsTarget, Record, SyncBrand};
use workflow::{Engine, MemoryJournal, SystemEnvironment};

use crate::Stack;

/// The clients that a handler uses.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Of DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Of SQS.
    pub sqs: aws_sdk_sqs::Client,
}

impl Clients {
    /// The circuit of the CMS.
    #[must_use]
    pub fn circuit(&self, stack: &Stack) -> CircuitBreaker {
        let store = DynamoDbCircuitStore::new(self.dynamodb.clone(), &stack.circuits_table);
        CircuitBreaker::new(Arc::new(store), CMS_SUBSCRIBER, CircuitConfig::default())
    }

    /// The reports of the calls of the CMS.
    fn reports(&self, stack: &Stack) -> CallReports {
        let store = DynamoDbCircuitStore::new(self.dynamodb.clone(), &stack.circuits_table);
        CallReports::new(Arc::new(store), CMS_SUBSCRIBER)
    }

    /// The handler of sync-brand, on those brands and that CMS.
    #[must_use]
    pub fn sync_brand(
        &self,
        stack: &Stack,
        brands: DynamoDbBrandStore,
        cms: StubCms,
    ) -> SyncBrand<DynamoDbBrandStore, DeadLetterQueue> {
        let (environment, record) = (Arc::new(SystemEnvironment), Arc::new(Record::default()));
        let target = CmsTarget::new(
            cms,
            CircuitGate::new(self.circuit(stack)),
            Pace::new(None),
            environment.clone(),
            record.clone(),
            Duration::from_secs(5),
        );
        SyncBrand::new(
            brands,
            DeadLetterQueue::new(self.sqs.clone(), &stack.brand_events_dlq_url),
            vec![Arc::new(CmsSubscriber::new(
                target,
                reconcile::Conflicts::Report,
            ))],
            Engine::new(Arc::new(MemoryJournal::default())),
            environment,
            record,
        )
        .with_reports(self.reports(stack))
    }
}
