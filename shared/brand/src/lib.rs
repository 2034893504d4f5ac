//! Brands: the types, the store, and the events that announce them.
//!
//! The types parse at the edge and are trusted from there on. The ports [`BrandStore`], [`BrandReader`] and [`BrandEvents`] have
//! an implementation on AWS each, and the first two one in memory for tests.

mod dynamodb;
mod event;
mod id;
mod idempotency;
mod memory;
mod model;
mod name;
mod reader;
mod sqs;
mod store;
mod timestamp;

pub use dynamodb::DynamoDbBrandStore;
pub use event::{BrandEvent, BrandEvents, BrandVersion, CloudEvent, EventError};
pub use id::{BrandId, InvalidBrandId};
pub use idempotency::{IdempotencyKey, InvalidIdempotencyKey, RequestDigest};
pub use memory::{MemoryBrandStore, MemoryBrandWrite};
pub use model::{Brand, SyncFailure};
pub use name::{BrandName, InvalidBrandName};
pub use reader::{
    BrandReader, CountedPage, Direction, ListedBrand, NextPage, Order, Position, Search, SortKey,
};
pub use sqs::SqsBrandEvents;
pub use store::{BrandStore, Changed, Created, StoreError};
pub use timestamp::Timestamp;
