//! A message, as the queue has delivered it.

use aws::TraceAttributes;
use aws_lambda_events::sqs::SqsMessage;
use telemetry::Trace;
use tracing::{Span, info_span};

/// A message that was delivered, with what its attributes say of it.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// Its id; none that can be named where it is empty.
    pub(crate) id: Option<&'a str>,
    /// What it says.
    pub(crate) body: Option<&'a str>,
    /// What names this delivery.
    pub(crate) receipt: Option<&'a str>,
    /// How often it has been received, this time included.
    pub(crate) receives: u32,
    /// The trace that it was sent in.
    pub(crate) trace: Option<Trace>,
}

impl<'a> Received<'a> {
    pub(crate) fn of(message: &'a SqsMessage) -> Self {
        let receives = message.attributes.get("ApproximateReceiveCount");
        Self {
            id: message.message_id.as_deref(),
            body: message.body.as_deref(),
            receipt: message.receipt_handle.as_deref(),
            receives: receives.and_then(|count| count.parse().ok()).unwrap_or(1),
            trace: trace(message),
        }
    }

    /// The span that it is worked on in. It has a trace of its own, since a batch has messages of many: it bears the id of
    /// the one that the message was sent in, and is linked to it.
    pub(crate) fn span(&self) -> Span {
        let trace_id = self.trace.as_ref().map(Trace::id);
        let span = info_span!(
            "message",
            message = self.id,
            receive = self.receives,
            trace_id
        );
        if let Some(trace) = &self.trace {
            trace.link_to(&span);
        }
        span
    }
}

fn trace(message: &SqsMessage) -> Option<Trace> {
    let traceparent = message.message_attributes.get(TraceAttributes::TRACEPARENT);
    let xray = message.attributes.get(TraceAttributes::XRAY);
    Trace::of_message(
        traceparent.and_then(|value| value.string_value.as_deref()),
        xray.map(String::as_str),
    )
}
