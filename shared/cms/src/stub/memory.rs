//! What the stub remembers and how it decides: plain data under one lock, so that each call is one step that no other can
//! split.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::faults::{Fault, Faults, Operation, Struck, When};
use super::reply::Reply;
use crate::{CmsBrand, CmsEntry, CmsPage, EntryRef};

/// How many calls came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Calls of create.
    pub creates: u64,
    /// Calls of update.
    pub updates: u64,
    /// Calls of delete.
    pub deletes: u64,
    /// Calls of retrieve.
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

/// Why a call did not succeed: what is answered, or none where no answer ever comes.
pub(crate) type Failure = Option<Reply>;

/// A request that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Create(CmsBrand),
    /// With the revision that it is about, where one is named.
    Update(CmsBrand, Option<String>),
    Delete(String),
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    /// There is an entry in this state.
    Entry(CmsEntry),
    /// There is no entry any more.
    Deleted,
    /// There was none to delete.
    Absent(String),
}

#[derive(Debug, Clone)]
struct Held {
    brand: CmsBrand,
    revision: u64,
    /// What an editor has added.
    description: Option<String>,
}

impl Held {
    fn entry(&self) -> CmsEntry {
        CmsEntry {
            brand: self.brand.clone(),
            entry: EntryRef {
                name: None,
                id: None,
                revision: Some(self.revision.to_string()),
            },
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    held: BTreeMap<String, Held>,
    /// The first answer to each idempotency key of an operation, with the request.
    answers: HashMap<(Operation, String), (Change, Result<Changed, Reply>)>,
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

    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The entries behind that id, in the order of their ids.
    pub(super) fn entries(&self, after: Option<&str>) -> impl Iterator<Item = CmsEntry> {
        let behind = move |id: &str| after.is_none_or(|after| id > after);
        let held = self.held.iter().filter(move |(id, _)| behind(id));
        held.map(|(_, held)| held.entry())
    }

    pub(super) fn entry(&self, id: &str) -> Option<CmsEntry> {
        self.held.get(id).map(Held::entry)
    }

    /// An editor's change, beside what the system writes.
    pub(super) fn describe(&mut self, id: &str, description: &str) {
        if let Some(held) = self.held.get_mut(id) {
            held.description = Some(description.to_owned());
            held.revision += 1;
        }
    }

    pub(super) fn description(&self, id: &str) -> Option<String> {
        self.held.get(id)?.description.clone()
    }

    pub(super) fn retrieve(&mut self, id: &str) -> Result<Option<CmsEntry>, Failure> {
        self.stats.calls.retrieves += 1;
        match self.strike(Operation::Retrieve, id, None) {
            Some(fault) => Err(fault.reply),
            None => Ok(self.entry(id)),
        }
    }

    /// At most `limit` entries behind that id. Counts as a retrieval.
    pub(super) fn page(&mut self, after: Option<&str>, limit: usize) -> Result<CmsPage, Failure> {
        self.stats.calls.retrieves += 1;
        if let Some(fault) = self.strike(Operation::Retrieve, "", None) {
            return Err(fault.reply);
        }
        let mut entries: Vec<_> = self.entries(after).take(limit.saturating_add(1)).collect();
        let is_last = entries.len() <= limit;
        entries.truncate(limit);
        let last = entries.last().filter(|_| !is_last);
        Ok(CmsPage {
            next: last.map(|last| last.brand.id.clone()),
            entries,
        })
    }

    pub(super) fn change(
        &mut self,
        change: &Change,
        key: Option<&str>,
    ) -> Result<Changed, Failure> {
        let calls = &mut self.stats.calls;
        let (operation, id, name) = match change {
            Change::Create(brand) => {
                calls.creates += 1;
                (Operation::Create, &brand.id, Some(&*brand.name))
            }
            Change::Update(brand, _) => {
                calls.updates += 1;
                (Operation::Update, &brand.id, Some(&*brand.name))
            }
            Change::Delete(id) => {
                calls.deletes += 1;
                (Operation::Delete, id, None)
            }
        };
        let key = key.map(|key| (operation, key.to_owned()));
        let known = key.as_ref().and_then(|key| self.answers.get(key));
        if let Some((answered, Err(kept))) = known
            && answered == change
        {
            return Err(Some(kept.clone()));
        }
        let fault = self.strike(operation, id, name);
        if let Some(fault) = fault.as_ref().filter(|fault| fault.when == When::Before) {
            return Err(self.fail(fault, change, key));
        }
        let known = key.as_ref().and_then(|key| self.answers.get(key));
        let changed = match known {
            Some((answered, Ok(changed))) if answered == change => changed.clone(),
            Some(_) => {
                let reason = "the idempotency key was used for another request";
                return Err(Some(Reply::message(422, reason)));
            }
            None => {
                let changed = self.act(change).map_err(Some)?;
                if let Some(key) = key.clone() {
                    let answer = (change.clone(), Ok(changed.clone()));
                    self.answers.insert(key, answer);
                }
                changed
            }
        };
        match fault {
            Some(fault) => Err(self.fail(&fault, change, key)),
            None => Ok(changed),
        }
    }

    fn fail(
        &mut self,
        fault: &Fault,
        change: &Change,
        key: Option<(Operation, String)>,
    ) -> Failure {
        let kept = fault.reply.clone().filter(|_| fault.kept);
        if let Some((key, reply)) = key.zip(kept) {
            self.answers.insert(key, (change.clone(), Err(reply)));
        }
        fault.reply.clone()
    }

    fn act(&mut self, change: &Change) -> Result<Changed, Reply> {
        match change {
            Change::Create(brand) => {
                if self.held.contains_key(&brand.id) {
                    let reason = format!("brand {} exists already", brand.id);
                    return Err(Reply::message(409, reason));
                }
                let held = Held {
                    brand: brand.clone(),
                    revision: 1,
                    description: None,
                };
                let entry = held.entry();
                self.held.insert(brand.id.clone(), held);
                self.acts(brand).creates += 1;
                Ok(Changed::Entry(entry))
            }
            Change::Update(brand, revision) => {
                let held = self.held.get_mut(&brand.id);
                let held = held.ok_or_else(|| no_such_brand(&brand.id))?;
                let current = held.revision.to_string();
                if revision
                    .as_ref()
                    .is_some_and(|revision| *revision != current)
                {
                    let reason = format!("the revision is {current}");
                    return Err(Reply::message(412, reason));
                }
                let has_changed = held.brand != *brand;
                if has_changed {
                    held.brand = brand.clone();
                    held.revision += 1;
                }
                let entry = held.entry();
                self.acts(brand).updates += u64::from(has_changed);
                Ok(Changed::Entry(entry))
            }
            Change::Delete(id) => {
                // This, too, is a success that its key remembers: a late duplicate must not delete what was created since.
                if self.held.remove(id).is_none() {
                    return Ok(Changed::Absent(id.clone()));
                }
                self.stats.acts.entry(id.clone()).or_default().deletes += 1;
                Ok(Changed::Deleted)
            }
        }
    }

    fn acts(&mut self, brand: &CmsBrand) -> &mut Acts {
        let acts = self.stats.acts.entry(brand.id.clone()).or_default();
        acts.name.clone_from(&brand.name);
        acts
    }

    fn strike(&mut self, operation: Operation, id: &str, name: Option<&str>) -> Option<Fault> {
        // The name outlives the brand, so that a rule by name goes on applying to a repeated delete.
        let stored = self.stats.acts.get(id).map(|acts| acts.name.as_str());
        self.faults.strike(Struck {
            operation,
            name: name.or(stored),
            exists: self.held.contains_key(id),
        })
    }
}

pub(crate) fn no_such_brand(id: &str) -> Reply {
    Reply::message(404, format!("there is no brand {id}"))
}
