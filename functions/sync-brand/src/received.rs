//! A message, as the queue has delivered it.

use aws::TraceAttributes;
use aws_lambda_events::sqs::SqsMessage;
use telemetry::Trace;
use tracing::{Span, info_span};

/// A message, with what its attributes say of it.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// Its id.
    pub(crate) id: Option<&'a str>,
    /// What it says.
    pub(crate) body: Option<&'a str>,
    /// The trace that it was sent in.
    pub(crate) trace: Option<Trace>,
}

impl<'a> Received<'a> {
    pub(crate) fn of(message: &'a SqsMessage) -> Self {
        Self {
            id: message.message_id.as_deref(),
            body: message.body.as_deref(),
            trace: trace(message),
        }
    }

    /// The span that it is worked on in. It has a trace of its own, since a batch has messages of many: it bears the id of
    /// the one that the message was sent in, and is linked to it.
    pub(crate) fn span(&self) -> Span {
        let trace_id = self.trace.as_ref().map(Trace::id);
        let span = info_span!("message", message = self.id, trace_id);
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
