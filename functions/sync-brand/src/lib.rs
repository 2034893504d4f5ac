//! Consumes the brand events: finds each event's subscribers and runs them.
//!
//! One message is one piece of work: it is parsed, run, and acknowledged, postponed or parked by itself, whatever
//! becomes of the others of its batch.

mod app;
mod batch;
mod event;
mod messages;
mod received;
mod record;
mod subscribers;
mod verdict;
mod workflow;

pub use app::App;
pub use batch::SyncBrand;
pub use event::{Event, MAX_EVENT, Poison};
pub use messages::{Messages, MessagesError, SqsMessages};
pub use subscribers::{Failure, SUBSCRIPTIONS, Subscriber, Subscription};
pub use workflow::{
    MarkBrandSynced, RetrieveBrand, SyncBrandToCms, SyncBrandToCmsWorkflow, run_id,
};
