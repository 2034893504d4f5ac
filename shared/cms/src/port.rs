//! The port: what the system asks of a CMS, whichever it is.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::CmsError;

/// A brand as the CMS is told of it. It is not the system's own brand: the CMS gets these fields and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CmsBrand {
    /// The brand's id in this system, which is its id in the CMS too: no mapping has to be kept.
    pub id: String,
    /// The name that the CMS shows.
    pub name: String,
}

/// A CMS that brands are synced to.
///
/// All operations may be sent again after any failure, because
///
/// - creating a brand that is there already is success, and so is deleting one that is absent, and updating one that is
///   absent creates it;
/// - a call with an idempotency key that has succeeded before succeeds again and changes nothing. A key belongs to one
///   operation with one argument; to mean something new, take a new key.
///
/// A failure tells whether trying again may help ([`CmsError::is_transient`]). It never tells that nothing was done: after
/// any failure the CMS may hold the brand or not, and the caller who gives up a create has to delete.
///
/// An implementation may take as long as its CMS does. The caller bounds each call by its own deadline, by dropping the future.
pub trait Cms: Send + Sync {
    /// The brand with this id, as the CMS holds it; none where it holds none.
    fn get_brand(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<CmsBrand>, CmsError>> + Send;

    /// Creates the brand in the CMS.
    fn create_brand(
        &self,
        brand: &CmsBrand,
        idempotency_key: &str,
    ) -> impl Future<Output = Result<(), CmsError>> + Send;

    /// Brings the brand in the CMS to this state, whatever it is there, or is not.
    fn update_brand(
        &self,
        brand: &CmsBrand,
        idempotency_key: &str,
    ) -> impl Future<Output = Result<(), CmsError>> + Send;

    /// Deletes the brand with this id from the CMS.
    fn delete_brand(
        &self,
        id: &str,
        idempotency_key: &str,
    ) -> impl Future<Output = Result<(), CmsError>> + Send;
}
