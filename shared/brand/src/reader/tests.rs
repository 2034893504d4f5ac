//! What lists promise, on the store in memory.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use proptest::{collection::vec, prelude::*, sample::Index};
use uuid::Uuid;

use super::{
    BrandReader, CountedPage, Direction, ListedBrand, NextPage, Order, Position, Search, SortKey,
};
use crate::{Brand, BrandId, BrandName, BrandWriter, MemoryBrandStore, Timestamp};

fn brand((time, id, name): (u64, u128, String)) -> Brand {
    let name = BrandName::parse(name).unwrap();
    Brand {
        id: Uuid::from_u128(id).to_string().parse().unwrap(),
        ..Brand::new(name, Timestamp::from_millis(time))
    }
}

/// Brands of few times, so that many share one.
fn brands() -> impl Strategy<Value = Vec<Brand>> {
    let ids = any::<u128>();
    let brand = (0..4_u64, ids, "[ABab]{1,3}").prop_map(brand);
    vec(brand, 0..40)
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Ascending), Just(Direction::Descending)]
}

fn order() -> impl Strategy<Value = Order> {
    let by = prop_oneof![
        Just(SortKey::CreatedAt),
        Just(SortKey::Name),
        Just(SortKey::Id)
    ];
    (by, direction()).prop_map(|(by, direction)| Order { by, direction })
}

/// A text to search for; the empty one finds all.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ABab]{1,2}"]
}

fn store(brands: &[Brand]) -> MemoryBrandStore {
    let store = MemoryBrandStore::new();
    for brand in brands {
        store.put(brand.clone());
    }
    store
}

fn delete(store: &MemoryBrandStore, id: BrandId) {
    let deleted = store.delete(id, None, Timestamp::now()).now_or_never();
    deleted.unwrap().unwrap();
}

/// All that is to be listed, sorted without the code under test.
fn expected(brands: &[Brand], text: &str, order: Order) -> Vec<ListedBrand> {
    let by_id: BTreeMap<BrandId, &Brand> = brands.iter().map(|brand| (brand.id, brand)).collect();
    let listed = by_id.into_values().map(ListedBrand::from);
    let mut listed: Vec<ListedBrand> = listed
        .filter(|brand| {
            let name = brand.name.as_str().to_lowercase();
            name.contains(&text.to_lowercase())
        })
        .collect();
    match order.by {
        SortKey::CreatedAt => listed.sort_by_key(|brand| (brand.created_at, brand.id)),
        SortKey::Name => listed.sort_by_key(|brand| (brand.name.to_string(), brand.id)),
        SortKey::Id => listed.sort_by_key(|brand| brand.id),
    }
    if order.direction == Direction::Descending {
        listed.reverse();
    }
    listed
}

fn page(
    store: &MemoryBrandStore,
    search: &Search,
    direction: Direction,
    after: Option<Position>,
    limit: u16,
) -> NextPage {
    let page = store.list_after(search, direction, after, limit);
    let page = page.now_or_never().unwrap().unwrap();
    assert!(page.brands.len() <= usize::from(limit));
    page
}

proptest! {
    #[test]
    fn the_pages_behind_each_other_are_the_whole_list_and_nothing_twice(
        brands in brands(),
        text in text(),
        direction in direction(),
        limit in 1..6_u16,
    ) {
        let search = Search::containing(&text);
        let whole = expected(&brands, &text, Order::of_creation(direction));
        let store = store(&brands);
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = page(&store, &search, direction, after, limit);
            listed.extend(page.brands);
            after = page.next;
            prop_assert_eq!(after.is_some(), listed.len() < whole.len(), "the last page says so");
            if after.is_none() {
                break;
            }
        }
        prop_assert_eq!(listed, whole);
    }

    #[test]
    fn a_page_by_number_is_that_part_of_the_whole_list_and_all_are_counted(
        brands in brands(),
        text in text(),
        order in order(),
        offset in 0..20_u32,
        limit in 1..6_u16,
    ) {
        let search = Search::containing(&text);
        let page = store(&brands).list_and_count(&search, order, offset, limit).now_or_never();
        let CountedPage { brands: listed, count, .. } = page.unwrap().unwrap();
        let whole = expected(&brands, &text, order);
        prop_assert_eq!(count, whole.len() as u64);
        let part = whole.into_iter().skip(offset as usize).take(limit.into());
        prop_assert_eq!(listed, part.collect::<Vec<_>>());
    }

    #[test]
    fn what_stays_while_others_come_and_go_is_shown_once(
        brands in brands(),
        others in brands(),
        gone in vec(any::<Index>(), 0..10),
        direction in direction(),
        limit in 1..4_u16,
    ) {
        let store = store(&brands);
        let mut stays: BTreeSet<BrandId> = brands.iter().map(|brand| brand.id).collect();
        let mut others = others.into_iter().filter(|other| !stays.contains(&other.id)).collect::<Vec<_>>();
        let mut gone = gone.iter().filter(|_| !brands.is_empty()).map(|index| index.get(&brands).id).collect::<Vec<_>>();
        stays.retain(|id| !gone.contains(id));
        let mut shown: Vec<BrandId> = Vec::new();
        let mut after = None;
        loop {
            let page = page(&store, &Search::all(), direction, after, limit);
            shown.extend(page.brands.iter().map(|brand| brand.id));
            after = page.next;
            if after.is_none() {
                break;
            }
            others.pop().into_iter().for_each(|other| store.put(other));
            gone.pop().into_iter().for_each(|id| delete(&store, id));
        }
        let distinct: BTreeSet<BrandId> = shown.iter().copied().collect();
        prop_assert_eq!(distinct.len(), shown.len(), "nothing twice");
        prop_assert!(stays.is_subset(&distinct), "nothing skipped");
    }
}

#[test]
fn a_brand_that_is_deleted_is_not_listed() {
    let acme = brand((1, 7, "Acme".to_owned()));
    let store = store(std::slice::from_ref(&acme));
    let listed = || page(&store, &Search::all(), Direction::Ascending, None, 5);
    assert_eq!(listed().brands.len(), 1);
    delete(&store, acme.id);
    assert_eq!(listed().brands, []);
}
