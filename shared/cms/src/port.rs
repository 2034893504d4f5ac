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
    /// The name that the entry is known to have, as the CMS spells it; none where that is not known. Entries that a CMS
    /// returns leave it out, as they bear the name beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A page of the entries that bear a brand's id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CmsPage {
    /// The entries, in the order of the brands' ids.
    pub entries: Vec<CmsEntry>,
    /// The cursor of the next page; none on the last one.
    pub next: Option<String>,
}

/// An entry that an editor made: it bears no brand's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkedEntry {
    /// How the CMS itself names the entry. The id is always there.
    pub entry: EntryRef,
    /// The entry's name, as the CMS spells it. Empty where it has none.
    pub name: String,
}

/// A page of the entries that bear no brand's id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnlinkedPage {
    /// The entries, in the order of the CMS's own ids. They may be fewer than asked for, even on a page before the last.
    pub entries: Vec<UnlinkedEntry>,
    /// The cursor of the next page; none on the last one.
    pub next: Option<String>,
}

/// Why no entry of a CMS can be linked.
pub(crate) const NO_UNLINKED: &str = "this CMS has no entries without a brand's id";

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
#[async_trait]
pub trait Cms: Send + Sync {
    /// The entry that bears this brand's id; none where there is none.
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError>;

    /// The entries that bear one of these brands' ids, at most 100 ids, in any order. A brand without an entry is left out.
    async fn get_brands(&self, ids: &[String]) -> Result<Vec<CmsEntry>, CmsError> {
        let mut entries = Vec::new();
        for id in ids {
            entries.extend(self.get_brand(id).await?);
        }
        Ok(entries)
    }

    /// Creates an entry for the brand. Fails where there is one already.
    async fn create_brand(
        &self,
        brand: &CmsBrand,
        idempotency_key: &str,
    ) -> Result<CmsEntry, CmsError>;

    /// Changes the brand's entry, if it still has the revision and the name that `entry` has. Fails with
    /// [`CmsError::Conflict`] and changes nothing where it has not, or where there is no such entry. So an editor's change
    /// is not overwritten unseen.
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

    /// At most `limit` entries that bear no brand's id, behind the cursor. By default none: a CMS in which every entry bears
    /// a brand's id.
    async fn list_unlinked(&self, _: Option<&str>, _: u16) -> Result<UnlinkedPage, CmsError> {
        Ok(UnlinkedPage::default())
    }

    /// Gives the brand's id and name to the entry with the CMS's own id `entry.id`. Succeeds without another effect where it
    /// bears that id already. Fails with [`CmsError::Conflict`] and changes nothing where there is no such entry, where it
    /// bears another brand's id, or where it has another name or revision than `entry` has.
    async fn link_brand(
        &self,
        _brand: &CmsBrand,
        _entry: &EntryRef,
        _idempotency_key: &str,
    ) -> Result<CmsEntry, CmsError> {
        Err(CmsError::Unsendable(NO_UNLINKED))
    }
}

#[async_trait]
impl<C: Cms + ?Sized> Cms for Arc<C> {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        (**self).get_brand(id).await
    }

    async fn get_brands(&self, ids: &[String]) -> Result<Vec<CmsEntry>, CmsError> {
        (**self).get_brands(ids).await
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
