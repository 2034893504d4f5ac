//! Brands on DynamoDB: one table, one row a brand.

mod changes;
mod outbox;
mod reading;
mod row;
mod stored;
mod syncing;

use std::time::Duration;

use aws_sdk_dynamodb::Client;

/// The table of brands.
#[derive(Clone, Debug)]
pub struct DynamoDbBrandStore {
    client: Client,
    table: String,
    notify_after: Duration,
}

impl DynamoDbBrandStore {
    /// The store on the table of that name. A row that the API has written is due a minute later.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
            notify_after: Duration::from_mins(1),
        }
    }

    /// A row that the API has written is due after that time, unless its event gets through.
    #[must_use]
    pub fn with_notify_after(self, notify_after: Duration) -> Self {
        Self {
            notify_after,
            ..self
        }
    }
}
