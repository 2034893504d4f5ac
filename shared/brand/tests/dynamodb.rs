//! The store on DynamoDB: what a store of brands has to do, and rows that were damaged. Each test has a table of its own, so that
//! no damaged row gets among those of the stack.

#![cfg(feature = "contract")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use std::{
    collections::{BTreeMap, HashMap},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
        KeyType, Projection, ProjectionType, ScalarAttributeType,
    },
};
use brand::{
    Brand, BrandId, BrandName, BrandReader, BrandWriter, CMS_SUBSCRIBER, Changed, Created,
    Direction, DynamoDbBrandStore, IdempotencyKey, Lease, Outbox, SHARDS, Schedule, Search,
    StoreError, SubscriberState, SyncStore, SyncWrite, SyncWritten, Timestamp, WriteScope,
    contract,
};

struct Table {
    client: Client,
    name: String,
    store: DynamoDbBrandStore,
}

type Item = HashMap<String, AttributeValue>;

impl Table {
    /// A new one, with the keys and indexes of the template's.
    async fn create() -> Self {
        let client = Client::new(&aws::sdk_config().unwrap());
        let name = format!("rows-{}", new_brand().id);
        let mut request = client
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute("id"))
            .set_key_schema(Some(keys("id", None)));
        for (index, shard, time, others) in [
            ("due", "due_shard", "due_at", vec!["due_since"]),
            ("attention", "attention_shard", "attention_since", vec![]),
            (
                "listed",
                "listed_shard",
                "created_at",
                vec!["name", "updated_at"],
            ),
        ] {
            let kind = if others.is_empty() {
                ProjectionType::KeysOnly
            } else {
                ProjectionType::Include
            };
            let others = others.into_iter().map(str::to_owned).collect::<Vec<_>>();
            let projection = Projection::builder()
                .projection_type(kind)
                .set_non_key_attributes(Some(others).filter(|others| !others.is_empty()));
            let index = GlobalSecondaryIndex::builder()
                .index_name(index)
                .set_key_schema(Some(keys(shard, Some(time))))
                .projection(projection.build());
            request = request
                .attribute_definitions(attribute(shard))
                .attribute_definitions(attribute(time))
                .global_secondary_indexes(index.build().unwrap());
        }
        request.send().await.unwrap();
        Self {
            store: DynamoDbBrandStore::new(client.clone(), &name),
            client,
            name,
        }
    }

    async fn get(&self, id: BrandId) -> Item {
        let request = self.client.get_item().table_name(&self.name);
        let request = request.key("id", text(&id.to_string()));
        request.send().await.unwrap().item.unwrap()
    }

    async fn put(&self, item: Item) {
        let request = self.client.put_item().table_name(&self.name);
        request.set_item(Some(item)).send().await.unwrap();
    }

    /// A brand whose row has that attribute, or lacks it.
    async fn damaged(&self, name: &str, value: Option<AttributeValue>) -> Brand {
        let brand = new_brand();
        self.damage(brand, name, value).await
    }

    async fn damage(&self, brand: Brand, name: &str, value: Option<AttributeValue>) -> Brand {
        assert_eq!(self.store.create(&brand).await.unwrap(), Created::New);
        let mut item = self.get(brand.id).await;
        item.remove(name);
        item.extend(value.map(|value| (name.to_owned(), value)));
        self.put(item).await;
        brand
    }
}

fn attribute(name: &str) -> AttributeDefinition {
    let attribute = AttributeDefinition::builder().attribute_name(name);
    let attribute = attribute.attribute_type(ScalarAttributeType::S);
    attribute.build().unwrap()
}

fn keys(hash: &str, range: Option<&str>) -> Vec<KeySchemaElement> {
    let key = |name: &str, kind| {
        let key = KeySchemaElement::builder().attribute_name(name);
        key.key_type(kind).build().unwrap()
    };
    let range = range.map(|range| key(range, KeyType::Range));
    [key(hash, KeyType::Hash)]
        .into_iter()
        .chain(range)
        .collect()
}

