//! Meters what DynamoDB is asked: an interceptor, which sees requests and answers as the SDK's types.
//!
//! An answer to a write does not show the row, so the meter keeps the rows that pass: as a read showed them, or as a write
//! put them. What an update makes of one is read afterwards, unmetered.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_dynamodb::{
    operation::{
        get_item::GetItemOutput, put_item::PutItemOutput, query::QueryOutput,
        transact_write_items::TransactWriteItemsOutput, update_item::UpdateItemOutput,
    },
    types::ConsumedCapacity,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                AfterDeserializationInterceptorContextRef,
                BeforeSerializationInterceptorContextMut, Output,
            },
            dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use system_tests::Requests;

use crate::{
    asked::{Asked, Change, Key},
    capacity::{Consistency, Index, Item, change_units, item_bytes, read_halves},
    count::Count,
    place::Place,
    rows,
};

/// Meters the requests of the clients that it is given to.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    /// Counts them; a client that is metered has it beside the meter.
    pub(crate) requests: Requests,
    readings: Arc<Mutex<Readings>>,
    /// The table of the brands, the only one that has indexes.
    table: String,
    indexes: Vec<Index>,
}

#[derive(Debug, Default)]
struct Readings {
    count: Count,
    answers: u64,
    changes: Vec<Change>,
    /// The write units of which DynamoDB's answers tell.
    told: f64,
    /// Rows as they were last seen.
    seen: HashMap<Key, Item>,
    /// The bytes of a row of each index.
    row_bytes: HashMap<String, u64>,
    problem: Option<String>,
}

/// What was counted, and what DynamoDB itself tells of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) count: Count,
    /// Write units. It tells them on AWS as on the emulator; the emulator's read units are none.
    pub(crate) told: f64,
}

impl Meter {
    /// For the brands there, and the runs.
    pub(crate) fn new(place: &Place) -> Self {
        Self {
            requests: Requests::default(),
            readings: Arc::default(),
            table: place.table.clone(),
            indexes: place.indexes.clone(),
        }
    }

    /// The bytes of a row of an index, as they were seen.
    pub(crate) fn row_bytes(&self, index: &str) -> Option<u64> {
        self.readings().row_bytes.get(index).copied()
    }

    /// What was counted since the last time. `client` reads what updates have made, unmetered.
    pub(crate) async fn read(&self, client: &aws_sdk_dynamodb::Client) -> Result<Reading, String> {
        let readings = {
            let mut readings = self.readings();
            let row_bytes = readings.row_bytes.clone();
            mem::replace(
                &mut *readings,
                Readings {
                    row_bytes,
                    ..Readings::default()
                },
            )
        };
        if let Some(problem) = readings.problem {
            return Err(problem);
        }
        let mut count = readings.count;
        count.to_dynamodb = self.requests.sent().into();
        if count.to_dynamodb != readings.answers {
            return Err("a request to DynamoDB was repeated".to_owned());
        }
        let unknown = readings.changes.iter();
        let unknown = unknown.filter(|change| change.new.is_none());
        let unknown = unknown.map(|change| change.key.clone()).collect();
        let made = rows::read(client, unknown).await?;
        for change in &readings.changes {
            let new = change.new.as_ref().or_else(|| made.get(&change.key));
            let indexes = self.indexes_of(&change.key.table);
            count.write_units += change_units(change.old.as_ref(), new, indexes, change.write);
        }
        let told = readings.told;
        Ok(Reading { count, told })
    }

    fn readings(&self) -> MutexGuard<'_, Readings> {
        let readings = self.readings.lock();
        readings.unwrap_or_else(PoisonError::into_inner)
    }

    fn indexes_of(&self, table: &str) -> &[Index] {
        if table == self.table {
            &self.indexes
        } else {
            &[]
        }
    }
}

