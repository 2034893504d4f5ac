//! What befalls the functions' requests to DynamoDB and SQS. Others, such as for secrets, are passed on.

use std::{sync::Arc, time::Duration};

use hyper::{Request, body::Bytes};

use crate::{
    chaos::{Chaos, Odds},
    fault::Fault,
    plan::Target,
    proxy::{Reply, Treat, Treatment},
};

/// How slow a slow answer is, at most: not so slow that a request takes effect long after it was given up.
const SLOW: Duration = Duration::from_millis(1500);

const DYNAMODB: [Odds; 6] = [
    (Fault::DynamoDbFails, 25),
    (Fault::DynamoDbThrottles, 15),
    (Fault::DynamoDbOutOfReach, 15),
    (Fault::DynamoDbActsAndFails, 20),
    (Fault::DynamoDbLosesReply, 30),
    (Fault::DynamoDbSlow, 30),
];

const SQS: [Odds; 5] = [
    (Fault::SqsFails, 40),
    (Fault::SqsOutOfReach, 30),
    (Fault::SqsActsAndFails, 30),
    (Fault::SqsLosesReply, 40),
    (Fault::SqsSlow, 40),
];
const SENDS_TWICE: [Odds; 1] = [(Fault::SqsSendsTwice, 60)];
/// What ends create-brand between storing and announcing. Its processes die all at once.
const DIES: [Odds; 1] = [(Fault::DiedStoring, 10)];

const DYNAMODB_FAILS: Reply = Reply::Instead(
    500,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"injected"}"#,
);
const DYNAMODB_THROTTLES: Reply = Reply::Instead(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"injected"}"#,
);
const SQS_FAILS: Reply = Reply::Instead(
    500,
    r#"{"__type":"com.amazonaws.sqs#InternalFailure","message":"injected"}"#,
);

/// Tells what befalls a request.
pub(crate) struct AwsFaults(pub(crate) Arc<Chaos>);

impl Treat for AwsFaults {
    fn treat(&self, request: &Request<Bytes>) -> Treatment {
        let operation = request.headers().get("x-amz-target");
        let operation = operation.and_then(|name| name.to_str().ok());
        match operation.and_then(|name| name.split_once('.')) {
            Some(("DynamoDB_20120810", operation)) => self.dynamodb(operation, request.body()),
            Some(("AmazonSQS", operation)) => self.sqs(operation),
            _ => Treatment::PASS,
        }
    }

    async fn kill(&self, function: &'static str) {
        self.0.killer.kill_all(function).await;
    }
}

impl AwsFaults {
    fn dynamodb(&self, operation: &str, body: &[u8]) -> Treatment {
        let chaos = &self.0;
        let stores_brand = operation == "PutItem" && contains(body, b"due_shard");
        if stores_brand && chaos.strike(Target::DynamoDb, &DIES).is_some() {
            return Treatment::acting(Reply::Killed("create-brand"));
        }
        let Some(fault) = chaos.strike(Target::DynamoDb, &DYNAMODB) else {
            return Treatment::PASS;
        };
        match fault {
            Fault::DynamoDbFails => Treatment::not_acting(DYNAMODB_FAILS),
            Fault::DynamoDbThrottles => Treatment::not_acting(DYNAMODB_THROTTLES),
            Fault::DynamoDbOutOfReach => Treatment::not_acting(Reply::Nothing),
            Fault::DynamoDbActsAndFails => Treatment::acting(DYNAMODB_FAILS),
            Fault::DynamoDbLosesReply => Treatment::acting(Reply::Nothing),
            _ => Treatment {
                wait: chaos.moment(SLOW),
                ..Treatment::PASS
            },
        }
    }

    fn sqs(&self, operation: &str) -> Treatment {
        let chaos = &self.0;
        let sends = operation.starts_with("SendMessage");
        if sends && chaos.is_out() {
            chaos.injected.count(Fault::SqsOutage);
            return Treatment::not_acting(SQS_FAILS);
        }
        if sends && chaos.strike(Target::Sqs, &SENDS_TWICE).is_some() {
            return Treatment {
                passed_on: 2,
                ..Treatment::PASS
            };
        }
        let Some(fault) = chaos.strike(Target::Sqs, &SQS) else {
            return Treatment::PASS;
        };
        match fault {
            Fault::SqsFails => Treatment::not_acting(SQS_FAILS),
            Fault::SqsOutOfReach => Treatment::not_acting(Reply::Nothing),
            Fault::SqsActsAndFails => Treatment::acting(SQS_FAILS),
            Fault::SqsLosesReply => Treatment::acting(Reply::Nothing),
            _ => Treatment {
                wait: chaos.moment(SLOW),
                ..Treatment::PASS
            },
        }
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}
