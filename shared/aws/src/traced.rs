//! The trace in an SQS message: W3C's `traceparent` as an attribute, and X-Ray's header as the one system attribute that a
//! sender may set.
//!
//! Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>

use std::collections::HashMap;

use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
};
use telemetry::Trace;

/// The type of both.
const STRING: &str = "String";

/// The attributes of a message that is sent in a trace.
#[derive(Clone, Debug)]
pub struct TraceAttributes {
    traceparent: Option<MessageAttributeValue>,
    xray: Option<MessageSystemAttributeValue>,
}

impl TraceAttributes {
    /// The name of the attribute.
    pub const TRACEPARENT: &'static str = "traceparent";
    /// The name of the system attribute.
    pub const XRAY: &'static str = "AWSTraceHeader";

    /// Those of that trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let traceparent = MessageAttributeValue::builder()
            .data_type(STRING)
            .string_value(trace.traceparent());
        let xray = MessageSystemAttributeValue::builder()
            .data_type(STRING)
            .string_value(trace.xray_header());
        Self {
            traceparent: traceparent.build().ok(),
            xray: xray.build().ok(),
        }
    }

    /// The message's attributes.
    #[must_use]
    pub fn message(&self) -> Option<HashMap<String, MessageAttributeValue>> {
        let value = self.traceparent.clone()?;
        Some(HashMap::from([(Self::TRACEPARENT.to_owned(), value)]))
    }

    /// The message's system attributes.
    #[must_use]
    pub fn system(
        &self,
    ) -> Option<HashMap<MessageSystemAttributeNameForSends, MessageSystemAttributeValue>> {
        let value = self.xray.clone()?;
        let name = MessageSystemAttributeNameForSends::from(Self::XRAY);
        Some(HashMap::from([(name, value)]))
    }
}
