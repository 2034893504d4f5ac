//! What DynamoDB counts: the sizes of items, and the units that reads and writes take.
//!
//! Sizes: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>. Units:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>. Writes to an index:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes>.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, GlobalSecondaryIndexDescription, KeySchemaElement, ProjectionType,
    TableDescription,
};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The most bytes that one query reads; where there are more rows, it is asked again.
pub(crate) const ANSWER: u64 = 1024 * 1024;
const READ: u64 = 4 * 1024;
const WRITE: u64 = 1024;

/// Whether a read has all writes before it, which costs twice as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consistency {
    Eventual,
    Strong,
}

/// Whether a write is one of a transaction, which costs twice as much in the table, and the same in its indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Single,
    InTransaction,
}

/// The halves of a read unit that a request takes which reads so many bytes: their sum is rounded up, not each item. One
/// that finds nothing takes as much as one that finds little.
pub(crate) fn read_halves(bytes: u64, consistency: Consistency) -> u64 {
    let units = bytes.div_ceil(READ).max(1);
    match consistency {
        Consistency::Eventual => units,
        Consistency::Strong => 2 * units,
    }
}

/// The units that it takes to write an item of so many bytes.
pub(crate) fn write_units(bytes: u64) -> u64 {
    bytes.div_ceil(WRITE).max(1)
}

/// The units that it takes to make one row of another, none standing for no row: the table's, by the greater of both,
/// and those of its indexes.
pub(crate) fn change_units(
    old: Option<&Item>,
    new: Option<&Item>,
    indexes: &[Index],
    write: Write,
) -> u64 {
    let greater = old.map_or(0, item_bytes).max(new.map_or(0, item_bytes));
    let of_table = match write {
        Write::Single => write_units(greater),
        Write::InTransaction => 2 * write_units(greater),
    };
    let of_indexes: u64 = indexes
        .iter()
        .map(|index| index.change_units(old, new))
        .sum();
    of_table + of_indexes
}

/// An index of a table.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) name: String,
    /// The attributes without which a row is not in it.
    keys: Vec<String>,
    /// The attributes that it holds; all where none are named.
    held: Option<Vec<String>>,
}

impl Index {
    /// Those of a table.
    pub(crate) fn all_of(table: &TableDescription) -> Vec<Self> {
        let keys = names(table.key_schema());
        let indexes = table.global_secondary_indexes().iter();
        indexes.map(|index| Self::of(index, &keys)).collect()
    }

    fn of(index: &GlobalSecondaryIndexDescription, keys_of_table: &[String]) -> Self {
        let keys = names(index.key_schema());
        let projection = index.projection();
        let kind = projection.and_then(|projection| projection.projection_type());
        let held = (kind != Some(&ProjectionType::All)).then(|| {
            let named = projection.map_or(&[][..], |projection| projection.non_key_attributes());
            [&keys, keys_of_table, named].concat()
        });
        Self {
            name: index.index_name().unwrap_or_default().to_owned(),
            keys,
            held,
        }
    }

    /// Whether a row in it is the whole row of the table.
    pub(crate) const fn holds_all(&self) -> bool {
        self.held.is_none()
    }

    /// What it holds of a row, if that is in it.
    fn entry(&self, row: Option<&Item>) -> Option<Item> {
        let row = row?;
        if !self.keys.iter().all(|key| row.contains_key(key)) {
            return None;
        }
        let mut entry = row.clone();
        if let Some(held) = &self.held {
            entry.retain(|name, _| held.contains(name));
        }
        Some(entry)
    }

    /// An entry is put, removed or changed with one write each; one whose key changes is removed and put.
    fn change_units(&self, old: Option<&Item>, new: Option<&Item>) -> u64 {
        let units = |entry: &Item| write_units(item_bytes(entry));
        match (self.entry(old), self.entry(new)) {
            (None, None) => 0,
            (Some(entry), None) | (None, Some(entry)) => units(&entry),
            (Some(old), Some(new)) if old == new => 0,
            (Some(old), Some(new)) if self.keys.iter().all(|key| old.get(key) == new.get(key)) => {
                units(&old).max(units(&new))
            }
            (Some(old), Some(new)) => units(&old) + units(&new),
        }
    }
}

fn names(keys: &[KeySchemaElement]) -> Vec<String> {
    let names = keys.iter().map(KeySchemaElement::attribute_name);
    names.map(str::to_owned).collect()
}

/// The size of an item: that of its names and values.
pub(crate) fn item_bytes(item: &Item) -> u64 {
    let attributes = item
        .iter()
        .map(|(name, value)| bytes(name.len()) + value_bytes(value));
    attributes.sum()
}

