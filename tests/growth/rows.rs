//! Rows of the table: those that it is filled with, and what became of them.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use brand::{Brand, BrandId, BrandName, BrandStore, DynamoDbBrandStore, Timestamp};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{asked::Key, capacity::Item, problem};

/// How many requests are made at once.
const AT_ONCE: usize = 16;
/// The most writes of a transaction.
const TRANSACTION: usize = 100;
/// When the first brand was created, in 2001. Each is a millisecond younger than the one before.
const FIRST: u64 = 978_307_200_000;
/// How many brands the search finds, however many there are: fewer than a page.
pub(crate) const FOUND: u64 = 10;

/// A part of the names that the search finds.
pub(crate) const SOUGHT: &str = "needle";

/// The brand of that number. All rows have the same size, and each shard as many of them.
pub(crate) fn brand(number: u64) -> Result<Brand, String> {
    let name = if number.is_multiple_of(19) && number / 19 < FOUND {
        format!("Needle {number:09}")
    } else {
        format!("Brand {number:010}")
    };
    let name = BrandName::parse(&name).map_err(problem)?;
    let created_at = Timestamp::from_millis(FIRST + number);
    let brand = Brand::new(name, created_at);
    let ids = std::iter::repeat_with(|| BrandId::new(created_at));
    let is_in_shard = |id: &BrandId| {
        let shards = DynamoDbBrandStore::SHARDS;
        u64::from(id.shard(shards)) == number % u64::from(shards)
    };
    let id = ids.take(10_000).find(is_in_shard);
    let id = id.ok_or("no id falls into the shard")?;
    Ok(Brand { id, ..brand })
}

/// Stores brands, as create-brand does.
pub(crate) async fn create(store: &DynamoDbBrandStore, brands: &[Brand]) -> Result<(), String> {
    let created = stream::iter(brands).map(async |brand| store.create(brand).await.map(|_| ()));
    let created = created.buffer_unordered(AT_ONCE);
    created.try_collect::<()>().await.map_err(problem)
}

/// Marks brands as synced, as sync-brand does.
pub(crate) async fn mark_synced(
    client: &Client,
    store: &DynamoDbBrandStore,
    brands: &[Brand],
) -> Result<(), String> {
    let now = Timestamp::now();
    let marked = stream::iter(brands.chunks(TRANSACTION)).map(async |brands| {
        let writes = brands.iter().map(|brand| store.mark_synced(brand, now));
        let request = client.transact_write_items();
        let request = request.set_transact_items(Some(writes.collect()));
        request.send().await.map(|_| ())
    });
    let marked = marked.buffer_unordered(AT_ONCE);
    marked.try_collect::<()>().await.map_err(problem)
}

/// Removes a brand's row, as nothing of the system does.
pub(crate) async fn remove(client: &Client, table: &str, id: BrandId) -> Result<(), String> {
    let id = id.to_string();
    let key = Key {
        table: table.to_owned(),
        id,
    };
    let request = client.delete_item().table_name(&key.table);
    let removed = request.set_key(Some(key.item())).send().await;
    removed.map(|_| ()).map_err(problem)
}

/// Rows as they stand.
pub(crate) async fn read(client: &Client, keys: Vec<Key>) -> Result<HashMap<Key, Item>, String> {
    let rows = stream::iter(keys).map(async |key: Key| {
        let request = client.get_item().table_name(&key.table);
        let request = request.set_key(Some(key.item())).consistent_read(true);
        let answer = request.send().await.map_err(problem)?;
        let row = answer.item.ok_or("a row is gone")?;
        Ok::<_, String>((key, row))
    });
    rows.buffer_unordered(AT_ONCE).try_collect().await
}
