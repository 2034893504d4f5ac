//! The stores on the emulator's DynamoDB, put through the same cases as those in memory.

use brand::contract;
use journal::fixture::Rows;
use system_tests::Stack;
use workflow::conformance;

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn brands_on_dynamodb_are_stored_and_synced_as_a_store_must() {
    let brands = Stack::connect().await.brands();
    contract::writer(&brands).await;
    contract::concurrent_changes(&brands).await;
    contract::sync(&brands).await;
    contract::taking_up(&brands).await;
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn rows_on_dynamodb_are_due_as_a_store_must_have_them() {
    let brands = Stack::connect().await.brands();
    contract::outbox(&brands).await;
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn the_journal_on_dynamodb_does_what_a_journal_must() {
    let rows = Rows::new(Stack::connect().await.brands());
    let cases = conformance::check(&rows).await;
    println!("{cases} cases passed on DynamoDB");
    assert!(cases > 0);
}
