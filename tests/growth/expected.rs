//! What operations take by DynamoDB's rules, computed from the sizes of rows: with more brands than were filled in, and
//! with as many, to see that the computation is right.

use std::ops::Range;

use brand::{BrandStore, DynamoDbBrandStore};

use crate::{
    capacity::{ANSWER, Consistency, read_halves, write_units},
    count::Count,
    operation::Operation,
    world::LIMITS,
};

const SHARDS: u64 = DynamoDbBrandStore::SHARDS as u64;

/// How many brands there are, and what size their rows have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brands {
    pub(crate) all: u64,
    /// Those that are unsynced in [`Operation::LongSweep`].
    pub(crate) added: u64,
    /// The bytes of a row of the index `listed`.
    pub(crate) listed_bytes: u64,
    /// The bytes of a row of the index `unsynced`.
    pub(crate) unsynced_bytes: u64,
}

impl Brands {
    /// What an operation takes; none where nothing can be computed, since it has nothing to do with the number of brands.
    pub(crate) fn expect(&self, operation: Operation) -> Option<Count> {
        Some(match operation {
            Operation::Create | Operation::Sync | Operation::Duplicate | Operation::Retrieve => {
                return None;
            }
            Operation::FirstPage(limit) => self.page(0, limit),
            Operation::LaterPage(limit) => self.page(self.all / 10, limit),
            Operation::Search => self.each_shard(0, |rows| self.read_on(rows)),
            Operation::PageByNumber => self.each_shard(0, |rows| self.counted(rows)),
            Operation::IdleSweep => self.sweep(0),
            Operation::FullSweep => self.sweep(self.added.min(LIMITS.brands.into())),
            Operation::LongSweep => self.sweep(self.added),
        })
    }

    /// Adds up what is asked of each shard that has so many rows from a number on.
    fn each_shard(&self, from: u64, ask: impl Fn(u64) -> Count) -> Count {
        let shards = (0..SHARDS).map(|shard| ask(in_shard(shard, from..self.all)));
        shards.sum()
    }

    /// A shard is asked for the page, the row at the position, the one that tells of a next page, and one that is later.
    fn page(&self, from: u64, limit: u16) -> Count {
        let of_use = u64::from(limit) + 3;
        self.each_shard(from, |rows| query(rows.min(of_use), self.listed_bytes))
    }

    /// A shard is asked for the page and two rows, and the others are counted.
    fn counted(&self, rows: u64) -> Count {
        let of_use = u64::from(query_brands::LIMIT) + 2;
        let page = query(rows.min(of_use), self.listed_bytes);
        if rows < of_use {
            return page;
        }
        page + self.read_on(rows - of_use)
    }

    /// Rows are read to the end, so many with a request as fit an answer.
    fn read_on(&self, rows: u64) -> Count {
        let of_answer = ANSWER / self.listed_bytes.max(1);
        let full = query(of_answer, self.listed_bytes);
        let (many, rest) = (rows / of_answer, rows % of_answer);
        let full = (0..many).map(|_| full).sum();
        if rest == 0 && many > 0 {
            return full;
        }
        full + query(rest, self.listed_bytes)
    }

    /// Each shard is asked for its part of the limit. What is announced is sent ten at a time, and then moved in the index.
    fn sweep(&self, unsynced: u64) -> Count {
        let limit = u64::from(LIMITS.brands).div_ceil(SHARDS);
        let of_shard = |shard| in_shard(shard, 0..unsynced).min(limit);
        let read = (0..SHARDS).map(|shard| query(of_shard(shard), self.unsynced_bytes));
        let announced: u64 = (0..SHARDS).map(of_shard).sum();
        let units = write_units(self.unsynced_bytes);
        let announce = Count {
            to_dynamodb: announced,
            to_sqs: announced.div_ceil(10),
            write_units: announced * 3 * units,
            ..Count::default()
        };
        read.sum::<Count>() + announce
    }
}

/// How many of the numbers belong to a shard.
fn in_shard(shard: u64, numbers: Range<u64>) -> u64 {
    let below = |end: u64| (end + SHARDS - 1 - shard) / SHARDS;
    below(numbers.end) - below(numbers.start)
}

fn query(rows: u64, bytes: u64) -> Count {
    Count {
        to_dynamodb: 1,
        rows,
        read_halves: read_halves(rows * bytes, Consistency::Eventual),
        ..Count::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Brands, SHARDS, in_shard};
    use crate::operation::Operation;

    fn brands(all: u64) -> Brands {
        Brands {
            all,
            added: all,
            listed_bytes: 128,
            unsynced_bytes: 256,
        }
    }

    #[test]
    fn each_number_belongs_to_one_shard() {
        for numbers in [0..0, 0..1, 0..1000, 500..1000, 7..8, 3..29] {
            for shard in 0..SHARDS {
                let counted = numbers.clone().filter(|number| number % SHARDS == shard);
                let counted = u64::try_from(counted.count());
                assert_eq!(Ok(in_shard(shard, numbers.clone())), counted, "{numbers:?}");
            }
        }
    }

    #[test]
    fn a_page_by_number_reads_every_row_once() {
        for all in [
            8,
            168,
            176,
            184,
            8 * (22 + 8192),
            8 * (23 + 8192),
            1_000_000,
        ] {
            let count = brands(all).expect(Operation::PageByNumber);
            assert_eq!(count.map(|count| count.rows), Some(all));
        }
    }

    #[test]
    fn an_answer_that_is_full_is_followed_by_another_only_if_there_are_more_rows() {
        let requests = |rows| brands(0).read_on(rows).to_dynamodb;
        let counted = [0, 1, 8191, 8192, 8193, 16384, 16385].map(requests);
        assert_eq!(counted, [1, 1, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn a_page_by_cursor_and_a_sweep_take_the_same_from_some_number_on() {
        let operations = [
            Operation::FirstPage(20),
            Operation::LaterPage(100),
            Operation::IdleSweep,
            Operation::LongSweep,
        ];
        for operation in operations {
            let [one, other] = [2_000, 1_000_000].map(|all| brands(all).expect(operation));
            assert_eq!(one, other, "{operation:?}");
        }
    }
}
