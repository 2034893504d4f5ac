//! Brands: the types, the ports to where they are kept, and the events that announce them.
//!
//! The types parse at the edge and are trusted from there on. A stored row is read leniently, whatever the edge would say to it. A brand's row has one truth for all: the brand, and how far each
//! subscriber is with it. A port serves one client: [`BrandWriter`] the API, [`BrandReader`] its lists, [`SyncStore`] the
//! worker that syncs a row, [`Outbox`] the sweep, [`SyncReader`] those who look how far brands are, [`Inventory`] the
//! comparison with a target. Each is implemented on DynamoDB and in memory.

/// How many shards the indexes of brands have. Every new brand is written to them, and a partition takes 1,000 writes a
/// second: so an index takes 8,000, and a larger number here makes it more.
pub const SHARDS: u8 = 8;

/// The name of the subscriber that syncs brands to the CMS, in rows and commands.
pub const CMS_SUBSCRIBER: &str = "cms";

/// The name of its workflow.
pub const CMS_WORKFLOW: &str = "sync-brand-to-cms";

/// The names of all subscribers to brands.
pub const SUBSCRIBERS: &[&str] = &[CMS_SUBSCRIBER];

#[cfg(feature = "contract")]
pub mod contract;
mod dynamodb;
mod event;
mod id;
mod idempotency;
mod inventory;
mod memory;
mod model;
mod name;
mod reader;
mod sqs;
mod state;
mod store;
mod sync;
mod timestamp;
mod unsynced;

pub use dynamodb::DynamoDbBrandStore;
pub use event::{
    BrandEvent, BrandEvents, BrandVersion, CloudEvent, EventError, Reminders, SyncDue,
};
pub use id::{BrandId, InvalidBrandId};
pub use idempotency::{IdempotencyKey, InvalidIdempotencyKey, RequestDigest};
pub use inventory::{Inventory, InventoryPage};
pub use memory::MemoryBrandStore;
pub use model::Brand;
pub use name::{BrandName, InvalidBrandName};
pub use reader::{
    BrandReader, CountedPage, Direction, ListedBrand, NextPage, Order, Position, Search, SortKey,
};
pub use sqs::SqsBrandEvents;
pub use state::{SyncState, UnknownSyncState};
pub use store::{BrandWriter, Changed, Created, StoreError};
pub use sync::{
    Action, BrandRow, DueRow, Held, Intervention, Lease, Mark, MarkKind, Outbox, RunRecord,
    Schedule, SubscriberState, SyncStore, SyncWrite, SyncWritten, TakeUp, TakenUp, WriteScope,
    take_up, take_up_for, take_up_seen,
};
pub use timestamp::Timestamp;
pub use unsynced::{
    FilteredPage, FoundRows, Indexes, InvalidPlace, Place, SparseIndex, SyncReader, UnsyncedCount,
    UnsyncedFilter, UnsyncedPage,
};
