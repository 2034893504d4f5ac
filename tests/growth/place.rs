//! A table and a queue of this program's own, made as those of the stack are: nobody else writes to the one or listens to
//! the other.

use std::env;

use aws_sdk_dynamodb::types::TableStatus;
use serde_json::{Value, json};
use system_tests::{Stack, http_client, until};

use crate::problem;

/// What an emulator of AWS wants to see; it does not look at the signature.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";

/// Where brands are kept and announced.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) table: String,
    pub(crate) queue_url: String,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Place {
    pub(crate) async fn beside(
        stack: &Stack,
        dynamodb: aws_sdk_dynamodb::Client,
        sqs: aws_sdk_sqs::Client,
    ) -> Result<Self, String> {
        let table = format!("growth-{:016x}", fastrand::u64(..));
        copy(&stack.brands_table, &table).await?;
        until("the table is made", async || {
            let answer = dynamodb.describe_table().table_name(&table).send().await;
            let status = answer.ok()?.table?.table_status?;
            (status == TableStatus::Active).then_some(())
        })
        .await;
        let queue = sqs.create_queue().queue_name(&table).send().await;
        let queue_url = queue.map_err(problem)?.queue_url.unwrap_or_default();
        Ok(Self {
            table,
            queue_url,
            dynamodb,
            sqs,
        })
    }

    pub(crate) async fn remove(self) -> Result<(), String> {
        let table = self.dynamodb.delete_table().table_name(self.table);
        table.send().await.map_err(problem)?;
        let queue = self.sqs.delete_queue().queue_url(self.queue_url);
        queue.send().await.map(|_| ()).map_err(problem)
    }
}

/// Makes an empty table with the keys and indexes of another.
async fn copy(from: &str, to: &str) -> Result<(), String> {
    let answer = ask("DescribeTable", &json!({ "TableName": from })).await?;
    let table = answer.get("Table").ok_or("there is no such table")?;
    let indexes = table
        .get("GlobalSecondaryIndexes")
        .and_then(Value::as_array);
    let indexes = indexes.into_iter().flatten();
    let indexes: Vec<Value> = indexes
        .map(|index| {
            json!({
                "IndexName": index.get("IndexName"),
                "KeySchema": index.get("KeySchema"),
                "Projection": index.get("Projection"),
            })
        })
        .collect();
    let definition = json!({
        "TableName": to,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": table.get("AttributeDefinitions"),
        "KeySchema": table.get("KeySchema"),
        "GlobalSecondaryIndexes": indexes,
    });
    ask("CreateTable", &definition).await.map(|_| ())
}

/// Asks DynamoDB without the SDK, which cannot read how the emulator describes a table that a template made: that has a text
/// where a truth value belongs.
async fn ask(operation: &str, request: &Value) -> Result<Value, String> {
    let url = env::var("AWS_ENDPOINT_URL").map_err(problem)?;
    let request = http_client()
        .post(url)
        .header("authorization", AUTHORIZATION)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .body(request.to_string());
    let answer = request.send().await.map_err(problem)?;
    let is_good = answer.status().is_success();
    let answer: Value = answer.json().await.map_err(problem)?;
    if is_good {
        Ok(answer)
    } else {
        Err(format!("{operation}: {answer}"))
    }
}