fn new_brand() -> Brand {
    let created_at = Timestamp::now().minus(Duration::from_secs(1));
    Brand::new(BrandName::parse("Acme").unwrap(), created_at)
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

fn map<const N: usize>(fields: [(&str, AttributeValue); N]) -> AttributeValue {
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    AttributeValue::M(HashMap::from(fields))
}

fn junk() -> Vec<Option<AttributeValue>> {
    vec![
        None,
        Some(text("zzz")),
        Some(text("")),
        Some(number("-1.5")),
        Some(AttributeValue::Null(true)),
        Some(AttributeValue::Bool(true)),
        Some(AttributeValue::L(Vec::new())),
        Some(map([("a", text("b"))])),
    ]
}

fn globex() -> BrandName {
    BrandName::parse("Globex").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the local stack: make test"]
async fn it_does_what_a_store_of_brands_must() {
    let store = Table::create().await.store;
    contract::writer(&store).await;
    contract::concurrent_changes(&store).await;
    contract::sync(&store).await;
    contract::taking_up(&store).await;
    contract::taking_up_as_seen(&store).await;
    contract::outbox(&store).await;
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn what_is_not_synced_is_found_on_dynamodb() {
    contract::sync_reader(&Table::create().await.store).await;
    contract::inventory(&Table::create().await.store).await;
}

/// Passes requests on to the emulator, and loses the reply to the first one: it is carried out, and the connection ends.
fn losing_the_first_reply() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = std::env::var("AWS_ENDPOINT_URL").unwrap();
    let upstream = upstream
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (mut client, mut server) =
                (client.unwrap(), TcpStream::connect(&upstream).unwrap());
            // One exchange a connection: the SDK connects anew.
            let request = message_of(&mut client);
            server.write_all(&request).unwrap();
            let reply = message_of(&mut server);
            if number > 0 {
                client.write_all(&reply).unwrap();
            }
        }
    });
    format!("http://{address}")
}

