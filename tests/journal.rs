//! The journal on the emulator's DynamoDB, put through the same cases as the one in memory.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use journal::DynamoDbJournal;
use system_tests::Stack;
use uuid::{ContextV7, Timestamp, Uuid};
use workflow::{
    Journal,
    conformance::{Subject, check},
};

/// Writes go to the table of the runs, as items that are no runs.
struct OnDynamoDb(Stack);

impl OnDynamoDb {
    fn put(&self, name: &str, condition: &str) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.0.brands_table)
            .item("id", AttributeValue::S(name.to_owned()))
            .condition_expression(condition);
        TransactWriteItem::builder()
            .set_put(put.build().ok())
            .build()
    }
}

impl Subject for OnDynamoDb {
    type Write = TransactWriteItem;

    fn journal(&self) -> Arc<dyn Journal<TransactWriteItem>> {
        Arc::new(DynamoDbJournal::new(
            self.0.dynamodb.clone(),
            &self.0.workflow_executions_table,
        ))
    }

    fn accepted(&self, name: &str) -> TransactWriteItem {
        self.put(name, "attribute_not_exists(id)")
    }

    fn refused(&self, name: &str) -> TransactWriteItem {
        self.put(name, "attribute_exists(id)")
    }

    async fn is_written(&self, name: &str) -> bool {
        let request = self.0.dynamodb.get_item().table_name(&self.0.brands_table);
        let request = request
            .key("id", AttributeValue::S(name.to_owned()))
            .consistent_read(true);
        request
            .send()
            .await
            .is_ok_and(|answer| answer.item.is_some())
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn the_journal_on_dynamodb_does_what_a_journal_must() {
    let subject = OnDynamoDb(Stack::connect().await);
    let prefix = Uuid::new_v7(Timestamp::now(ContextV7::new())).to_string();
    let cases = check(&subject, &prefix).await;
    println!("{cases} cases passed on DynamoDB");
    assert!(cases > 0);
}
