//! A CMS in memory, for tests and for running without a CMS. It fails by rules, and counts what it did.
//!
//! It logs each request as the client of Medusa's guide does, with the data at info: what it is given is no one's secret.

mod faults;
mod memory;
mod reply;

use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::api_key::MASK;
use crate::http::{Answer, Operation, confirm};
use crate::request_log::{self, RequestData};
use crate::{
    ApiKey, Cms, CmsBrand, CmsEntry, CmsError, CmsPage, EntryRef, UnlinkedEntry, UnlinkedPage,
};

pub use faults::{Faults, FaultsError};
use memory::Memory;
pub use memory::{Acts, Calls, Stats};
pub(crate) use memory::{Change, Changed, Failure};
#[cfg(feature = "server")]
pub(crate) use memory::{no_such_brand, no_such_entry};
pub(crate) use reply::{Reply, ReplyBody};

/// A CMS in memory. Clones share the memory: keep one to ask what the CMS holds, and give the other away.
///
/// It keeps to the protocol of `openapi.json`, and remembers under each idempotency key the first answer that was a success.
/// The same key gets that answer again **without acting again**, whatever has happened since: a late duplicate of a create
/// whose brand was compensated meanwhile must not bring the brand back.
#[derive(Debug, Clone)]
pub struct StubCms {
    memory: Arc<Mutex<Memory>>,
    api_key: Option<ApiKey>,
}

impl StubCms {
    /// An empty CMS that will fail as `faults` says.
    ///
    /// The key is the one that requests would carry. It is logged, masked, as the guide logs it; nothing is checked.
    #[must_use]
    pub fn new(api_key: Option<ApiKey>, faults: Faults) -> Self {
        Self {
            memory: Arc::new(Mutex::new(Memory::new(faults))),
            api_key,
        }
    }

    /// What it fails at from now on, instead of what was said before.
    pub fn set_faults(&self, faults: Faults) {
        self.memory().set_faults(faults);
    }

    /// What it fails at from now on, beside what was said before.
    pub fn add_faults(&self, faults: Faults) {
        self.memory().add_faults(faults);
    }

    /// The brands it holds, in the order of their ids.
    #[must_use]
    pub fn brands(&self) -> Vec<CmsBrand> {
        let memory = self.memory();
        memory.entries().map(|entry| entry.brand).collect()
    }

    /// The brand with this id, if it holds it.
    #[must_use]
    pub fn brand(&self, id: &str) -> Option<CmsBrand> {
        self.memory().entry(id).map(|entry| entry.brand)
    }

