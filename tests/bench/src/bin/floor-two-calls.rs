//! A function that makes the two calls of create-brand, with the same SDK clients, and does nothing else: what creating a
//! brand costs at least.

use aws_sdk_dynamodb::types::AttributeValue::S;
use lambda_http::{Body, Error, Request, Response, run, service_fn};

/// As long as what create-brand stores.
const ITEM: [(&str, &str); 9] = [
    ("id", "01a20c70-a8c0-79f3-97c8-60a35459a718"),
    ("name", "Acme"),
    ("version", "1"),
    ("created_at", "2026-11-24T07:24:05.312Z"),
    ("updated_at", "2026-11-24T07:24:05.312Z"),
    ("request", "0123456789abcdef0123456789abcdef0123456789a"),
    ("unsynced_shard", "5"),
    ("announce_after", "2026-11-24T07:24:05.312Z"),
    ("listed_shard", "5"),
];

/// As long as what create-brand sends.
const MESSAGE: &str = r#"{"specversion":"1.0","id":"01a20c70-a8c0-79f3-97c8-60a35459a718/1","source":"/admin/brands","type":"brand.created","subject":"01a20c70-a8c0-79f3-97c8-60a35459a718","time":"2026-11-24T07:24:05.312Z","datacontenttype":"application/json","data":{"id":"01a20c70-a8c0-79f3-97c8-60a35459a718"}}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (table, queue_url) = (
        std::env::var("BRANDS_TABLE")?,
        std::env::var("BRAND_EVENTS_QUEUE_URL")?,
    );
    let sdk = aws::sdk_config()?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    run(service_fn(async |_: Request| {
        let item = ITEM.map(|(name, value)| (name.to_owned(), S(value.to_owned())));
        let put = dynamodb.put_item().table_name(&table);
        put.set_item(Some(item.into())).send().await?;
        let send = sqs.send_message().queue_url(&queue_url);
        send.message_body(MESSAGE).send().await?;
        Ok::<_, Error>(Response::new(Body::from("done")))
    }))
    .await
}
