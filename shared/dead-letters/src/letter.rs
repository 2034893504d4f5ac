//! A dead letter, and the attributes that it bears.

use std::collections::HashMap;

use aws::TraceAttributes;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use telemetry::Trace;

use crate::FailureKind;

const FAILURE_KIND: &str = "failure_kind";
const FAILURE_REASON: &str = "failure_reason";
const SOURCE_MESSAGE_ID: &str = "source_message_id";

/// The most bytes of a reason that are sent along.
const MAX_REASON: usize = 1024;

/// A message to be parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// The message's id in the queue that it comes from.
    pub message_id: &'a str,
    /// Its body, as it came.
    pub body: &'a str,
    /// What kind of failure it was.
    pub kind: FailureKind,
    /// Why it is parked, for a reader.
    pub reason: &'a str,
    /// The trace that it was sent in, if it bears one.
    pub trace: Option<&'a Trace>,
}

impl DeadLetter<'_> {
    /// The attributes that tell why it is parked, beside those of its trace.
    pub(crate) fn attributes(&self) -> HashMap<String, MessageAttributeValue> {
        let attributes = [
            (FAILURE_KIND, self.kind.as_str()),
            (FAILURE_REASON, self.reason),
            (SOURCE_MESSAGE_ID, self.message_id),
        ];
        let attribute = |(name, text): (&str, &str)| {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(attribute_text(text));
            Some((name.to_owned(), value.build().ok()?))
        };
        let traced = self.traced().and_then(|traced| traced.message());
        let why = attributes.into_iter().filter_map(attribute);
        why.chain(traced.into_iter().flatten()).collect()
    }

    pub(crate) fn traced(&self) -> Option<TraceAttributes> {
        self.trace.map(TraceAttributes::of)
    }
}

/// Why a received message was parked. One that does not say was moved by the queue itself.
pub(crate) fn kind_of(message: &Message) -> FailureKind {
    let kind = attribute(message, FAILURE_KIND).and_then(|kind| kind.parse().ok());
    kind.unwrap_or(FailureKind::Undelivered)
}

/// A message that is parked, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedMessage {
    /// The id that SQS gave it in this queue.
    pub id: String,
    /// What kind of failure parked it.
    pub kind: FailureKind,
    /// Why it was parked; none where the queue itself moved it.
    pub reason: Option<String>,
    /// When it was parked, or first sent where the queue itself moved it: milliseconds since the Unix epoch.
    pub sent_at: Option<u64>,
    /// The start of its body, as it came: at most [`ParkedMessage::MAX_BODY`] bytes. An event of ours is shorter.
    pub body: String,
}

impl ParkedMessage {
    /// The most bytes of a body that are kept: a body has up to 1 MiB, and many are looked at at once.
    pub const MAX_BODY: usize = 4_096;

    pub(crate) fn of(message: &Message) -> Self {
        let attributes = message.attributes.as_ref();
        let sent_at = attributes
            .and_then(|known| known.get(&MessageSystemAttributeName::SentTimestamp))
            .and_then(|millis| millis.parse().ok());
        Self {
            id: message.message_id().unwrap_or_default().to_owned(),
            kind: kind_of(message),
            reason: attribute(message, FAILURE_REASON).map(str::to_owned),
            sent_at,
            body: start_of(message.body().unwrap_or_default()),
        }
    }

    /// The brand that the message is about, if it says so: any text that was sent.
    #[must_use]
    pub fn brand_id(&self) -> Option<String> {
        let event: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        Some(event.pointer("/data/id")?.as_str()?.to_owned())
    }
}

fn start_of(body: &str) -> String {
    let end = body.floor_char_boundary(ParkedMessage::MAX_BODY);
    body.get(..end).unwrap_or_default().to_owned()
}

/// The id that the message had in the queue that it comes from: the queue itself keeps it when it moves a message.
pub(crate) fn source_id(message: &Message) -> Option<&str> {
    attribute(message, SOURCE_MESSAGE_ID).or(message.message_id())
}

fn attribute<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.message_attributes()?.get(name)?.string_value()
}

/// What a parked message bore before it was parked.
pub(crate) fn original_attributes(
    message: &Message,
) -> Option<HashMap<String, MessageAttributeValue>> {
    let mut attributes = message.message_attributes.clone()?;
    for ours in [FAILURE_KIND, FAILURE_REASON, SOURCE_MESSAGE_ID] {
        attributes.remove(ours);
    }
    Some(attributes).filter(|attributes| !attributes.is_empty())
}

/// A text that SQS takes as an attribute: not empty, and of the characters that XML 1.0 knows.
fn attribute_text(text: &str) -> String {
    let is_allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let mut text: String = text
        .chars()
        .map(|character| {
            if is_allowed(character) {
                character
            } else {
                '\u{fffd}'
            }
        })
        .collect();
    text.truncate(text.floor_char_boundary(MAX_REASON));
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::Message;
    use telemetry::Trace;

    use super::{
        DeadLetter, MAX_REASON, ParkedMessage, attribute_text, kind_of, original_attributes,
        source_id,
    };
    use crate::FailureKind;

    #[test]
    fn a_reason_is_always_one_that_sqs_takes() {
        assert_eq!(attribute_text(""), "-");
        assert_eq!(attribute_text("a\0b\u{ffff}c\n"), "a\u{fffd}b\u{fffd}c\n");
        assert!(attribute_text(&"🦀".repeat(MAX_REASON)).len() <= MAX_REASON);
    }

    #[test]
    fn a_parked_message_stays_in_its_trace() {
        let trace = Trace::of_request(None, None);
        let letter = DeadLetter {
            message_id: "1",
            body: "{}",
            kind: FailureKind::Malformed,
            reason: "",
            trace: Some(&trace),
        };
        let attributes = Some(letter.attributes());
        let parked = Message::builder()
            .set_message_attributes(attributes)
            .build();
        let kept = original_attributes(&parked).unwrap_or_default();
        let kept: Vec<_> = kept
            .iter()
            .map(|(name, value)| (name.as_str(), value.string_value()))
            .collect();
        let traceparent = trace.traceparent();
        assert_eq!(kept, [("traceparent", Some(traceparent.as_str()))]);
    }

    #[test]
    fn a_parked_message_says_why_and_sent_again_it_no_longer_does() {
        let kind = FailureKind::Malformed;
        let letter = DeadLetter {
            message_id: "1",
            body: "{}",
            kind,
            reason: "",
            trace: None,
        };
        let attributes = Some(letter.attributes());
        let parked = Message::builder()
            .set_message_attributes(attributes)
            .build();
        assert_eq!(kind_of(&parked), kind);
        assert_eq!(source_id(&parked), Some("1"));
        assert_eq!(ParkedMessage::of(&parked).reason.as_deref(), Some("-"));
        assert_eq!(original_attributes(&parked), None);
        let undelivered = Message::builder().message_id("2").build();
        assert_eq!(kind_of(&undelivered), FailureKind::Undelivered);
        assert_eq!(source_id(&undelivered), Some("2"));
    }
}
