//! What is answered.

use serde::Serialize;

use crate::fields::ShownBrand;

/// One brand.
#[derive(Serialize)]
pub(crate) struct Single {
    pub(crate) brand: ShownBrand,
}

/// A page by number, as Medusa answers it.
#[derive(Serialize)]
pub(crate) struct NumberedList {
    pub(crate) brands: Vec<ShownBrand>,
    pub(crate) count: u64,
    pub(crate) limit: u16,
    pub(crate) offset: u32,
}

/// A page by cursor. `next` is the cursor of the next page, null on the last one.
#[derive(Serialize)]
pub(crate) struct FollowedList {
    pub(crate) brands: Vec<ShownBrand>,
    pub(crate) limit: u16,
    pub(crate) next: Option<String>,
}
