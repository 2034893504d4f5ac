//! The store in memory: what every store of reconciliations has to do.

#![cfg(feature = "conformance")]

use reconcile::{MemoryReconciliationStore, conformance};

#[tokio::test]
async fn it_keeps_a_reconciliation_and_what_was_asked_for() {
    let store = MemoryReconciliationStore::default();
    conformance::keeping(&store, "cms").await;
    conformance::asking(&store, "cms").await;
}
