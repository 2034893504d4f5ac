//! A visit to a row is a journal like any other: it passes the engine's cases, here on the store in memory. A test of the whole
//! system does the same on DynamoDB.

use brand::MemoryBrandStore;
use journal::fixture::Rows;
use workflow::conformance::check;

#[tokio::test]
async fn a_visit_does_what_a_journal_must() {
    let cases = check(&Rows::new(MemoryBrandStore::new())).await;
    assert!(cases > 0);
}
