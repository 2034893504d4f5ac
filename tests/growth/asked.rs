//! What a request asks of DynamoDB, as far as it is metered.

use aws_sdk_dynamodb::{
    operation::{
        get_item::GetItemInput, put_item::PutItemInput, query::QueryInput,
        transact_write_items::TransactWriteItemsInput, update_item::UpdateItemInput,
    },
    types::{AttributeValue, ReturnConsumedCapacity, TransactWriteItem},
};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::capacity::{Consistency, Item, Write};

/// A request.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// For rows of an index.
    Query { table: String, index: String },
    /// For a row.
    Get { key: Key, consistency: Consistency },
    /// To change rows.
    Changes(Vec<Change>),
    /// For something that is not metered.
    Unknown,
}

impl Storable for Asked {
    type Storer = StoreReplace<Self>;
}

/// Where a row is. All tables here have the one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) table: String,
    pub(crate) id: String,
}

impl Key {
    /// The key of a row, or the one that names it.
    pub(crate) fn of(table: &str, item: &Item) -> Self {
        let id = item.get("id").and_then(|id| id.as_s().ok());
        Self {
            table: table.to_owned(),
            id: id.cloned().unwrap_or_default(),
        }
    }

    /// As a request names it.
    pub(crate) fn item(&self) -> Item {
        Item::from([("id".to_owned(), AttributeValue::S(self.id.clone()))])
    }
}

/// A row becomes another.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) write: Write,
    /// None where there is none.
    pub(crate) old: Option<Item>,
    /// None where the request does not say.
    pub(crate) new: Option<Item>,
}

impl Change {
    fn put(table: Option<&str>, item: Option<&Item>, write: Write) -> Option<Self> {
        let item = item?;
        Some(Self {
            key: Key::of(table?, item),
            write,
            old: None,
            new: Some(item.clone()),
        })
    }

    fn update(table: Option<&str>, key: Option<&Item>, write: Write) -> Option<Self> {
        Some(Self {
            key: Key::of(table?, key?),
            write,
            old: None,
            new: None,
        })
    }

    fn in_transaction(item: &TransactWriteItem) -> Option<Self> {
        let write = Write::InTransaction;
        if let Some(put) = item.put() {
            return Self::put(Some(put.table_name()), Some(put.item()), write);
        }
        let update = item.update()?;
        Self::update(Some(update.table_name()), Some(update.key()), write)
    }
}

impl Asked {
    /// Reads a request, and has DynamoDB tell what a write takes.
    pub(crate) fn of(input: &mut Input) -> Self {
        Self::read(input)
            .or_else(|| Self::write(input))
            .unwrap_or(Self::Unknown)
    }

    fn read(input: &Input) -> Option<Self> {
        if let Some(query) = input.downcast_ref::<QueryInput>() {
            return Some(Self::Query {
                table: query.table_name()?.to_owned(),
                index: query.index_name()?.to_owned(),
            });
        }
        let get = input.downcast_ref::<GetItemInput>()?;
        let consistency = match get.consistent_read() {
            Some(true) => Consistency::Strong,
            _ => Consistency::Eventual,
        };
        let key = Key::of(get.table_name()?, get.key()?);
        Some(Self::Get { key, consistency })
    }

    fn write(input: &mut Input) -> Option<Self> {
        let told = Some(ReturnConsumedCapacity::Total);
        if let Some(put) = input.downcast_mut::<PutItemInput>() {
            put.return_consumed_capacity = told;
            let change = Change::put(put.table_name(), put.item(), Write::Single)?;
            return Some(Self::Changes(vec![change]));
        }
        if let Some(update) = input.downcast_mut::<UpdateItemInput>() {
            update.return_consumed_capacity = told;
            let change = Change::update(update.table_name(), update.key(), Write::Single)?;
            return Some(Self::Changes(vec![change]));
        }
        let transaction = input.downcast_mut::<TransactWriteItemsInput>()?;
        transaction.return_consumed_capacity = told;
        let items = transaction.transact_items().iter();
        let changes: Option<Vec<_>> = items.map(Change::in_transaction).collect();
        changes.map(Self::Changes)
    }
}
