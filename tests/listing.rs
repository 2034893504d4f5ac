//! Lists of brands on the running system: from the table's index, through the API.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

use brand::{
    Brand, BrandName, BrandReader, BrandWriter, Direction, DynamoDbBrandStore, IdempotencyKey,
    Order, SHARDS, Search, SortKey, SyncReader, Timestamp,
};
use serde_json::{Value, json};
use system_tests::{Admin, Requests, Stack, store_synced, until};
use tokio::task::JoinSet;

/// Each test has a year of its own, before the brands of all others: so it knows what a list begins with.
const FIRST_YEAR: u64 = 978_307_200_000;
const SECOND_YEAR: u64 = 1_009_843_200_000;
/// A year after everybody else's.
const LAST_YEAR: u64 = 4_070_908_800_000;

/// A brand of that time, as if it had been created then. Every other has an id that does not sort by it.
fn brand(name: &str, millis: u64, number: u64) -> Brand {
    let created_at = Timestamp::from_millis(millis);
    let brand = Brand::new(BrandName::parse(name).unwrap(), created_at);
    let brand = Brand {
        updated_at: Timestamp::now(),
        ..brand
    };
    if number.is_multiple_of(2) {
        return brand;
    }
    let key = brand.id.to_string();
    brand.with_idempotency_key(&IdempotencyKey::parse("", key.as_bytes()).unwrap())
}

/// Stores brands as the system leaves them: synced, so that none is announced.
async fn store(stack: &Stack, brands: &[Brand]) {
    let mut writes = JoinSet::new();
    for brand in brands {
        let (brand, brands) = (brand.clone(), stack.brands());
        writes.spawn(async move { store_synced(&brands, &brand).await.unwrap() });
        if writes.len() >= 16 {
            writes.join_next().await.unwrap().unwrap();
        }
    }
    writes.join_all().await;
}

/// Those brands by the time of creation, those of one time by id, as a list shows them.
fn sorted(brands: &[Brand]) -> Vec<Value> {
    let mut brands: Vec<&Brand> = brands.iter().collect();
    brands.sort_by_key(|brand| (brand.created_at, brand.id));
    let shown = brands
        .iter()
        .map(|brand| json!({ "id": brand.id, "name": brand.name, "products": [] }));
    shown.collect()
}

