//! What the stub remembers and how it decides: plain data under one lock, so that each call is one step that no other can
//! split.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use super::faults::{Fault, Faults, Operation, Struck, When};
use super::reply::Reply;
use crate::{CmsBrand, CmsEntry, EntryRef, UnlinkedEntry};

/// How many calls came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Calls of create.
    pub creates: u64,
    /// Calls of update and link.
    pub updates: u64,
    /// Calls of delete.
    pub deletes: u64,
    /// Calls of retrieve, and of the lists.
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
    /// With the revision and the name that the entry is known to have.
    Update(CmsBrand, EntryRef),
    /// With the entry's own id, and what it is known to have.
    Link(CmsBrand, EntryRef),
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

/// An entry: of a brand under the brand's id, any other under its own.
#[derive(Debug, Clone)]
pub(super) struct Held {
    name: String,
    revision: u64,
    /// What an editor has added.
    description: Option<String>,
    /// The CMS's own id, of an entry that an editor made.
    own_id: Option<String>,
}

impl Held {
    fn new(name: &str, own_id: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            revision: 1,
            description: None,
            own_id,
        }
    }

    fn reference(&self) -> EntryRef {
        EntryRef {
            id: self.own_id.clone(),
            revision: Some(self.revision.to_string()),
            name: None,
        }
    }

    /// Of a brand.
    pub(super) fn entry(&self, id: &str) -> CmsEntry {
        CmsEntry {
            brand: CmsBrand {
                id: id.to_owned(),
                name: self.name.clone(),
            },
            entry: self.reference(),
        }
    }

    pub(super) fn unlinked(&self) -> UnlinkedEntry {
        UnlinkedEntry {
            entry: self.reference(),
            name: self.name.clone(),
        }
    }

    /// Whether it still has what it is known to have.
    fn check(&self, known: &EntryRef) -> Result<(), Reply> {
        let Self { name, revision, .. } = self;
        let revision = revision.to_string();
        if known
            .revision
            .as_ref()
            .is_some_and(|known| *known != revision)
        {
            return Err(Reply::message(412, format!("the revision is {revision}")));
        }
        if known.name.as_ref().is_some_and(|known| known != name) {
            return Err(Reply::message(412, format!("the name is {name}")));
        }
        Ok(())
    }

    /// Whether the name is another one now.
    fn rename(&mut self, name: &str) -> bool {
        let has_changed = self.name != name;
        if has_changed {
            name.clone_into(&mut self.name);
            self.revision += 1;
        }
        has_changed
    }
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    held: BTreeMap<String, Held>,
    /// The entries that bear no brand's id, by their own ids.
    unlinked: BTreeMap<String, Held>,
    /// How many entries editors have made.
    own_ids: u64,
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

    pub(super) fn entries(&self) -> impl Iterator<Item = CmsEntry> {
        self.held.iter().map(|(id, held)| held.entry(id))
    }

    pub(super) fn entry(&self, id: &str) -> Option<CmsEntry> {
        self.held.get(id).map(|held| held.entry(id))
    }

    pub(super) fn unlinked(&self) -> impl Iterator<Item = UnlinkedEntry> {
        self.unlinked.values().map(Held::unlinked)
    }

    /// An editor's change, beside what the system writes.
    pub(super) fn describe(&mut self, id: &str, description: &str) {
        if let Some(held) = self.held.get_mut(id).or(self.unlinked.get_mut(id)) {
            held.description = Some(description.to_owned());
            held.revision += 1;
        }
    }

    pub(super) fn description(&self, id: &str) -> Option<String> {
        self.held.get(id)?.description.clone()
    }

    /// An editor renames the entry that bears this id, or has it as its own. Whether there is one.
    pub(super) fn edit(&mut self, id: &str, name: &str) -> bool {
        let held = self.held.get_mut(id).or(self.unlinked.get_mut(id));
        held.map(|held| held.rename(name)).is_some()
    }

    /// An editor removes the entry that bears this id, or has it as its own. Whether there was one.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let held = self.held.remove(id).or_else(|| self.unlinked.remove(id));
        held.is_some()
    }

    /// An editor makes an entry, which bears that id or none. Its id.
    pub(super) fn add(&mut self, name: &str, id: Option<&str>) -> String {
        if let Some(id) = id {
            let held = Held::new(name, None);
            self.held.insert(id.to_owned(), held);
            return id.to_owned();
        }
        self.own_ids += 1;
        // Of one length, so that their order is the one in which they were made.
        let own_id = format!("e{:07}", self.own_ids);
        let held = Held::new(name, Some(own_id.clone()));
        self.unlinked.insert(own_id.clone(), held);
        own_id
    }

    /// Reads what `read` takes of the memory, unless a rule has it fail. Counts as one retrieval, of that brand or of none.
    pub(super) fn retrieve<T>(
        &mut self,
        id: &str,
        read: impl FnOnce(&Self) -> T,
    ) -> Result<T, Failure> {
        self.stats.calls.retrieves += 1;
        match self.strike(Operation::Retrieve, id, None) {
            Some(fault) => Err(fault.reply),
            None => Ok(read(self)),
        }
    }

    /// At most `limit` brands' entries behind that id, and the next page's cursor.
    pub(super) fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<CmsEntry>, Option<String>) {
        page(&self.held, after, limit, |id, held| held.entry(id))
    }

    /// At most `limit` other entries behind that own id, and the next page's cursor.
    pub(super) fn unlinked_page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<UnlinkedEntry>, Option<String>) {
        page(&self.unlinked, after, limit, |_, held| held.unlinked())
    }

    #[cfg(feature = "server")]
    pub(super) fn unlinked_entry(&self, own_id: &str) -> Option<UnlinkedEntry> {
        self.unlinked.get(own_id).map(Held::unlinked)
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
            Change::Update(brand, _) | Change::Link(brand, _) => {
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
                let held = Held::new(&brand.name, None);
                let entry = held.entry(&brand.id);
                self.held.insert(brand.id.clone(), held);
                self.acts(brand).creates += 1;
                Ok(Changed::Entry(entry))
            }
            Change::Update(brand, known) => {
                let held = self.held.get_mut(&brand.id);
                let held = held.ok_or_else(|| no_such_brand(&brand.id))?;
                held.check(known)?;
                let has_changed = held.rename(&brand.name);
                let entry = held.entry(&brand.id);
                self.acts(brand).updates += u64::from(has_changed);
                Ok(Changed::Entry(entry))
            }
            Change::Link(brand, known) => self.link(brand, known).map(Changed::Entry),
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

    fn link(&mut self, brand: &CmsBrand, known: &EntryRef) -> Result<CmsEntry, Reply> {
        if let Some(held) = self.held.get(&brand.id) {
            if held.own_id == known.id {
                return Ok(held.entry(&brand.id));
            }
            let reason = format!("another entry bears the id {}", brand.id);
            return Err(Reply::message(409, reason));
        }
        let own_id = known.id.as_deref().unwrap_or_default();
        let Some(held) = self.unlinked.get(own_id) else {
            let is_linked = self.held.values().any(|held| held.own_id == known.id);
            return Err(if is_linked {
                Reply::message(409, format!("entry {own_id} bears another brand's id"))
            } else {
                no_such_entry(own_id)
            });
        };
        held.check(known)?;
        let mut held = held.clone();
        held.name.clone_from(&brand.name);
        held.revision += 1;
        let entry = held.entry(&brand.id);
        self.unlinked.remove(own_id);
        self.held.insert(brand.id.clone(), held);
        self.acts(brand).updates += 1;
        Ok(entry)
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

pub(crate) fn no_such_entry(own_id: &str) -> Reply {
    let reason = format!("there is no entry {own_id} without a brand's id");
    Reply::message(404, reason)
}

/// At most `limit` entries behind that id, and the id of the last one if there are more.
fn page<T>(
    held: &BTreeMap<String, Held>,
    after: Option<&str>,
    limit: usize,
    shown: impl Fn(&str, &Held) -> T,
) -> (Vec<T>, Option<String>) {
    let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = held.range::<str, _>((behind, Bound::Unbounded));
    let (mut entries, mut last) = (Vec::new(), None);
    for (id, held) in rest.by_ref().take(limit) {
        entries.push(shown(id, held));
        last = Some(id);
    }
    let next = last.filter(|_| rest.next().is_some());
    (entries, next.cloned())
}
