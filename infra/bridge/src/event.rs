//! Messages, as the event that a function is invoked with.
//!
//! Format: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use thiserror::Error;

/// The queue that messages come from, as their event names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    arn: String,
    region: String,
}

/// An ARN in which no region can be found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no ARN of a queue")]
pub struct SourceError(String);

impl Source {
    /// The queue of that ARN.
    pub fn of(arn: &str) -> Result<Self, SourceError> {
        let mut parts = arn.split(':');
        match (parts.next(), parts.nth(1), parts.next()) {
            (Some("arn"), Some("sqs"), Some(region)) => Ok(Self {
                arn: arn.to_owned(),
                region: region.to_owned(),
            }),
            _ => Err(SourceError(arn.to_owned())),
        }
    }

    /// The event of a batch of messages.
    #[must_use]
    pub fn event(&self, messages: &[Message]) -> Value {
        let records: Vec<Value> = messages
            .iter()
            .map(|message| self.record(message))
            .collect();
        json!({ "Records": records })
    }

    fn record(&self, message: &Message) -> Value {
        let attributes: Map<String, Value> = message
            .attributes()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str().to_owned(), json!(value)))
            .collect();
        let message_attributes: Map<String, Value> = message
            .message_attributes()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), message_attribute(value)))
            .collect();
        let mut record = json!({
            "messageId": message.message_id(),
            "receiptHandle": message.receipt_handle(),
            "body": message.body().unwrap_or_default(),
            "attributes": attributes,
            "messageAttributes": message_attributes,
            "md5OfBody": message.md5_of_body(),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
            "awsRegion": self.region,
        });
        if let (Value::Object(record), Some(md5)) =
            (&mut record, message.md5_of_message_attributes())
        {
            record.insert("md5OfMessageAttributes".to_owned(), md5.into());
        }
        record
    }
}

fn message_attribute(value: &MessageAttributeValue) -> Value {
    // SQS has no lists yet, and Lambda has them in the event all the same.
    let mut attribute = Map::from_iter([
        ("stringListValues".to_owned(), json!([])),
        ("binaryListValues".to_owned(), json!([])),
        ("dataType".to_owned(), value.data_type().into()),
    ]);
    if let Some(text) = value.string_value() {
        attribute.insert("stringValue".to_owned(), text.into());
    }
    if let Some(bytes) = value.binary_value() {
        let encoded = STANDARD.encode(bytes.as_ref());
        attribute.insert("binaryValue".to_owned(), encoded.into());
    }
    Value::Object(attribute)
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]
mod tests {
    use aws_lambda_events::sqs::SqsEvent;
    use aws_sdk_sqs::{
        primitives::Blob,
        types::{Message, MessageAttributeValue, MessageSystemAttributeName as Name},
    };
    use serde_json::{Value, json};

    use super::{Source, SourceError};

    const ARN: &str = "arn:aws:sqs:eu-central-1:123456789012:brand-events";

    /// The message of the recorded event.
    fn recorded(record: &Value) -> Message {
        let text = |name: &str| record[name].as_str().unwrap();
        let traceparent = record.pointer("/messageAttributes/traceparent/stringValue");
        let traceparent = attribute("String").string_value(traceparent.unwrap().as_str().unwrap());
        let attribute = |name: &str| record["attributes"][name].as_str().unwrap();
        Message::builder()
            .message_id(text("messageId"))
            .receipt_handle(text("receiptHandle"))
            .body(text("body"))
            .md5_of_body(text("md5OfBody"))
            .attributes(
                Name::ApproximateReceiveCount,
                attribute("ApproximateReceiveCount"),
            )
            .attributes(Name::SentTimestamp, attribute("SentTimestamp"))
            .attributes(Name::SenderId, attribute("SenderId"))
            .attributes(
                Name::ApproximateFirstReceiveTimestamp,
                attribute("ApproximateFirstReceiveTimestamp"),
            )
            .attributes(Name::AwsTraceHeader, attribute("AWSTraceHeader"))
            .message_attributes("traceparent", traceparent.build().unwrap())
            .md5_of_message_attributes(text("md5OfMessageAttributes"))
            .build()
    }

    fn attribute(data_type: &str) -> aws_sdk_sqs::types::builders::MessageAttributeValueBuilder {
        MessageAttributeValue::builder().data_type(data_type)
    }

    #[test]
    fn an_event_is_the_one_that_lambda_makes_of_the_same_message() {
        let event = include_str!("../../../events/sqs-brand-created.json");
        let event: Value = serde_json::from_str(event).unwrap();
        let message = recorded(&event["Records"][0]);
        assert_eq!(Source::of(ARN).unwrap().event(&[message]), event);
    }

    #[test]
    fn attributes_of_the_sender_and_the_trace_come_along() {
        let message = Message::builder()
            .message_id("1")
            .attributes(Name::AwsTraceHeader, "Root=1-2-3")
            .message_attributes(
                "kind",
                attribute("String").string_value("a").build().unwrap(),
            )
            .message_attributes(
                "raw",
                attribute("Binary")
                    .binary_value(Blob::new([0, 255]))
                    .build()
                    .unwrap(),
            )
            .md5_of_message_attributes("d41d8")
            .build();
        let event = Source::of(ARN).unwrap().event(&[message]);
        let record = &event["Records"][0];
        assert_eq!(
            record["attributes"],
            json!({ "AWSTraceHeader": "Root=1-2-3" })
        );
        assert_eq!(record["md5OfMessageAttributes"], "d41d8");
        let lists = |mut value: Value| {
            value["stringListValues"] = json!([]);
            value["binaryListValues"] = json!([]);
            value
        };
        let expected = json!({
            "kind": lists(json!({ "stringValue": "a", "dataType": "String" })),
            "raw": lists(json!({ "binaryValue": "AP8=", "dataType": "Binary" })),
        });
        assert_eq!(record["messageAttributes"], expected);
        let read: SqsEvent = serde_json::from_value(event).unwrap();
        assert_eq!(read.records[0].message_id.as_deref(), Some("1"));
    }

    #[test]
    fn what_is_no_arn_of_a_queue_is_refused() {
        for arn in ["", "brand-events", "arn:aws:sns:eu-central-1:1:topic"] {
            assert_eq!(Source::of(arn), Err(SourceError(arn.to_owned())));
        }
    }
}