fn value_bytes(value: &AttributeValue) -> u64 {
    match value {
        AttributeValue::S(text) => bytes(text.len()),
        AttributeValue::N(number) => number_bytes(number),
        AttributeValue::B(binary) => bytes(binary.as_ref().len()),
        AttributeValue::Ss(texts) => texts.iter().map(|text| bytes(text.len())).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|number| number_bytes(number)).sum(),
        AttributeValue::Bs(binaries) => binaries
            .iter()
            .map(|binary| bytes(binary.as_ref().len()))
            .sum(),
        // Three bytes, and one more for each element.
        AttributeValue::L(values) => {
            3 + values
                .iter()
                .map(|value| 1 + value_bytes(value))
                .sum::<u64>()
        }
        AttributeValue::M(item) => 3 + bytes(item.len()) + item_bytes(item),
        // Booleans and null.
        _ => 1,
    }
}

/// A byte, and one for every two digits, without the zeros before and behind. That is what is published; it calls it approximate.
fn number_bytes(number: &str) -> u64 {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    1 + bytes(digits.trim_matches('0').len()).div_ceil(2)
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::{
        Consistency, Index, Item, Write, change_units, item_bytes, read_halves, write_units,
    };

    fn item(attributes: &[(&str, &str)]) -> Item {
        let attributes = attributes.iter();
        let text = |text: &str| AttributeValue::S(text.to_owned());
        attributes
            .map(|(name, value)| ((*name).to_owned(), text(value)))
            .collect()
    }

    fn index(keys: &[&str], held: Option<&[&str]>) -> Index {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Index {
            name: "index".to_owned(),
            keys: owned(keys),
            held: held.map(owned),
        }
    }

    #[test]
    fn what_a_request_reads_is_rounded_up_to_four_kilobytes_once() {
        let cases = [(0, 1), (1, 1), (4096, 1), (4097, 2), (1_048_576, 256)];
        for (bytes, halves) in cases {
            assert_eq!(read_halves(bytes, Consistency::Eventual), halves, "{bytes}");
            assert_eq!(read_halves(bytes, Consistency::Strong), 2 * halves);
        }
    }

    #[test]
    fn an_item_is_written_by_the_kilobyte_begun() {
        let cases = [(0, 1), (1024, 1), (1025, 2), (409_600, 400)];
        for (bytes, units) in cases {
            assert_eq!(write_units(bytes), units, "{bytes}");
        }
    }

    #[test]
    fn an_item_has_the_size_of_its_names_and_values() {
        let number = |number: &str| AttributeValue::N(number.to_owned());
        let cases = [
            (AttributeValue::S("ž🦀".to_owned()), 6),
            (AttributeValue::Bool(true), 1),
            (number("1"), 2),
            (number("1795427107966"), 8),
            (number("-1200"), 2),
            (number("0"), 1),
            (
                AttributeValue::L(vec![number("1"), number("123")]),
                3 + 3 + 4,
            ),
            (AttributeValue::M(item(&[("ab", "cde")])), 3 + 1 + 5),
            (AttributeValue::M(Item::new()), 3),
            (AttributeValue::Ss(vec!["a".to_owned(), "bc".to_owned()]), 3),
        ];
        for (value, bytes) in cases {
            let item = Item::from([("name".to_owned(), value.clone())]);
            assert_eq!(item_bytes(&item), 4 + bytes, "{value:?}");
        }
    }

    #[test]
    fn a_transaction_doubles_what_the_table_takes_and_not_what_its_indexes_do() {
        let row = item(&[("id", "1"), ("shard", "2")]);
        let indexes = [index(&["shard"], None)];
        let units = |write| change_units(None, Some(&row), &indexes, write);
        assert_eq!((units(Write::Single), units(Write::InTransaction)), (2, 3));
    }

    #[test]
    fn the_greater_of_what_was_and_what_is_counts() {
        let (small, large) = (item(&[("id", "1")]), item(&[("id", &"1".repeat(1500))]));
        for (old, new) in [(&small, &large), (&large, &small)] {
            assert_eq!(change_units(Some(old), Some(new), &[], Write::Single), 2);
        }
        assert_eq!(change_units(Some(&large), None, &[], Write::Single), 2);
    }

    #[test]
    fn an_index_takes_writes_for_what_changes_in_it_alone() {
        let index = index(&["shard", "time"], Some(&["id", "shard", "time", "name"]));
        let row = item(&[("id", "1"), ("shard", "2"), ("time", "3"), ("name", "a")]);
        let with = |name: &str, value: &str| {
            let mut row = row.clone();
            row.extend(item(&[(name, value)]));
            row
        };
        let mut outside = row.clone();
        outside.remove("shard");
        let cases = [
            (None, Some(&outside), 0, "not in it"),
            (None, Some(&row), 1, "put"),
            (Some(&row), None, 1, "removed"),
            (Some(&row), Some(&outside), 1, "removed by its key"),
            (Some(&row), Some(&with("other", "b")), 0, "not held"),
            (Some(&row), Some(&with("name", "b")), 1, "changed"),
            (Some(&row), Some(&with("time", "4")), 2, "moved"),
        ];
        for (old, new, units, what) in cases {
            assert_eq!(index.change_units(old, new), units, "{what}");
        }
    }
}
