//! A CMS in memory, for tests and for running without a CMS. It can be told to fail, and it counts what it did.
//!
//! It logs each request as the client of Medusa's guide does, with the data at info: what it is given is no one's secret.

mod memory;

use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::api_key::MASK;
use crate::faults::FaultKind;
use crate::request_log::{self, RequestData};
use crate::{ApiKey, Cms, CmsBrand, CmsError, Faults};

pub use memory::{Acts, Calls, CreateOutcome, DeleteOutcome, Stats, UpdateOutcome};
use memory::{Failure, Memory};

/// A CMS in memory. Clones share the memory: keep one to ask what the CMS holds, and give the other away.
///
/// It keeps to the contract of [`Cms`], and remembers under each idempotency key the first answer that was no failure. The
/// same key gets that answer again **without acting again**, whatever has happened since: a late duplicate of a create
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
        self.memory().brands()
    }

    /// The brand with this id, if it holds it.
    #[must_use]
    pub fn brand(&self, id: &str) -> Option<CmsBrand> {
        self.memory().brand(id)
    }

    /// How many calls came, those that failed and those that changed nothing among them.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.memory().stats().calls
    }

    /// How often a create of this brand really acted. One, if all went well, however often it was sent.
    #[must_use]
    pub fn creates(&self, id: &str) -> u64 {
        self.memory().acts(id).creates
    }

    /// How often a delete of this brand really acted.
    #[must_use]
    pub fn deletes(&self, id: &str) -> u64 {
        self.memory().acts(id).deletes
    }

    /// All that it counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.memory().stats()
    }

    /// Creates the brand, and tells whether it was there already. Without a key, nothing is remembered.
    pub async fn create(
        &self,
        brand: &CmsBrand,
        idempotency_key: Option<&str>,
    ) -> Result<CreateOutcome, CmsError> {
        request_log::sending("POST", format_args!("/brands"));
        tracing::info!("{}", RequestData(brand));
        self.log_api_key();
        let answer = self.memory().create(brand, idempotency_key);
        settle(answer).await
    }

    /// Brings the brand to this state, and tells whether it was there. Without a key, nothing is remembered.
    pub async fn update(
        &self,
        brand: &CmsBrand,
        idempotency_key: Option<&str>,
    ) -> Result<UpdateOutcome, CmsError> {
        request_log::sending("PUT", format_args!("/brands/{}", brand.id));
        tracing::info!("{}", RequestData(brand));
        self.log_api_key();
        let answer = self.memory().update(brand, idempotency_key);
        settle(answer).await
    }

    /// Deletes the brand, and tells whether it was there. Without a key, nothing is remembered.
    pub async fn delete(
        &self,
        id: &str,
        idempotency_key: Option<&str>,
    ) -> Result<DeleteOutcome, CmsError> {
        request_log::sending("DELETE", format_args!("/brands/{id}"));
        self.log_api_key();
        let answer = self.memory().delete(id, idempotency_key);
        settle(answer).await
    }

    /// The brand with this id, as a client reads it: counted, and failing as the rules say.
    pub async fn retrieve(&self, id: &str) -> Result<Option<CmsBrand>, CmsError> {
        request_log::sending("GET", format_args!("/brands/{id}"));
        let answer = self.memory().retrieve(id);
        settle(answer).await
    }

    fn log_api_key(&self) {
        let shown = self.api_key.as_ref().map_or("none", |_| MASK);
        tracing::info!("API Key: {shown}");
    }

    /// No call panics while it holds the lock, so a poisoned one has been poisoned by nobody's half-done work.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cms for StubCms {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsBrand>, CmsError> {
        self.retrieve(id).await
    }

    async fn create_brand(&self, brand: &CmsBrand, idempotency_key: &str) -> Result<(), CmsError> {
        self.create(brand, Some(idempotency_key)).await?;
        Ok(())
    }

    async fn update_brand(&self, brand: &CmsBrand, idempotency_key: &str) -> Result<(), CmsError> {
        self.update(brand, Some(idempotency_key)).await?;
        Ok(())
    }

    async fn delete_brand(&self, id: &str, idempotency_key: &str) -> Result<(), CmsError> {
        self.delete(id, Some(idempotency_key)).await?;
        Ok(())
    }
}

async fn settle<Outcome>(answer: Result<Outcome, Failure>) -> Result<Outcome, CmsError> {
    let fault = match answer {
        Ok(outcome) => return Ok(outcome),
        Err(Failure::KeyReused) => {
            return Err(CmsError::Refused {
                status: 422,
                message: "the idempotency key was used for another request".to_owned(),
            });
        }
        Err(Failure::Fault(fault)) => fault,
    };
    match fault.kind {
        FaultKind::Transient => Err(CmsError::Unavailable {
            status: 503,
            retry_after: fault.retry_after,
        }),
        FaultKind::Permanent => Err(CmsError::Refused {
            status: 422,
            message: "the stub was told to refuse this".to_owned(),
        }),
        FaultKind::Hang => future::pending().await,
    }
}