async fn page(admin: &Admin, query: &str) -> Value {
    let (status, body) = admin.get(&format!("/admin/brands?{query}")).await;
    assert_eq!(status, 200, "{query}: {body}");
    body
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn what_is_stored_is_listed_by_number_and_by_cursor_and_what_is_deleted_is_not() {
    let (stack, admin) = (Stack::connect().await, Admin::signed_in().await);
    // Four times, so that many are of one.
    let made = (0..61).map(|number| {
        let name = format!("Listed {number}");
        brand(&name, FIRST_YEAR + number % 4, number)
    });
    let mut brands: Vec<Brand> = made.collect();
    store(&stack, &brands).await;
    let deleted = brands.split_off(58);
    let table = stack.brands();
    for brand in &deleted {
        table
            .delete(brand.id, None, Timestamp::now())
            .await
            .unwrap();
    }
    let expected = sorted(&brands);
    // A list may lag behind the last write.
    until("the list is up to date", async || {
        (page(&admin, "q=lISTED").await["count"] == 58).then_some(())
    })
    .await;

    let mut by_number: Vec<Value> = Vec::new();
    while by_number.len() < expected.len() {
        let page = page(&admin, &format!("limit=7&offset={}", by_number.len())).await;
        by_number.extend(page["brands"].as_array().unwrap().clone());
        assert!(page["count"].as_u64().unwrap() >= 58);
    }
    by_number.truncate(expected.len());
    assert_eq!(by_number, expected, "by number");

    let (mut by_cursor, mut cursor): (Vec<Value>, _) = (Vec::new(), String::new());
    while by_cursor.len() < expected.len() {
        let page = page(&admin, &format!("limit=7&after={cursor}")).await;
        by_cursor.extend(page["brands"].as_array().unwrap().clone());
        cursor = page["next"].as_str().unwrap_or_default().to_owned();
    }
    by_cursor.truncate(expected.len());
    assert_eq!(by_cursor, expected, "by cursor");

    let (mut backwards, mut cursor): (Vec<Value>, _) = (Vec::new(), Some(String::new()));
    while let Some(after) = cursor {
        let query = format!("limit=7&order=-created_at&q=listed&after={after}");
        let page = page(&admin, &query).await;
        backwards.extend(page["brands"].as_array().unwrap().clone());
        cursor = page["next"].as_str().map(ToOwned::to_owned);
    }
    backwards.reverse();
    assert_eq!(backwards, expected, "by cursor, backwards, of a search");

    let names = page(&admin, "q=listed+1&order=-name&limit=2").await;
    let names = [&names["brands"][0]["name"], &names["brands"][1]["name"]];
    assert_eq!(names, ["Listed 19", "Listed 18"]);
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_single_brand_is_there_at_once_until_it_is_deleted() {
    let (stack, admin) = (Stack::connect().await, Admin::signed_in().await);
    let brand = brand("Single", LAST_YEAR, 1);
    let path = format!("/admin/brands/{}", brand.id);
    let message = format!("Brand with id: {} was not found", brand.id);
    let not_found = (404, json!({ "type": "not_found", "message": message }));
    assert_eq!(admin.get(&path).await, not_found);
    store(&stack, std::slice::from_ref(&brand)).await;
    let shown = json!({ "brand": {
        "id": brand.id,
        "name": "Single",
        "created_at": brand.created_at,
        "updated_at": brand.updated_at,
        "deleted_at": null,
    }});
    assert_eq!(admin.get(&path).await, (200, shown));
    let table = stack.brands();
    table
        .delete(brand.id, None, Timestamp::now())
        .await
        .unwrap();
    assert_eq!(admin.get(&path).await, not_found);
    let malformed = admin.get("/admin/brands/no%20id").await;
    assert_eq!(malformed.0, 404, "{}", malformed.1);
}

/// More than the megabyte that one answer of DynamoDB has, in one shard, and many of one time.
#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_list_that_does_not_fit_one_answer_is_read_to_its_end_and_a_page_of_it_is_not() {
    let stack = Stack::connect().await;
    let sdk = aws::sdk_config().unwrap();
    let requests = Requests::default();
    let config = aws_sdk_dynamodb::config::Builder::from(&sdk).interceptor(requests.clone());
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    let table = DynamoDbBrandStore::new(client, &stack.brands_table);
    let name = format!("Long {}", "🦀".repeat(250));
    let in_one_shard = (0..u64::MAX)
        .map(|number| brand(&name, SECOND_YEAR + number / 800, number))
        .filter(|brand| brand.id.shard(SHARDS) == 3);
    let brands: Vec<Brand> = in_one_shard.take(1100).collect();
    store(&stack, &brands).await;
    let search = Search::containing("LONG 🦀");
    let order = |by, direction| Order { by, direction };
    let oldest = order(SortKey::CreatedAt, Direction::Ascending);
    until("the list is up to date", async || {
        let page = table.list_and_count(&search, oldest, 0, 1).await.unwrap();
        (page.count == 1100).then_some(())
    })
    .await;
    let mut expected: Vec<&Brand> = brands.iter().collect();
    expected.sort_by_key(|brand| (brand.created_at, brand.id));
    let shards = u32::from(SHARDS);
    requests.sent();

    let newest = order(SortKey::CreatedAt, Direction::Descending);
    let page = table.list_and_count(&search, newest, 0, 100).await.unwrap();
    let listed = page.brands.iter().map(|brand| brand.id);
    let last = expected.iter().rev().take(100).map(|brand| brand.id);
    assert_eq!(listed.collect::<Vec<_>>(), last.collect::<Vec<_>>());
    assert!(
        requests.sent() > shards,
        "one shard takes more than a request"
    );

    let whole = table
        .list_and_count(&Search::all(), oldest, 0, 1)
        .await
        .unwrap();
    assert!(whole.count >= 1100, "{}", whole.count);
    let counting = requests.sent();
    assert!(counting > shards, "{counting}");

    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let direction = Direction::Ascending;
        let page = table.list_after(&search, direction, after, 100).await;
        let page = page.unwrap();
        listed.extend(page.brands.into_iter().map(|brand| brand.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let ids: Vec<_> = expected.iter().map(|brand| brand.id).collect();
    assert_eq!(listed, ids, "nothing skipped, nothing twice");
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_brand_takes_one_request_to_dynamodb_and_a_page_by_cursor_one_to_each_shard() {
    let stack = Stack::connect().await;
    let sdk = aws::sdk_config().unwrap();
    let requests = Requests::default();
    let config = aws_sdk_dynamodb::config::Builder::from(&sdk).interceptor(requests.clone());
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    let table = DynamoDbBrandStore::new(client, &stack.brands_table);
    let brands: Vec<Brand> = (0..40)
        .map(|number| brand("Counted", LAST_YEAR + number, number))
        .collect();
    store(&stack, &brands).await;

    assert!(table.find(brands[0].id).await.unwrap().is_some());
    assert_eq!(requests.sent(), 1, "a brand");

    let (search, direction) = (Search::all(), Direction::Descending);
    let first = table.list_after(&search, direction, None, 20).await;
    let first = first.unwrap();
    assert_eq!(first.brands.len(), 20);
    let shards = u32::from(SHARDS);
    assert_eq!(requests.sent(), shards, "the first page");
    let second = table.list_after(&search, direction, first.next, 20).await;
    assert_eq!(second.unwrap().brands.len(), 20);
    assert_eq!(requests.sent(), shards, "the second page");
}
