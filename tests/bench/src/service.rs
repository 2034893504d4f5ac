//! What the services answer: at once, and as if all were well.

use std::fmt;

use brand::{BrandName, RequestDigest, Timestamp};
use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

/// How a request is counted that asks for nothing.
pub(crate) const PING: &str = "ping";
/// The table of brands.
pub(crate) const BRANDS_TABLE: &str = "brands";

/// A service that the stage plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// DynamoDB: each brand is there, and not synced.
    DynamoDb,
    /// SQS.
    Sqs,
    /// Secrets Manager: each secret is the one that signs the stage's token.
    SecretsManager,
    /// The CMS.
    Cms,
}

impl Service {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::DynamoDb, Self::Sqs, Self::SecretsManager, Self::Cms];

    /// The environment variable that tells a function where it is.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
            Self::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Self::Cms => "CMS_URL",
        }
    }

    /// What a request asks for.
    pub(crate) fn operation(self, method: &Method, headers: &HeaderMap) -> String {
        let target = headers.get("x-amz-target");
        let target = target.and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.split('.').nth(1));
        match operation {
            Some(operation) => operation.to_owned(),
            None if self == Self::Cms && method != Method::HEAD => method.to_string(),
            None => PING.to_owned(),
        }
    }

    /// Status and body of the answer. `secret` is what Secrets Manager holds.
    pub(crate) fn answer(self, operation: &str, body: &[u8], secret: &str) -> (StatusCode, String) {
        let answer = match (self, operation) {
            (Self::Cms, PING) => return (StatusCode::NOT_FOUND, String::new()),
            (Self::Cms, _) => {
                let brand: Value = serde_json::from_slice(body).unwrap_or_default();
                return (StatusCode::CREATED, json!({ "brand": brand }).to_string());
            }
            (_, PING) => return (StatusCode::OK, "healthy".to_owned()),
            (Self::DynamoDb, "GetItem") => json!({ "Item": item(body) }),
            (Self::DynamoDb, "UpdateItem") => json!({ "Attributes": item(body) }),
            (Self::DynamoDb, _) => json!({}),
            (Self::Sqs, _) => json!({
                "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
                "MD5OfMessageBody": "390c6c15afdac4d3e4da0ba9e288ac97",
            }),
            (Self::SecretsManager, _) => json!({ "Name": "secret", "SecretString": secret }),
        };
        (StatusCode::OK, answer.to_string())
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DynamoDb => "DynamoDB",
            Self::Sqs => "SQS",
            Self::SecretsManager => "Secrets Manager",
            Self::Cms => "CMS",
        })
    }
}

/// The brand of the id that is asked for. Nothing else is in a table: null.
fn item(body: &[u8]) -> Value {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    if request.get("TableName").and_then(Value::as_str) != Some(BRANDS_TABLE) {
        return Value::Null;
    }
    let (Some(id), Ok(name)) = (request.pointer("/Key/id"), BrandName::parse("Acme")) else {
        return Value::Null;
    };
    let now = Timestamp::now().to_string();
    let digest = serde_json::to_value(RequestDigest::of(&name)).unwrap_or_default();
    json!({
        "id": id,
        "name": { "S": name.as_str() },
        "version": { "N": "1" },
        "created_at": { "S": now },
        "updated_at": { "S": now },
        "request": { "S": digest },
        "due_shard": { "S": "5" },
        "due_at": { "S": now },
        "due_since": { "S": now },
        "listed_shard": { "S": "5" },
    })
}
