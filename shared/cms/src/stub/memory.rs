//! What the stub remembers and how it decides: plain data under one lock, so that each call is one step that no other can
//! split.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::faults::{Fault, Operation, When};
use crate::{CmsBrand, Faults};

/// What a create found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The brand was not there; it is now.
    Created,
    /// The brand was there already. It was left as it is.
    AlreadyExists,
}

/// What an update found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The brand was not there; it is now.
    Created,
    /// The brand was there, and is as it was told to be.
    Updated,
}

/// What a delete found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The brand was there; it is gone now.
    Deleted,
    /// There was no such brand.
    Absent,
}

/// How many calls came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Calls of create.
    pub creates: u64,
    /// Calls of update.
    #[serde(default)]
    pub updates: u64,
    /// Calls of delete.
    pub deletes: u64,
    /// Calls of retrieve.
    #[serde(default)]
    pub retrieves: u64,
}

/// How often calls really acted on one brand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acts {
    /// The name under which the brand was stored last.
    pub name: String,
    /// How often the brand was stored where there was none.
    pub creates: u64,
    /// How often the brand was changed.
    #[serde(default)]
    pub updates: u64,
    /// How often the brand was removed.
    pub deletes: u64,
}

/// What the stub counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// The calls that came.
    pub calls: Calls,
    /// What was done, by the brand's id: for each brand that was ever stored.
    pub acts: BTreeMap<String, Acts>,
}

/// Why there is no answer, or none that says success.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A rule says so.
    Fault(Fault),
    /// The idempotency key came before, with another request.
    KeyReused,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    brands: BTreeMap<String, CmsBrand>,
    created: Answers<CmsBrand, CreateOutcome>,
    updated: Answers<CmsBrand, UpdateOutcome>,
    deleted: Answers<String, DeleteOutcome>,
    stats: Stats,
    faults: Faults,
}

impl Memory {
    pub(super) fn new(faults: Faults) -> Self {
        Self {
            faults,
            ..Self::default()
        }
    }

    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    pub(super) fn add_faults(&mut self, faults: Faults) {
        self.faults.add(faults);
    }

    pub(super) fn brands(&self) -> Vec<CmsBrand> {
        self.brands.values().cloned().collect()
    }

    pub(super) fn brand(&self, id: &str) -> Option<CmsBrand> {
        self.brands.get(id).cloned()
    }

    pub(super) fn stats(&self) -> Stats {
        self.stats.clone()
    }

    pub(super) fn acts(&self, id: &str) -> Acts {
        self.stats.acts.get(id).cloned().unwrap_or_default()
    }

    pub(super) fn retrieve(&mut self, id: &str) -> Result<Option<CmsBrand>, Failure> {
        self.stats.calls.retrieves += 1;
        let name = self.stats.acts.get(id).map(|acts| acts.name.as_str());
        let fault = self.faults.strike(Operation::Retrieve, name);
        around(fault, || Ok(self.brand(id)))
    }

    pub(super) fn create(
        &mut self,
        brand: &CmsBrand,
        key: Option<&str>,
    ) -> Result<CreateOutcome, Failure> {
        self.stats.calls.creates += 1;
        let fault = self.faults.strike(Operation::Create, Some(&brand.name));
        around(fault, || {
            if let Some(outcome) = self.created.recall(key, brand)? {
                return Ok(outcome);
            }
            let outcome = if self.brands.contains_key(&brand.id) {
                CreateOutcome::AlreadyExists
            } else {
                self.brands.insert(brand.id.clone(), brand.clone());
                let acts = self.stats.acts.entry(brand.id.clone()).or_default();
                acts.name.clone_from(&brand.name);
                acts.creates += 1;
                CreateOutcome::Created
            };
            self.created.remember(key, brand, outcome);
            Ok(outcome)
        })
    }

    pub(super) fn update(
        &mut self,
        brand: &CmsBrand,
        key: Option<&str>,
    ) -> Result<UpdateOutcome, Failure> {
        self.stats.calls.updates += 1;
        let fault = self.faults.strike(Operation::Update, Some(&brand.name));
        around(fault, || {
            if let Some(outcome) = self.updated.recall(key, brand)? {
                return Ok(outcome);
            }
            let acts = self.stats.acts.entry(brand.id.clone()).or_default();
            acts.name.clone_from(&brand.name);
            let before = self.brands.insert(brand.id.clone(), brand.clone());
            let outcome = match before {
                None => {
                    acts.creates += 1;
                    UpdateOutcome::Created
                }
                Some(before) => {
                    acts.updates += u64::from(before != *brand);
                    UpdateOutcome::Updated
                }
            };
            self.updated.remember(key, brand, outcome);
            Ok(outcome)
        })
    }

    pub(super) fn delete(&mut self, id: &str, key: Option<&str>) -> Result<DeleteOutcome, Failure> {
        self.stats.calls.deletes += 1;
        // The name outlives the brand, so that a rule by name goes on applying to a repeated delete.
        let name = self.stats.acts.get(id).map(|acts| acts.name.as_str());
        let fault = self.faults.strike(Operation::Delete, name);
        around(fault, || {
            if let Some(outcome) = self.deleted.recall(key, id)? {
                return Ok(outcome);
            }
            let outcome = if self.brands.remove(id).is_some() {
                self.stats.acts.entry(id.to_owned()).or_default().deletes += 1;
                DeleteOutcome::Deleted
            } else {
                DeleteOutcome::Absent
            };
            self.deleted.remember(key, id, outcome);
            Ok(outcome)
        })
    }
}

/// Lets `fault` happen around `act`: in its stead, or after it.
fn around<Outcome>(
    fault: Option<Fault>,
    act: impl FnOnce() -> Result<Outcome, Failure>,
) -> Result<Outcome, Failure> {
    match fault {
        None => act(),
        Some(fault) if fault.when == When::Before => Err(Failure::Fault(fault)),
        Some(fault) => {
            act()?;
            Err(Failure::Fault(fault))
        }
    }
}

/// The first answer that was no failure, by idempotency key, with the request that it answered.
#[derive(Debug)]
struct Answers<Request, Outcome>(HashMap<String, (Request, Outcome)>);

impl<Request, Outcome> Default for Answers<Request, Outcome> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<Request, Outcome: Copy> Answers<Request, Outcome> {
    fn recall<R>(&self, key: Option<&str>, request: &R) -> Result<Option<Outcome>, Failure>
    where
        R: ?Sized + PartialEq,
        Request: std::borrow::Borrow<R>,
    {
        match key.and_then(|key| self.0.get(key)) {
            None => Ok(None),
            Some((answered, outcome)) if answered.borrow() == request => Ok(Some(*outcome)),
            Some(_) => Err(Failure::KeyReused),
        }
    }

    fn remember<R>(&mut self, key: Option<&str>, request: &R, outcome: Outcome)
    where
        R: ?Sized + ToOwned<Owned = Request>,
    {
        if let Some(key) = key {
            self.0.insert(key.to_owned(), (request.to_owned(), outcome));
        }
    }
}
