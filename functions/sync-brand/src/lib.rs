//! Consumes the brand events: a message says "look at this row", and the row says what there is to do.
//!
//! So every message is acknowledged, also where DynamoDB or the CMS is away: the row stays due, and the sweep sends a reminder.
//! The exceptions are a message that is not one of ours, which is parked with its reason, and a panic, which is left to SQS.

mod cms_subscriber;
mod event;
mod handler;
mod parking;
mod received;
mod record;
mod subscriber;
mod workflow;

pub use cms_subscriber::{CmsSubscriber, CmsTarget};
pub use event::{Hint, MAX_EVENT, Poison};
pub use handler::{Config, SyncBrand};
pub use parking::{Parking, ParkingError};
pub use record::Record;
pub use subscriber::{Admission, Subscriber, Work};
pub use workflow::{
    CmsChange, ReadCms, RetrieveBrand, SyncBrandToCms, SyncBrandToCmsWorkflow, SyncContext,
};
