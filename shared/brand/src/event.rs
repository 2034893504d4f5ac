//! The events that announce what happened to a brand.

use std::{error::Error, sync::Arc};

use serde::{Deserialize, Serialize};
use telemetry::Trace;
use thiserror::Error;

use crate::{Brand, BrandId, Timestamp};

/// What happened to a brand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrandEvent {
    /// It was created.
    Created,
    /// It was changed.
    Updated,
    /// It was deleted.
    Deleted,
}

impl BrandEvent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Created, Self::Updated, Self::Deleted];

    /// The event's type, as Medusa names it.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Created => "brand.created",
            Self::Updated => "brand.updated",
            Self::Deleted => "brand.deleted",
        }
    }

    /// The event that made the brand what it is.
    #[must_use]
    pub const fn of(brand: &Brand) -> Self {
        if brand.deleted_at.is_some() {
            Self::Deleted
        } else if brand.version == Brand::FIRST_VERSION {
            Self::Created
        } else {
            Self::Updated
        }
    }
}

/// The data of a brand's event: which version of which brand it announces, and nothing of the brand itself. Whoever
/// hears it reads the brand as it is by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrandVersion {
    /// The brand.
    pub id: BrandId,
    /// The version that the event announces; that of a new brand where it is not said.
    #[serde(default = "first_version")]
    pub version: u32,
}

impl BrandVersion {
    /// The brand's version, as it stands.
    #[must_use]
    pub const fn of(brand: &Brand) -> Self {
        Self {
            id: brand.id,
            version: brand.version,
        }
    }
}

const fn first_version() -> u32 {
    Brand::FIRST_VERSION
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

impl CloudEvent<BrandVersion> {
    /// The event that announces this version of a brand. It is the same whenever it is announced.
    #[must_use]
    pub fn about(brand: &Brand) -> Self {
        let data @ BrandVersion { id, version } = BrandVersion::of(brand);
        Self {
            specversion: Self::SPEC_VERSION.to_owned(),
            id: format!("{id}/{version}"),
            source: Self::SOURCE.to_owned(),
            event_type: BrandEvent::of(brand).event_type().to_owned(),
            subject: Some(id.to_string()),
            time: Some(brand.updated_at.to_string()),
            datacontenttype: Some("application/json".to_owned()),
            data,
        }
    }
}

/// A reminder that a row is due, as the sweep sends it: the row's id, and nothing of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncDue {
    /// The brand; none where the reminder is to probe the target alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<BrandId>,
    /// The token of the probe, where this row's sync shows whether the target is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
}

impl SyncDue {
    /// The event's type.
    pub const EVENT_TYPE: &'static str = "brand.sync-due";
}

impl CloudEvent<SyncDue> {
    /// The event that reminds of a row at that time.
    #[must_use]
    pub fn reminding(due: &SyncDue, now: Timestamp) -> Self {
        let subject = due.id.map(|id| id.to_string());
        let about = subject.as_deref().unwrap_or("probe");
        Self {
            specversion: Self::SPEC_VERSION.to_owned(),
            id: format!("{about}/due/{now}"),
            source: "republish-brands".to_owned(),
            event_type: SyncDue::EVENT_TYPE.to_owned(),
            time: Some(now.to_string()),
            datacontenttype: Some("application/json".to_owned()),
            data: due.clone(),
            subject,
        }
    }
}

/// Announces what happened to a brand.
pub trait BrandEvents: Send + Sync {
    /// Announces the brand's latest version, in that trace. An error means that it is unknown whether it is announced.
    fn announce(
        &self,
        brand: &Brand,
        trace: &Trace,
    ) -> impl Future<Output = Result<(), EventError>> + Send;
}

/// Reminds of rows that are due, through the queue that brand events take.
pub trait Reminders: Send + Sync {
    /// Sends reminders with as few requests as possible. Each is sent or not by itself; the answers are in their order.
    fn remind(
        &self,
        due: &[SyncDue],
        now: Timestamp,
        trace: &Trace,
    ) -> impl Future<Output = Vec<Result<(), EventError>>> + Send;

    /// About how many messages wait in the queue.
    fn waiting(&self) -> impl Future<Output = Result<u32, EventError>> + Send;
}

/// The queue did not take an event, as far as is known.
#[derive(Clone, Debug, Error)]
#[error("the queue did not take the event")]
pub struct EventError(#[source] pub Arc<dyn Error + Send + Sync>);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::json;

    use super::{BrandVersion, CloudEvent};
    use crate::{Brand, BrandName, Timestamp};

    const ID: &str = "01938c5e-7b6e-7cc0-a1a2-0123456789ab";

    #[test]
    fn a_new_brand_is_announced_with_its_id_and_version_alone() {
        let brand = Brand {
            id: ID.parse().unwrap(),
            ..Brand::new(BrandName::parse("Acme").unwrap(), Timestamp::from_millis(0))
        };
        let expected = json!({
            "specversion": "1.0",
            "id": format!("{ID}/1"),
            "source": "/admin/brands",
            "type": "brand.created",
            "subject": ID,
            "time": "1970-01-01T00:00:00.000Z",
            "datacontenttype": "application/json",
            "data": { "id": ID, "version": 1 },
        });
        let event = serde_json::to_value(CloudEvent::about(&brand)).unwrap();
        assert_eq!(event, expected);
    }

    #[test]
    fn extensions_are_tolerated_and_an_event_without_a_version_is_about_a_new_brand() {
        let text = format!(
            r#"{{"specversion":"1.0","id":"1","source":"s","type":"brand.created","traceparent":"00-x",
                "data":{{"id":"{ID}","more":1}}}}"#
        );
        let event: CloudEvent<BrandVersion> = serde_json::from_str(&text).unwrap();
        assert_eq!(event.data.version, Brand::FIRST_VERSION);
    }
}
