//! The store on DynamoDB: what every store of reconciliations has to do.

#![cfg(feature = "conformance")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use aws_sdk_dynamodb::Client;
use brand::{BrandId, Timestamp};
use config::Env;
use reconcile::{DynamoDbReconciliationStore, conformance};

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn it_keeps_a_reconciliation_and_what_was_asked_for_on_dynamodb() {
    let table = Env::of_process().text("CIRCUITS_TABLE");
    let client = Client::new(&aws::sdk_config().unwrap());
    let store = DynamoDbReconciliationStore::new(client, table);
    let target = BrandId::new(Timestamp::now()).to_string();
    conformance::keeping(&store, &target).await;
    conformance::asking(&store, &target).await;
}
