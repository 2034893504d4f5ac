//! The events that announce what happened to a brand.

use std::{error::Error, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Brand, BrandId, Timestamp};

/// A brand was created. It carries the id alone: whoever hears it reads the brand as it is by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrandCreated {
    /// The brand.
    pub id: BrandId,
}

impl BrandCreated {
    /// The event's type.
    pub const TYPE: &'static str = "brand.created";
}

/// An event as it is sent: CloudEvents 1.0 in its JSON format.
///
/// Fields that are not known are tolerated, as the specification asks. Source:
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudEvent<T = serde_json::Value> {
    /// The version of the specification: [`CloudEvent::SPEC_VERSION`].
    pub specversion: String,
    /// The event's id. An event that is announced again bears the same.
    pub id: String,
    /// Who sent it.
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The brand's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The data's media type; JSON where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// The event's own data.
    pub data: T,
}

impl<T> CloudEvent<T> {
    /// The version of the specification that events follow.
    pub const SPEC_VERSION: &'static str = "1.0";
    /// Who sends the events of this application.
    pub const SOURCE: &'static str = "/admin/brands";
}

impl CloudEvent<BrandCreated> {
    /// The event that announces a brand which was created. It is the same whenever it is announced.
    #[must_use]
    pub fn brand_created(id: BrandId, created_at: Timestamp) -> Self {
        Self {
            specversion: Self::SPEC_VERSION.to_owned(),
            id: format!("{id}/{}", Brand::FIRST_VERSION),
            source: Self::SOURCE.to_owned(),
            event_type: BrandCreated::TYPE.to_owned(),
            subject: Some(id.to_string()),
            time: Some(created_at.to_string()),
            datacontenttype: Some("application/json".to_owned()),
            data: BrandCreated { id },
        }
    }
}

/// Where events are announced.
pub trait BrandEvents: Send + Sync {
    /// Announces that a brand was created. An error means that it is unknown whether it is announced.
    fn brand_created(&self, brand: &Brand) -> impl Future<Output = Result<(), EventError>> + Send;
}

/// An event could not be announced, as far as is known.
#[derive(Clone, Debug, Error)]
#[error("the event could not be announced")]
pub struct EventError(#[source] pub Arc<dyn Error + Send + Sync>);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{BrandCreated, CloudEvent};
    use crate::{BrandId, Timestamp};

    #[test]
    fn brand_created_is_a_cloudevent_with_the_id_alone() {
        let id: Result<BrandId, _> = "01938c5e-7b6e-7cc0-a1a2-0123456789ab".parse();
        let event = id.map(|id| CloudEvent::brand_created(id, Timestamp::from_millis(0)));
        let expected = json!({
            "specversion": "1.0",
            "id": "01938c5e-7b6e-7cc0-a1a2-0123456789ab/1",
            "source": "/admin/brands",
            "type": "brand.created",
            "subject": "01938c5e-7b6e-7cc0-a1a2-0123456789ab",
            "time": "1970-01-01T00:00:00.000Z",
            "datacontenttype": "application/json",
            "data": { "id": "01938c5e-7b6e-7cc0-a1a2-0123456789ab" },
        });
        assert_eq!(
            event
                .ok()
                .and_then(|event| serde_json::to_value(event).ok()),
            Some(expected)
        );
    }

    #[test]
    fn extensions_are_tolerated() {
        let text = r#"{"specversion":"1.0","id":"1","source":"s","type":"brand.created","traceparent":"00-x",
            "data":{"id":"01938c5e-7b6e-7cc0-a1a2-0123456789ab","more":1}}"#;
        assert!(serde_json::from_str::<CloudEvent<BrandCreated>>(text).is_ok());
    }
}
