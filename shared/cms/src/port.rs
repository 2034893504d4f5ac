//! The port: what the system asks of a CMS, whichever it is.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::CmsError;

/// A brand as it is sent to a CMS: these fields and no others, so that what editors add to an entry stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CmsBrand {
    /// The brand's id in this system. An entry of the CMS bears it, and is recognised by it.
    pub id: String,
    /// The name that the CMS shows.
    pub name: String,
}

/// An entry of the CMS that bears a brand's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CmsEntry {
    /// The brand, as the CMS holds it.
    pub brand: CmsBrand,
    /// How the CMS itself names the entry.
    pub entry: EntryRef,
}

/// How a CMS itself names an entry, and which state of it is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRef {
    /// The CMS's own id of the entry; none where that is the brand's id, or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The entry's revision; none where the CMS has none, or it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The name that the entry is known to have, as the CMS spells it; none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An entry that bears no brand's id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct UnlinkedEntry {
    pub entry: EntryRef,
    pub name: String,
}

#[allow(missing_docs)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnlinkedPage {
    pub entries: Vec<UnlinkedEntry>,
    pub next: Option<String>,
}

/// A page of the entries that bear a brand's id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CmsPage {
    /// The entries, in the order of the brands' ids.
    pub entries: Vec<CmsEntry>,
    /// The cursor of the next page; none on the last one.
    pub next: Option<String>,
}

/// A CMS that brands are synced to.
///
/// An error says what the CMS has answered, not what it has done: after any of them the CMS may hold the brand or not. So ask
/// it ([`get_brand`](Self::get_brand)) before anything is decided on an unclear answer. A success is one that names the
/// entry with our id in it; an adapter asks the CMS itself where the answer does not.
///
/// A write that bears an idempotency key which the CMS has seen succeed may be answered without acting again. A key belongs to
/// one operation with one argument. CMSes without keys ignore it.
///
/// An implementation bounds each request by its own time-out; the caller bounds a call by dropping the future.
#[allow(missing_docs)]
#[async_trait]
pub trait Cms: Send + Sync {
    /// The entry that bears this brand's id; none where there is none.
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError>;

    /// Creates an entry for the brand. Fails where there is one already.
    async fn create_brand(
        &self,
        brand: &CmsBrand,
        idempotency_key: &str,
    ) -> Result<CmsEntry, CmsError>;

    /// Changes the brand's entry. Where `entry` has a revision, only if that is the current one. Fails with
    /// [`CmsError::Conflict`] where it is not, or where there is no such entry.
    async fn update_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        idempotency_key: &str,
    ) -> Result<CmsEntry, CmsError>;

    /// Deletes the entry that bears this brand's id. Succeeds where there is none.
    async fn delete_brand(&self, id: &str, idempotency_key: &str) -> Result<(), CmsError>;

    /// At most `limit` entries that bear a brand's id, behind the cursor.
    async fn list_brands(&self, after: Option<&str>, limit: u16) -> Result<CmsPage, CmsError>;

    async fn get_brands(&self, ids: &[String]) -> Result<Vec<CmsEntry>, CmsError> {
        let mut found = Vec::new();
        for id in ids {
            found.extend(self.get_brand(id).await?);
        }
        Ok(found)
    }

    async fn list_unlinked(&self, _: Option<&str>, _: u16) -> Result<UnlinkedPage, CmsError> {
        Ok(UnlinkedPage::default())
    }

    async fn link_brand(&self, _: &CmsBrand, _: &EntryRef, _: &str) -> Result<CmsEntry, CmsError> {
        Err(CmsError::Unsendable(
            "this CMS has no entries without a brand's id",
        ))
    }
}

#[async_trait]
impl<C: Cms + ?Sized> Cms for Arc<C> {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        (**self).get_brand(id).await
    }

    async fn create_brand(&self, brand: &CmsBrand, key: &str) -> Result<CmsEntry, CmsError> {
        (**self).create_brand(brand, key).await
    }

    async fn update_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        (**self).update_brand(brand, entry, key).await
    }

    async fn delete_brand(&self, id: &str, key: &str) -> Result<(), CmsError> {
        (**self).delete_brand(id, key).await
    }

    async fn list_brands(&self, after: Option<&str>, limit: u16) -> Result<CmsPage, CmsError> {
        (**self).list_brands(after, limit).await
    }

    async fn get_brands(&self, ids: &[String]) -> Result<Vec<CmsEntry>, CmsError> {
        (**self).get_brands(ids).await
    }

    async fn list_unlinked(
        &self,
        after: Option<&str>,
        limit: u16,
    ) -> Result<UnlinkedPage, CmsError> {
        (**self).list_unlinked(after, limit).await
    }

    async fn link_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        (**self).link_brand(brand, entry, key).await
    }
}
