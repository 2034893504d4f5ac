//! Attempts counted on DynamoDB.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod contract;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::Env;
use contract::Contract;
use sign_in::attempts::{DynamoDbAttempts, Limiter};

fn attempts() -> DynamoDbAttempts {
    let mut env = Env::of_process();
    let table = env.text("SIGN_IN_ATTEMPTS_TABLE");
    let table = env.finish(table).unwrap();
    let sdk = aws::sdk_config().unwrap();
    DynamoDbAttempts::new(aws_sdk_dynamodb::Client::new(&sdk), table)
}

/// The begin of a window of this process's own, so that neither a border nor another run of the tests disturbs the counts.
fn window() -> SystemTime {
    let index = 7_000_000 + 2 * u64::from(std::process::id());
    UNIX_EPOCH + Duration::from_mins(15 * index)
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn attempts_on_dynamodb_keep_the_contract() {
    let limiter = Limiter::new(attempts());
    let window = window();
    Contract { limiter, window }.check().await;
}
