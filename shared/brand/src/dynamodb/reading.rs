//! Reading brands: one from the table, many from the index `listed`, all of its shards at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::Select};
use futures::future::try_join_all;

use super::row::{Item, LISTED, LISTED_SHARD, brand_of, id_of, store_error, text};
use crate::{
    Brand, BrandId, BrandReader, CountedPage, Direction, DynamoDbBrandStore, ListedBrand, NextPage,
    Order, Position, SHARDS, Search, StoreError,
    reader::{Gathering, Later},
};

impl BrandReader for DynamoDbBrandStore {
    async fn retrieve(&self, id: BrandId) -> Result<Option<Brand>, StoreError> {
        let found = self.item(id).await?.map(brand_of).transpose()?;
        Ok(found.filter(|brand| brand.deleted_at.is_none()))
    }

    /// Every row of the index is read, since it is counted. Where the index is in the order asked for, only the rows
    /// that may be on the page are sent; of the others DynamoDB sends the count.
    async fn list_and_count(
        &self,
        search: &Search,
        order: Order,
        offset: u32,
        limit: u16,
    ) -> Result<CountedPage, StoreError> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let room = offset.saturating_add(limit.into());
        let gathering = Mutex::new(Gathering::new(search, order, None, room));
        let shards = (0..SHARDS).map(|shard| {
            let rows = self.rows(shard, order.direction, None);
            gather(rows, &gathering, Rest::Counted)
        });
        try_join_all(shards).await?;
        Ok(finish(gathering).into_counted_page(offset))
    }

    /// The page may lie in one shard alone, so each is asked for all of it: in one request, unless more than a page's
    /// rows are of one time, or a search passes over some.
    async fn list_after(
        &self,
        search: &Search,
        direction: Direction,
        after: Option<Position>,
        limit: u16,
    ) -> Result<NextPage, StoreError> {
        let order = Order::of_creation(direction);
        let room = usize::from(limit).saturating_add(1);
        let gathering = Mutex::new(Gathering::new(search, order, after, room));
        let shards = (0..SHARDS).map(|shard| {
            let rows = self.rows(shard, direction, after);
            gather(rows, &gathering, Rest::Left)
        });
        try_join_all(shards).await?;
        Ok(finish(gathering).into_next_page(limit))
    }
}

impl DynamoDbBrandStore {
    /// The row of a brand, as the last write left it.
    pub(super) async fn item(&self, id: BrandId) -> Result<Option<Item>, StoreError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(&id))
            .consistent_read(true);
        let answer = request.send().await.map_err(store_error)?;
        Ok(answer.item)
    }

    /// The request for the rows of a shard; from a position's time on, so that it has the other rows of that time, too.
    fn rows(&self, shard: u8, direction: Direction, after: Option<Position>) -> QueryFluentBuilder {
        let mut condition = format!("{LISTED_SHARD} = :shard");
        let mut request = self
            .shard_of_index(LISTED, shard)
            .scan_index_forward(direction == Direction::Ascending);
        if let Some(after) = after {
            condition.push_str(match direction {
                Direction::Ascending => " AND created_at >= :time",
                Direction::Descending => " AND created_at <= :time",
            });
            request = request.expression_attribute_values(":time", text(&after.created_at));
        }
        request.key_condition_expression(condition)
    }
}

/// What becomes of a shard's rows once none of them can be on the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Counted,
    Left,
}

/// Reads the rows of a shard, page by page.
async fn gather(
    rows: QueryFluentBuilder,
    gathering: &Mutex<Gathering<'_>>,
    rest: Rest,
) -> Result<(), StoreError> {
    let (of_use, counts_unseen) = {
        let gathering = lock(gathering);
        (gathering.rows_of_use(), gathering.counts_unseen())
    };
    let limit = of_use.map(|rows| i32::try_from(rows).unwrap_or(i32::MAX));
    let mut next = None;
    loop {
        let request = rows.clone().set_limit(limit).set_exclusive_start_key(next);
        let page = request.send().await.map_err(store_error)?;
        let later = take(&mut lock(gathering), page.items.unwrap_or_default(), rest);
        next = page.last_evaluated_key;
        if next.is_none() || (later == Later::DoNotBelong && rest == Rest::Left) {
            return Ok(());
        }
        if later == Later::DoNotBelong && counts_unseen {
            break;
        }
    }
    let counted = count(&rows.select(Select::Count), next).await?;
    lock(gathering).count_more(counted);
    Ok(())
}

fn take(gathering: &mut Gathering<'_>, items: Vec<Item>, rest: Rest) -> Later {
    let mut later = Later::MayBelong;
    for item in items {
        let id = id_of(&item);
        let Ok(brand) = serde_dynamo::from_item::<_, ListedBrand>(item) else {
            gathering.leave_out(id);
            continue;
        };
        later = gathering.take(brand);
        if later == Later::DoNotBelong && rest == Rest::Left {
            break;
        }
    }
    later
}

/// How many rows of a shard are left.
async fn count(rows: &QueryFluentBuilder, mut next: Option<Item>) -> Result<u64, StoreError> {
    let mut counted: u64 = 0;
    while next.is_some() {
        let request = rows.clone().set_exclusive_start_key(next);
        let page = request.send().await.map_err(store_error)?;
        counted = counted.saturating_add(u64::try_from(page.count).unwrap_or_default());
        next = page.last_evaluated_key;
    }
    Ok(counted)
}

fn lock<'l, 'a>(gathering: &'l Mutex<Gathering<'a>>) -> MutexGuard<'l, Gathering<'a>> {
    gathering.lock().unwrap_or_else(PoisonError::into_inner)
}

fn finish(gathering: Mutex<Gathering<'_>>) -> Gathering<'_> {
    gathering
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
}