/// An HTTP message with its body.
fn message_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut message = Vec::new();
    let mut buffer = [0; 8_192];
    loop {
        let length = stream.read(&mut buffer).unwrap();
        message.extend(&buffer[..length]);
        let text = String::from_utf8_lossy(&message).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        let expected = headers.find(|(name, _)| *name == "content-length");
        if length == 0 || expected.is_some_and(|(_, length)| body.len() >= length.parse().unwrap())
        {
            return message;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the local stack: make test"]
async fn a_change_whose_reply_is_lost_is_made_once() {
    let table = Table::create().await;
    let sdk = aws::sdk_config().unwrap();
    for delete in [false, true] {
        for expected in [None, Some(1)] {
            let brand = table.damaged("none", None).await;
            let config = aws_sdk_dynamodb::config::Builder::from(&sdk);
            let config = config.endpoint_url(losing_the_first_reply()).build();
            let store = DynamoDbBrandStore::new(Client::from_conf(config), &table.name);
            let now = Timestamp::now();
            let changed = if delete {
                store.delete(brand.id, expected, now).await
            } else {
                store.update(brand.id, &globex(), expected, now).await
            };
            let Ok(Changed::Done(changed)) = changed else {
                unreachable!("{changed:?}")
            };
            assert_eq!((changed.version, changed.updated_at), (2, now));
            assert_eq!(
                table.store.load(brand.id).await.unwrap().unwrap().brand,
                *changed
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_change_of_a_damaged_row_is_answered_or_refused_before_it_is_made() {
    let table = Table::create().await;
    for name in [
        "request",
        "updated_at",
        "lease",
        "sync_cms",
        "name",
        "version",
        "changed_by",
    ] {
        for value in junk() {
            let what = format!("{name}: {value:?}");
            for delete in [false, true] {
                let brand = table.damaged(name, value.clone()).await;
                let before = table.get(brand.id).await;
                let now = Timestamp::now();
                let changed = if delete {
                    table.store.delete(brand.id, None, now).await
                } else {
                    table.store.update(brand.id, &globex(), None, now).await
                };
                match changed {
                    Ok(Changed::Done(changed)) => {
                        assert!(changed.updated_at >= now, "{what}");
                        assert_eq!(changed.deleted_at.is_some(), delete, "{what}");
                        let row = table.store.load(brand.id).await.unwrap().unwrap();
                        assert_eq!(row.brand, *changed, "{what}");
                    }
                    Err(error) => {
                        assert!(name == "version" || name == "name" && delete, "{what}");
                        assert!(
                            matches!(error, StoreError::Unreadable { .. }),
                            "{what}: {error:?}"
                        );
                        assert_eq!(
                            table.get(brand.id).await,
                            before,
                            "{what}: nothing is changed"
                        );
                    }
                    other => unreachable!("{what}: {other:?}"),
                }
            }
        }
    }
    let mut found = 0;
    for value in junk().into_iter().flatten() {
        let brand = table.damaged("deleted_at", Some(value)).await;
        let changed = table
            .store
            .update(brand.id, &globex(), None, Timestamp::now())
            .await;
        assert!(matches!(changed.unwrap(), Changed::Deleted { .. }));
        found += 1;
    }
    assert!(found > 0);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_damaged_lease_or_sync_state_is_overwritten() {
    let table = Table::create().await;
    let mut damaged = Vec::new();
    for value in junk() {
        for name in ["lease", "sync_cms"] {
            damaged.push((name, value.clone()));
        }
        let Some(value) = value else { continue };
        for (token, sequence) in [
            (value.clone(), number("1")),
            (text("t"), value.clone()),
            (text("t"), number("1.5")),
            (text("t"), number("18446744073709551615")),
            (text("t"), number("-1")),
        ] {
            let lease = map([
                ("token", token),
                ("sequence", sequence),
                ("until", value.clone()),
            ]);
            damaged.push(("lease", Some(lease)));
        }
    }
    for (name, value) in damaged {
        let what = format!("{name}: {value:?}");
        let id = table.damaged(name, value).await.id;
        for round in 0..2 {
            let row = table.store.load(id).await.unwrap().unwrap();
            assert!(!row.is_leased(Timestamp::now()), "{what}");
            let state = SubscriberState {
                reached: 1,
                ..SubscriberState::default()
            };
            let write = SyncWrite {
                id,
                lease: Lease::following(row.lease.as_ref(), &format!("w{round}"), None),
                seen: row.lease,
                subscribers: BTreeMap::from([(CMS_SUBSCRIBER.to_owned(), state.clone())]),
                scope: WriteScope::Schedule(1, Schedule::default()),
            };
            let written = table.store.write(&write).await.unwrap();
            assert_eq!(written, SyncWritten::Applied, "{what}");
            let row = table.store.load(id).await.unwrap().unwrap();
            assert_eq!(
                (row.lease, row.subscribers),
                (Some(write.lease), write.subscribers)
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_damaged_row_stops_no_list() {
    let table = Table::create().await;
    let good = new_brand();
    table.store.create(&good).await.unwrap();
    let mut shown = vec![good.id];
    let mut left_out = Vec::new();
    for name in ["request", "updated_at", "version", "lease"] {
        for value in junk() {
            shown.push(table.damaged(name, value).await.id);
        }
    }
    for stored in [String::new(), "n".repeat(256), "a\nb".to_owned()] {
        shown.push(table.damaged("name", Some(text(&stored))).await.id);
    }
    for value in junk()
        .into_iter()
        .filter(|value| !matches!(value, Some(AttributeValue::S(_))))
    {
        left_out.push(table.damaged("name", value).await.id.to_string());
    }
    for created_at in ["zzz", "!"] {
        shown.push(table.damaged("created_at", Some(text(created_at))).await.id);
    }
    // The id of a key has no time, so that nothing stands in for both.
    let key = IdempotencyKey::parse("", good.id.to_string().as_bytes()).unwrap();
    let of_key = new_brand().with_idempotency_key(&key);
    let of_key = table.damage(of_key, "created_at", Some(text("zzz"))).await;
    let mut item = table.get(of_key.id).await;
    item.remove("updated_at");
    table.put(item).await;
    left_out.push(of_key.id.to_string());

    let order = brand::Order {
        by: brand::SortKey::Id,
        direction: Direction::Ascending,
    };
    let page = table
        .store
        .list_and_count(&Search::all(), order, 0, u16::MAX)
        .await
        .unwrap();
    let listed: Vec<BrandId> = page.brands.iter().map(|brand| brand.id).collect();
    assert!(shown.iter().all(|id| listed.contains(id)));
    assert!(left_out.iter().all(|id| page.unreadable.contains(id)));

    let search = Search::containing("acm");
    let mut followed = Vec::new();
    let mut after = None;
    loop {
        let page = table
            .store
            .list_after(&search, Direction::Descending, after, 100)
            .await
            .unwrap();
        followed.extend(page.brands.iter().map(|brand| brand.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(followed.contains(&good.id));
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn rows_with_junk_times_are_due_and_move_on() {
    let table = Table::create().await;
    let now = Timestamp::now();
    let mut ids = Vec::new();
    for due_at in ["!", "1", "zzz", "2999-01-01T00:00:00.000Z"] {
        ids.push(table.damaged("due_at", Some(text(due_at))).await.id);
    }
    for value in junk() {
        let id = table.damaged("due_since", value).await.id;
        ids.push(id);
    }
    let next = now.plus(Duration::from_hours(1));
    for id in ids {
        let mut found = None;
        for minutes in 2..10 {
            let now = now.plus(Duration::from_mins(minutes));
            let due = table.store.due(id.shard(SHARDS), now, 1_000).await.unwrap();
            found = found.or(due.into_iter().find(|row| row.id == id.to_string()));
        }
        let found = found.unwrap();
        table.store.postpone(&found, next).await.unwrap();
        let due = table
            .store
            .due(id.shard(SHARDS), next, 1_000)
            .await
            .unwrap();
        let moved = due
            .into_iter()
            .find(|row| row.id == id.to_string())
            .unwrap();
        assert_eq!(moved.due_at, next.to_string());
        assert!(moved.since.is_some());
    }
}
