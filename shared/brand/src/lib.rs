//! Brands: the types, the store, and the events that announce them.
//!
//! The types parse at the edge and are trusted from there on. The ports [`BrandStore`] and [`BrandEvents`] have an
//! implementation on AWS each, and one in memory for tests.

mod dynamodb;
mod event;
mod id;
mod memory;
mod model;
mod name;
mod sqs;
mod store;
mod timestamp;

pub use dynamodb::{DynamoDbBrandStore, UNSYNCED_SHARDS};
pub use event::{BrandCreated, BrandEvents, CloudEvent, EventError};
pub use id::{BrandId, InvalidBrandId};
pub use memory::{MemoryBrandStore, MemoryBrandWrite};
pub use model::Brand;
pub use name::{BrandName, InvalidBrandName};
pub use sqs::SqsBrandEvents;
pub use store::{BrandStore, Created, StoreError};
pub use timestamp::Timestamp;
