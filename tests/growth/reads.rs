//! Counts what queries read. DynamoDB's emulator tells the units of writes and of reads by key, not of queries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::{operation::query::QueryOutput, types::AttributeValue};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, context::AfterDeserializationInterceptorContextRef, dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

/// Half a unit reads so many bytes that may lag behind.
const HALF_UNIT: usize = 4096;

/// What queries have read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Read {
    /// Rows, whether they are sent or only counted.
    pub(crate) rows: u64,
    /// Read units.
    pub(crate) units: f64,
}

/// Counts by an interceptor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    read: Read,
    /// The bytes of the row that was seen last: rows that are only counted are as large.
    row_bytes: usize,
}

impl Reads {
    /// What was read since the last look.
    pub(crate) fn take(&self) -> Read {
        std::mem::take(&mut self.counts().read)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Reads {
    fn name(&self) -> &'static str {
        "Reads"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(output) = context.output_or_error() else {
            return Ok(());
        };
        let Some(output) = output.downcast_ref::<QueryOutput>() else {
            return Ok(());
        };
        let mut counts = self.counts();
        if let Some(row) = output.items().first() {
            let sizes = row.iter().map(|(name, value)| name.len() + bytes(value));
            counts.row_bytes = sizes.sum();
        }
        let rows = usize::try_from(output.scanned_count())?;
        let halves = (rows * counts.row_bytes).div_ceil(HALF_UNIT).max(1);
        counts.read.rows += u64::try_from(rows)?;
        counts.read.units += f64::from(u32::try_from(halves)?) / 2.0;
        Ok(())
    }
}

/// The bytes of a value, by DynamoDB's rules. Rows of the indexes have texts and numbers of few digits.
fn bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        _ => 1,
    }
}
