//! Counting requests and units: counts do not vary, as times do.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::{
    operation::{
        get_item::{GetItemInput, GetItemOutput},
        put_item::{PutItemInput, PutItemOutput},
        update_item::{UpdateItemInput, UpdateItemOutput},
    },
    types::{ConsumedCapacity, ReturnConsumedCapacity},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                AfterDeserializationInterceptorContextRef,
                BeforeSerializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
            },
            dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, timeout::TimeoutConfig};

/// What a client has sent, and what DynamoDB says that it took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Requests, repetitions included.
    pub requests: u32,
    /// Write units, of the table and its indexes.
    pub write_units: f64,
    /// Read units.
    pub read_units: f64,
}

/// Counts what a client sends, by an interceptor. DynamoDB tells the units of writes and of reads by key.
#[derive(Clone, Debug, Default)]
pub struct Requests(Arc<Mutex<Usage>>);

impl Requests {
    /// How many requests were sent since the last look.
    #[expect(clippy::must_use_candidate, reason = "a look starts a new count")]
    pub fn sent(&self) -> u32 {
        self.usage().requests
    }

    /// What was used since the last look.
    pub fn usage(&self) -> Usage {
        self.count(std::mem::take)
    }

    fn count<T>(&self, count: impl FnOnce(&mut Usage) -> T) -> T {
        count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[dyn_dispatch_hint]
impl Intercept for Requests {
    fn name(&self) -> &'static str {
        "Requests"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // A busy emulator is no measure for the functions' patience, and a request that is made again would be counted twice.
        config
            .interceptor_state()
            .store_put(TimeoutConfig::disabled());
        let (input, total) = (context.input_mut(), Some(ReturnConsumedCapacity::Total));
        if let Some(input) = input.downcast_mut::<PutItemInput>() {
            input.return_consumed_capacity = total;
        } else if let Some(input) = input.downcast_mut::<UpdateItemInput>() {
            input.return_consumed_capacity = total;
        } else if let Some(input) = input.downcast_mut::<GetItemInput>() {
            input.return_consumed_capacity = total;
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.count(|usage| usage.requests += 1);
        Ok(())
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
        let units = |capacity: Option<&ConsumedCapacity>| {
            capacity
                .and_then(ConsumedCapacity::capacity_units)
                .unwrap_or_default()
        };
        self.count(|usage| {
            if let Some(output) = output.downcast_ref::<PutItemOutput>() {
                usage.write_units += units(output.consumed_capacity());
            } else if let Some(output) = output.downcast_ref::<UpdateItemOutput>() {
                usage.write_units += units(output.consumed_capacity());
            } else if let Some(output) = output.downcast_ref::<GetItemOutput>() {
                usage.read_units += units(output.consumed_capacity());
            }
        });
        Ok(())
    }
}
