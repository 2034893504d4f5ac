//! Counting requests: counts do not vary, as times do.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept, context::BeforeTransmitInterceptorContextRef, dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

/// Counts the requests that a client sends, repetitions included.
#[derive(Clone, Debug, Default)]
pub struct Requests(Arc<AtomicU32>);

impl Requests {
    /// How many were sent since the last look.
    #[expect(clippy::must_use_candidate, reason = "to look is to begin anew")]
    pub fn sent(&self) -> u32 {
        self.0.swap(0, Ordering::SeqCst)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Requests {
    fn name(&self) -> &'static str {
        "Requests"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
