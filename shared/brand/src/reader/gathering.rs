//! Making one page of what the shards hold, in a memory that does not grow with them.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::{CountedPage, ListedBrand, NextPage, Order, Position, Search, SortKey};

/// Gathers the first brands of a list from the rows of its shards, in whatever order the shards come.
///
/// A shard's rows come by the time of creation, and those of one time in no order at all: an index keeps none. So a shard
/// is left only at a row that is later than all that are gathered, never amid rows of one time.
pub(crate) struct Gathering<'a> {
    search: &'a Search,
    order: Order,
    after: Option<Position>,
    room: usize,
    first: BinaryHeap<Ranked>,
    count: u64,
    unreadable: Vec<String>,
}

/// What is known of the rows of a shard that come later than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Later {
    /// They may belong to what is gathered.
    MayBelong,
    /// None of them does.
    DoNotBelong,
}

impl<'a> Gathering<'a> {
    /// Gathers at most `room` brands, behind a position where one is given: then the order is that of creation.
    pub(crate) const fn new(
        search: &'a Search,
        order: Order,
        after: Option<Position>,
        room: usize,
    ) -> Self {
        Self {
            search,
            order,
            after,
            room,
            first: BinaryHeap::new(),
            count: 0,
            unreadable: Vec::new(),
        }
    }

    /// How many rows of a shard can be of use, but for rows of one time; none where that is not known.
    pub(crate) fn rows_of_use(&self) -> Option<usize> {
        let is_sorted = self.order.by == SortKey::CreatedAt && self.search.is_for_all();
        // The one at the position itself, and the one that is later than all that are gathered.
        is_sorted.then(|| self.room.saturating_add(2))
    }

    /// Whether rows that cannot belong to what is gathered can be counted unseen: what a search finds cannot.
    pub(crate) const fn counts_unseen(&self) -> bool {
        self.search.is_for_all()
    }

    /// Takes the next row of a shard.
    pub(crate) fn take(&mut self, brand: ListedBrand) -> Later {
        if self.is_behind_the_position(&brand) && self.search.finds(&brand) {
            self.count += 1;
            return self.rank(brand);
        }
        Later::MayBelong
    }

    /// Counts rows unseen.
    pub(crate) fn count_more(&mut self, rows: u64) {
        self.count = self.count.saturating_add(rows);
    }

    /// Leaves out a row that cannot be read.
    pub(crate) fn leave_out(&mut self, id: String) {
        self.unreadable.push(id);
    }

    /// The page from number `offset` on, with the count of all brands that were found.
    pub(crate) fn into_counted_page(self, offset: usize) -> CountedPage {
        let brands = self.first.into_sorted_vec().into_iter().skip(offset);
        CountedPage {
            brands: brands.map(|ranked| ranked.brand).collect(),
            count: self.count,
            unreadable: self.unreadable,
        }
    }

    /// The page of at most `limit` brands. It was gathered with room for one more, which tells whether there is a next page.
    pub(crate) fn into_next_page(self, limit: u16) -> NextPage {
        let limit = usize::from(limit);
        let first = self.first.into_sorted_vec().into_iter();
        let mut brands: Vec<ListedBrand> = first.map(|ranked| ranked.brand).collect();
        let is_last = brands.len() <= limit;
        brands.truncate(limit);
        let last = brands.last().filter(|_| !is_last);
        let next = last.map(Position::of);
        NextPage {
            brands,
            next,
            unreadable: self.unreadable,
        }
    }

    fn is_behind_the_position(&self, brand: &ListedBrand) -> bool {
        self.after.is_none_or(|after| {
            let ordering = Position::of(brand).cmp(&after);
            self.order.direction.apply(ordering) == Ordering::Greater
        })
    }

    fn rank(&mut self, brand: ListedBrand) -> Later {
        let order = self.order;
        let ranked = Ranked { order, brand };
        if self.first.len() < self.room {
            self.first.push(ranked);
            return Later::MayBelong;
        }
        let Some(mut last) = self.first.peek_mut() else {
            return Later::DoNotBelong;
        };
        match ranked.cmp(&last) {
            Ordering::Less => {
                *last = ranked;
                Later::MayBelong
            }
            _ if order.by == SortKey::CreatedAt
                && ranked.brand.created_at != last.brand.created_at =>
            {
                Later::DoNotBelong
            }
            _ => Later::MayBelong,
        }
    }
}

/// A brand that knows how it is sorted.
struct Ranked {
    order: Order,
    brand: ListedBrand,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.compare(&self.brand, &other.brand)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}
