//! Reading brands: one from the table, many from the index `listed`, all of its shards at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::Select};
use futures::future::try_join_all;

use super::{
    page,
    row::{Item, LISTED, LISTED_SHARD, id_of, store_error, text},
    stored::{is_in_order, listed_of},
};
use crate::{
    BrandId, BrandReader, CountedPage, Direction, DynamoDbBrandStore, NextPage, Order, Position,
    SHARDS, Search, StoreError,
    reader::{Gathering, Later},
};

impl BrandReader for DynamoDbBrandStore {
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
        let page = page(request).await?;
        let later = take(&mut lock(gathering), page.items(), rest);
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

/// Takes a page of a shard's rows. One that stands in the index where its time does not belong, since that is damaged,
/// says nothing of the rows behind it. Such a row is listed with the time that it was given instead; where a page ends before the
/// row comes, it is not on the page.
fn take(gathering: &mut Gathering<'_>, items: &[Item], rest: Rest) -> Later {
    let mut later = Later::MayBelong;
    for item in items {
        let Ok(brand) = listed_of(item) else {
            gathering.leave_out(id_of(item));
            continue;
        };
        let is_in_order = is_in_order(item, &brand);
        let of_it = gathering.take(brand);
        if is_in_order {
            later = of_it;
        }
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
        let page = page(request).await?;
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::{Rest, take};
    use crate::{
        Brand, BrandName, Direction, Order, Search, Timestamp,
        dynamodb::row::{Item, id_of, new_row},
        reader::{Gathering, Later},
    };

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + second * 1000)
    }

    fn item(second: u64) -> Item {
        let brand = Brand::new(BrandName::parse("Acme").unwrap(), at(second));
        new_row(&brand, at(second)).unwrap()
    }

    fn without(mut item: Item, name: &str) -> Item {
        item.remove(name);
        item
    }

    fn damaged(mut item: Item, name: &str, value: AttributeValue) -> Item {
        item.insert(name.to_owned(), value);
        item
    }

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    #[test]
    fn a_damaged_row_is_listed_and_one_that_cannot_be_read_is_left_out_with_its_id() {
        let shown = [
            without(item(1), "updated_at"),
            damaged(item(2), "updated_at", text("zzz")),
            damaged(item(3), "name", text("")),
            damaged(item(4), "name", text(&"n".repeat(256))),
            damaged(item(5), "name", text("a\nb")),
            without(item(6), "request"),
        ];
        let left_out = [
            without(item(7), "name"),
            damaged(item(8), "name", AttributeValue::Bool(true)),
            damaged(item(9), "id", text("no id")),
        ];
        let ids = left_out.clone().map(|item| id_of(&item));
        let rows = [shown.as_slice(), &left_out, &[item(10)]].concat();
        let search = Search::all();
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut gathering = Gathering::new(&search, Order::of_creation(direction), None, 100);
            assert_eq!(take(&mut gathering, &rows, Rest::Left), Later::MayBelong);
            let page = gathering.into_counted_page(0);
            assert_eq!((page.count, page.brands.len()), (7, 7));
            assert_eq!(page.unreadable, ids);
        }
    }

    #[test]
    fn a_row_with_a_damaged_time_of_creation_stops_no_list() {
        // The index sorts by text: this one is first, and by the time of its id it is late.
        let early = damaged(item(9), "created_at", text("!"));
        let rows = [early, item(1), item(2), item(3)];
        let search = Search::all();
        let order = Order::of_creation(Direction::Ascending);
        let mut gathering = Gathering::new(&search, order, None, 2);
        assert_eq!(
            take(&mut gathering, &rows[..3], Rest::Left),
            Later::MayBelong
        );
        assert_eq!(
            take(&mut gathering, &rows[3..], Rest::Left),
            Later::DoNotBelong
        );
        let page = gathering.into_next_page(1);
        assert_eq!(page.brands.first().unwrap().created_at, at(1));
        assert_eq!(page.next.unwrap().created_at, at(1));
    }
}