impl Readings {
    fn answered(&mut self, meter: &Meter, asked: &Asked, output: &Output) {
        let result = match asked {
            Asked::Query { table, index } => {
                let mut indexes = meter.indexes_of(table).iter();
                let index = indexes.find(|known| known.name == *index);
                let answer = output.downcast_ref::<QueryOutput>();
                index.zip(answer).map_or_else(
                    || Err(format!("{table} was queried in a way that is not known")),
                    |(index, answer)| self.queried(table, index, answer),
                )
            }
            Asked::Get { key, consistency } => {
                let answer = output.downcast_ref::<GetItemOutput>();
                self.got(key, *consistency, answer.and_then(GetItemOutput::item));
                Ok(())
            }
            Asked::Changes(changes) => {
                self.told += told(output);
                changes.iter().try_for_each(|change| self.changed(change))
            }
            Asked::Unknown => Err("a request was made that is not metered".to_owned()),
        };
        if let Err(problem) = result {
            self.problem.get_or_insert(problem);
        }
    }

    /// Rows are read whether they are sent or, of a query that counts, are not.
    fn queried(&mut self, table: &str, index: &Index, answer: &QueryOutput) -> Result<(), String> {
        for row in answer.items() {
            let bytes = item_bytes(row);
            let known = *self.row_bytes.entry(index.name.clone()).or_insert(bytes);
            if bytes != known {
                let name = &index.name;
                return Err(format!("rows of {name} have {known} bytes and {bytes}"));
            }
            if index.holds_all() {
                self.seen.insert(Key::of(table, row), row.clone());
            }
        }
        let rows = u64::try_from(answer.scanned_count()).unwrap_or_default();
        let bytes = match (rows, self.row_bytes.get(&index.name)) {
            (0, _) => 0,
            (rows, Some(bytes)) => rows * bytes,
            (_, None) => return Err("rows are counted of which none was seen".to_owned()),
        };
        self.count.rows += rows;
        self.count.read_halves += read_halves(bytes, Consistency::Eventual);
        Ok(())
    }

    fn got(&mut self, key: &Key, consistency: Consistency, row: Option<&Item>) {
        self.count.rows += u64::from(row.is_some());
        self.count.read_halves += read_halves(row.map_or(0, item_bytes), consistency);
        if let Some(row) = row {
            self.seen.insert(key.clone(), row.clone());
        }
    }

    fn changed(&mut self, change: &Change) -> Result<(), String> {
        let mut change = change.clone();
        change.old = self.seen.remove(&change.key);
        match &change.new {
            Some(new) => {
                self.seen.insert(change.key.clone(), new.clone());
            }
            // So that its old row is known, and that it is not changed once more.
            None if change.old.is_none() => {
                return Err(format!("{:?} was changed unseen", change.key));
            }
            None => {}
        }
        self.changes.push(change);
        Ok(())
    }
}

/// The units of which an answer to a write tells.
fn told(output: &Output) -> f64 {
    let of_one = if let Some(answer) = output.downcast_ref::<PutItemOutput>() {
        answer.consumed_capacity()
    } else if let Some(answer) = output.downcast_ref::<UpdateItemOutput>() {
        answer.consumed_capacity()
    } else if let Some(answer) = output.downcast_ref::<TransactWriteItemsOutput>() {
        let units = answer.consumed_capacity().iter();
        return units.filter_map(ConsumedCapacity::capacity_units).sum();
    } else {
        None
    };
    let units = of_one.and_then(ConsumedCapacity::capacity_units);
    units.unwrap_or_default()
}

#[dyn_dispatch_hint]
impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let asked = Asked::of(context.input_mut());
        config.interceptor_state().store_put(asked);
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut readings = self.readings();
        readings.answers += 1;
        match (config.load::<Asked>(), context.output_or_error()) {
            (Some(asked), Ok(output)) => readings.answered(self, asked, output),
            (_, answer) => {
                let problem = format!("DynamoDB refused a request: {answer:?}");
                readings.problem.get_or_insert(problem);
            }
        }
        Ok(())
    }
}