    /// How many calls came, those that failed and those that changed nothing among them.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.memory().stats().calls
    }

    /// How often a create of this brand really acted. One, if all went well, however often it was sent.
    #[must_use]
    pub fn creates(&self, id: &str) -> u64 {
        self.acts(id).creates
    }

    /// How often a delete of this brand really acted.
    #[must_use]
    pub fn deletes(&self, id: &str) -> u64 {
        self.acts(id).deletes
    }

    fn acts(&self, id: &str) -> Acts {
        self.stats().acts.remove(id).unwrap_or_default()
    }

    /// All that it counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.memory().stats().clone()
    }

    /// An editor describes a brand, which is no concern of the system's. The entry's revision changes.
    pub fn describe(&self, id: &str, description: &str) {
        self.memory().describe(id, description);
    }

    /// What an editor has written about a brand.
    #[must_use]
    pub fn description(&self, id: &str) -> Option<String> {
        self.memory().description(id)
    }

    /// An editor renames the entry that bears this id, or has it as its own. Its revision changes. False where there is none.
    #[expect(clippy::must_use_candidate, reason = "it has an effect")]
    pub fn edit(&self, id: &str, name: &str) -> bool {
        self.memory().edit(id, name)
    }

    /// An editor removes the entry that bears this id, or has it as its own. False where there is none.
    #[expect(clippy::must_use_candidate, reason = "it has an effect")]
    pub fn remove(&self, id: &str) -> bool {
        self.memory().remove(id)
    }

    /// An editor makes an entry: one that bears this id, in place of any that does, or one that bears no brand's id. Returns
    /// that id, or the entry's own.
    #[expect(clippy::must_use_candidate, reason = "it has an effect")]
    pub fn add_entry(&self, name: &str, id: Option<&str>) -> String {
        self.memory().add(name, id)
    }

    /// The entries that bear no brand's id, in the order of their own ids.
    #[must_use]
    pub fn unlinked(&self) -> Vec<UnlinkedEntry> {
        self.memory().unlinked().collect()
    }

    /// A page of the entries behind that id.
    pub(crate) fn page(&self, after: Option<&str>, limit: usize) -> Result<CmsPage, Failure> {
        let (entries, next) = self.read("", |memory| memory.page(after, limit))?;
        Ok(CmsPage { entries, next })
    }

    /// A page of the entries without a brand's id behind that own id.
    pub(crate) fn unlinked_page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<UnlinkedPage, Failure> {
        let (entries, next) = self.read("", |memory| memory.unlinked_page(after, limit))?;
        Ok(UnlinkedPage { entries, next })
    }

    pub(crate) fn retrieve(&self, id: &str) -> Result<Option<CmsEntry>, Failure> {
        request_log::sending("GET", &["brands", id]);
        self.read(id, |memory| memory.entry(id))
    }

    pub(crate) fn retrieve_many(&self, ids: &[String]) -> Result<Vec<CmsEntry>, Failure> {
        let entries = |memory: &Memory| ids.iter().filter_map(|id| memory.entry(id)).collect();
        self.read("", entries)
    }

    #[cfg(feature = "server")]
    pub(crate) fn retrieve_unlinked(&self, own_id: &str) -> Result<Option<UnlinkedEntry>, Failure> {
        self.read("", |memory| memory.unlinked_entry(own_id))
    }

    fn read<T>(&self, id: &str, read: impl FnOnce(&Memory) -> T) -> Result<T, Failure> {
        self.memory().retrieve(id, read)
    }

    /// Makes a change. Without a key, nothing is remembered.
    pub(crate) fn change(&self, change: &Change, key: Option<&str>) -> Result<Changed, Failure> {
        match change {
            Change::Create(brand) => {
                request_log::sending("POST", &["brands"]);
                tracing::info!("{}", RequestData(brand));
            }
            Change::Update(brand, _) => {
                request_log::sending("PUT", &["brands", &brand.id]);
                tracing::info!("{}", RequestData(brand));
            }
            Change::Link(brand, known) => {
                let own_id = known.id.as_deref().unwrap_or_default();
                request_log::sending("PUT", &["entries", own_id]);
                tracing::info!("{}", RequestData(brand));
            }
            Change::Delete(id) => request_log::sending("DELETE", &["brands", id]),
        }
        let shown = self.api_key.as_ref().map_or("none", |_| MASK);
        tracing::info!("API Key: {shown}");
        self.memory().change(change, key)
    }

    /// No call panics while it holds the lock, so a poisoned lock guards no half-done work.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cms for StubCms {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        match self.retrieve(id) {
            Ok(found) => Ok(found),
            Err(failure) => match judged(failure, Operation::Read).await? {
                answer if answer.is_absent() => Ok(None),
                answer => Err(answer.unclear()),
            },
        }
    }

    async fn get_brands(&self, ids: &[String]) -> Result<Vec<CmsEntry>, CmsError> {
        answered(self.retrieve_many(ids)).await
    }

    async fn create_brand(&self, brand: &CmsBrand, key: &str) -> Result<CmsEntry, CmsError> {
        let changed = self.change(&Change::Create(brand.clone()), Some(key));
        self.written(changed, brand, Operation::Create).await
    }

    async fn update_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        let known = EntryRef {
            id: None,
            ..entry.clone()
        };
        let change = Change::Update(brand.clone(), known);
        let changed = self.change(&change, Some(key));
        self.written(changed, brand, Operation::Update).await
    }

    async fn delete_brand(&self, id: &str, key: &str) -> Result<(), CmsError> {
        match self.change(&Change::Delete(id.to_owned()), Some(key)) {
            Ok(_) => Ok(()),
            Err(failure) => judged(failure, Operation::Delete).await.map(drop),
        }
    }

    async fn list_brands(&self, after: Option<&str>, limit: u16) -> Result<CmsPage, CmsError> {
        answered(self.page(after, limit.into())).await
    }

    async fn list_unlinked(
        &self,
        after: Option<&str>,
        limit: u16,
    ) -> Result<UnlinkedPage, CmsError> {
        answered(self.unlinked_page(after, limit.into())).await
    }

    async fn link_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        let change = Change::Link(brand.clone(), entry.clone());
        let changed = self.change(&change, Some(key));
        self.written(changed, brand, Operation::Update).await
    }
}

impl StubCms {
    async fn written(
        &self,
        changed: Result<Changed, Failure>,
        brand: &CmsBrand,
        operation: Operation,
    ) -> Result<CmsEntry, CmsError> {
        match changed {
            Ok(Changed::Entry(entry)) => Ok(entry),
            Ok(Changed::Deleted | Changed::Absent(_)) => {
                Err(CmsError::Unsendable("a deletion has no entry"))
            }
            Err(failure) => confirm(self, brand, &judged(failure, operation).await?).await,
        }
    }
}

/// What a client behind HTTP would make of a read of many entries.
async fn answered<T>(result: Result<T, Failure>) -> Result<T, CmsError> {
    match result {
        Ok(value) => Ok(value),
        Err(failure) => Err(judged(failure, Operation::Read).await?.unclear()),
    }
}

/// What a client behind HTTP would make of a failure: an error, or an answer that it has to look at.
async fn judged(failure: Failure, operation: Operation) -> Result<Answer, CmsError> {
    match failure {
        Some(reply) => Answer::of(reply).judge(operation),
        None => future::pending().await,
    }
}
