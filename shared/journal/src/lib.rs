//! The workflow engine's journal on DynamoDB: a table with one item a run.
//!
//! The table has the partition key `id` (text) and, so that runs which are over go away, its time to live on
//! `expires_at`. An item has the fields of [`workflow::Run`] as attributes; inputs, outputs and undos are JSON text.

mod error;
mod item;
mod table;

pub use table::DynamoDbJournal;
