//! The store in memory does what a store of brands has to do.

#![cfg(feature = "contract")]

use brand::{MemoryBrandStore, contract};
use futures::executor::block_on;

#[test]
fn it_writes_brands_as_the_api_needs() {
    block_on(contract::writer(&MemoryBrandStore::new()));
}

#[test]
fn it_orders_changes_that_come_at_once() {
    block_on(contract::concurrent_changes(&MemoryBrandStore::new()));
}

#[test]
fn it_writes_sync_state_only_on_condition() {
    block_on(contract::sync(&MemoryBrandStore::new()));
}

#[test]
fn it_knows_which_rows_are_due() {
    block_on(contract::outbox(&MemoryBrandStore::new()));
}

#[test]
fn it_takes_rows_up_again() {
    block_on(contract::taking_up(&MemoryBrandStore::new()));
    block_on(contract::taking_up_as_seen(&MemoryBrandStore::new()));
}

#[test]
fn what_is_not_synced_is_found_in_memory() {
    block_on(contract::sync_reader(&MemoryBrandStore::new()));
}

#[test]
fn all_brands_are_found_in_memory() {
    block_on(contract::inventory(&MemoryBrandStore::new()));
}
