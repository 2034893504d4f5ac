//! Brands on DynamoDB: one table, one row a brand.

mod changes;
mod inventory;
mod outbox;
mod reading;
mod row;
mod stored;
mod syncing;
mod unsynced;

use std::time::Duration;

use aws::Limits;
use aws_sdk_dynamodb::{
    Client, Config,
    operation::query::{QueryOutput, builders::QueryFluentBuilder},
};

use crate::StoreError;

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

/// Reads a page of a query. It may be large, and those of all shards are read at once: so it gets more time than other requests.
async fn page(query: QueryFluentBuilder) -> Result<QueryOutput, StoreError> {
    let patient = Config::builder().timeout_config(Limits::LONG.timeouts());
    let answer = query.customize().config_override(patient).send().await;
    answer.map_err(row::store_error)
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests fail by panicking")]
mod tests {
    use std::time::Duration;

    use aws::Limits;
    use aws_sdk_dynamodb::{
        Client, Config,
        config::{BehaviorVersion, Credentials, Region},
    };
    use aws_smithy_runtime_api::client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    };
    use tokio::time::sleep;

    use super::DynamoDbBrandStore;
    use crate::{Brand, BrandName, BrandReader, BrandWriter, Direction, Search, Timestamp};

    /// Answers after that time that there is nothing.
    #[derive(Debug)]
    struct Slow(Duration);

    impl HttpConnector for Slow {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let time = self.0;
            HttpConnectorFuture::new(async move {
                sleep(time).await;
                let status = 200_u16.try_into().expect("a status");
                Ok(HttpResponse::new(status, r#"{"Count":0}"#.into()))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_may_take_longer_than_other_requests() {
        let slow = SharedHttpConnector::new(Slow(Limits::SHORT.attempt.saturating_mul(2)));
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("AKID", "key", None, None, "test"))
            .http_client(http_client_fn(move |_, _| slow.clone()))
            .region(Region::new("eu-central-1"))
            .timeout_config(Limits::SHORT.timeouts());
        let brands = DynamoDbBrandStore::new(Client::from_conf(config.build()), "brands");
        let brand = Brand::new(BrandName::parse("Acme").expect("a name"), Timestamp::now());
        assert!(brands.create(&brand).await.is_err());
        let all = Search::all();
        let page = brands.list_after(&all, Direction::Ascending, None, 1);
        assert!(page.await.is_ok());
    }
}
