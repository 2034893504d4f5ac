//! What the simulated CMS holds, and which of it its editors have written.

use std::collections::{BTreeMap, BTreeSet};

use brand::BrandId;
use cms::{CmsBrand, CmsEntry, EntryRef, UnlinkedEntry};

/// Names the CMS: the ids of brands that are made of its entries follow from it.
pub(crate) const TARGET: &str = "simulation";
/// A page is short, so that a world of few entries has several.
const PAGE: usize = 3;

/// A change that a worker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) verb: &'static str,
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    /// What the entry is known to have.
    pub(crate) known: EntryRef,
}

/// Who wrote an entry's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    Sync,
    Editor,
    /// An editor; a run has tried since to overwrite it, and had a reason.
    Doubted,
    /// An editor; the brand has had that name since.
    Agreed,
}

/// An entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The CMS's own id.
    pub(crate) own: String,
    pub(crate) name: String,
    pub(crate) author: Author,
    /// Counts the changes, the editors' among them. None where the CMS does not.
    revision: Option<u64>,
}

impl Entry {
    pub(crate) fn of(&self, id: &str) -> CmsEntry {
        CmsEntry {
            brand: CmsBrand {
                id: id.to_owned(),
                name: self.name.clone(),
            },
            entry: self.reference(),
        }
    }

    fn reference(&self) -> EntryRef {
        EntryRef {
            id: Some(self.own.clone()),
            revision: self.revision.map(|revision| revision.to_string()),
            name: None,
        }
    }

    fn unlinked(&self) -> UnlinkedEntry {
        UnlinkedEntry {
            entry: self.reference(),
            name: self.name.clone(),
        }
    }

    fn touch(&mut self) {
        self.revision = self.revision.map(|revision| revision + 1);
    }

    fn is_as(&self, known: &EntryRef) -> bool {
        let EntryRef { id, revision, name } = known;
        let found = self.reference();
        let is_it = |known: &Option<String>, found: Option<&String>| {
            known.is_none() || known.as_ref() == found
        };
        is_it(id, found.id.as_ref())
            && is_it(revision, found.revision.as_ref())
            && is_it(name, Some(&self.name))
    }
}

/// What an editor does.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Renames the entry with that own id.
    Rename(String, String),
    Delete(String),
    Make(String),
    /// Brings the entry of that brand back that was deleted.
    Restore(String),
}

/// What was changed, and what was lost by it.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// The brand whose entry is another now.
    pub(crate) brand: Option<String>,
    /// A name that an editor had written, and the brand has never had.
    pub(crate) overwritten: Option<String>,
}

/// The entries.
#[derive(Default)]
pub(crate) struct Entries {
    /// Those that bear a brand's id, by it.
    linked: BTreeMap<String, Entry>,
    /// The others, by their own ids.
    unlinked: BTreeMap<String, Entry>,
    /// Those that were deleted, by the brand's id.
    deleted: BTreeMap<String, Entry>,
    /// The brands whose entries were deleted or restored by an editor, and by nobody since.
    taken_away: BTreeSet<String>,
    /// The last name that an editor gave an entry, by its own id, unless it was given up for a reason.
    written: BTreeMap<String, String>,
    /// The own ids of the entries that editors have made.
    made: BTreeSet<String>,
    count: usize,
}

impl Entries {
    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.linked.get(id)
    }

    pub(crate) fn brands(&self) -> Vec<String> {
        self.linked.keys().cloned().collect()
    }

    /// A page of those that bear a brand's id.
    pub(crate) fn page(&self, after: Option<&str>) -> (Vec<CmsEntry>, Option<String>) {
        let of = |(id, entry): (&String, &Entry)| (id.clone(), entry.of(id));
        page(self.linked.iter().map(of), after)
    }

    /// A page of the others.
    pub(crate) fn unlinked_page(
        &self,
        after: Option<&str>,
    ) -> (Vec<UnlinkedEntry>, Option<String>) {
        let of = |(own, entry): (&String, &Entry)| (own.clone(), entry.unlinked());
        page(self.unlinked.iter().map(of), after)
    }

    /// The brands that the entries without one would become, and the own ids of these.
    pub(crate) fn unlinked_brands(&self) -> Vec<(BrandId, String)> {
        let own = self.unlinked.keys();
        own.map(|own| (BrandId::of_entry(TARGET, own), own.clone()))
            .collect()
    }

    /// Whether what the CMS holds of the brand is an editor's, and the brand has never been so.
    pub(crate) fn is_of_editor(&self, id: &str) -> bool {
        match self.linked.get(id) {
            Some(Entry {
                author: Author::Editor | Author::Doubted,
                ..
            }) => true,
            _ => self.taken_away.contains(id),
        }
    }

    /// Whether an editor has changed the brand's entry since the sync wrote it last.
    pub(crate) fn is_touched(&self, id: &str) -> bool {
        let is_edited = |entry: &Entry| entry.author != Author::Sync;
        self.linked.get(id).is_some_and(is_edited) || self.taken_away.contains(id)
    }

    /// A request that is sent now may overwrite what an editor has written of the brand. If it is refused, the next one may.
    pub(crate) fn doubt(&mut self, id: &str) {
        if let Some(entry) = self.linked.get_mut(id)
            && entry.author == Author::Editor
        {
            entry.author = Author::Doubted;
        }
    }

    /// How the request disagrees with what is held.
    pub(crate) fn conflict(&self, request: &Request) -> Option<u16> {
        let Request { id, known, .. } = request;
        match (request.verb, self.linked.get(id)) {
            ("create", Some(_)) => Some(409),
            ("update", None) => Some(404),
            ("update", Some(entry)) if known.id.as_ref().is_some_and(|own| *own != entry.own) => {
                Some(404)
            }
            ("update", Some(entry)) => (!entry.is_as(known)).then_some(412),
            ("link", Some(entry)) => (known.id.as_ref() != Some(&entry.own)).then_some(409),
            ("link", None) => match known.id.as_ref().and_then(|own| self.unlinked.get(own)) {
                None => Some(404),
                Some(entry) => (!entry.is_as(known)).then_some(412),
            },
            _ => None,
        }
    }

    /// Carries a request out that does not disagree.
    pub(crate) fn carry_out(&mut self, request: &Request, has_revisions: bool) -> Changed {
        let Request {
            id, name, known, ..
        } = request;
        if request.verb == "link" && self.linked.contains_key(id) {
            return Changed::default();
        }
        let before = self.linked.remove(id);
        let linked = known.id.as_ref().filter(|_| request.verb == "link");
        let before = before.or_else(|| self.unlinked.remove(linked?));
        let keeps_name = before.as_ref().map(|entry| &entry.name) == name.as_ref();
        let mut changed = Changed {
            brand: Some(id.clone()),
            overwritten: None,
        };
        if let Some(entry) = before.as_ref().filter(|_| !keeps_name) {
            self.written.remove(&entry.own);
            let is_lost = entry.author == Author::Editor;
            changed.overwritten = is_lost.then(|| entry.name.clone());
        }
        self.taken_away.remove(id);
        let Some(name) = name else {
            if let Some(entry) = before {
                self.deleted.insert(id.clone(), entry);
            }
            return changed;
        };
        let mut entry = before.unwrap_or_else(|| self.new_entry(has_revisions));
        entry.name.clone_from(name);
        entry.author = Author::Sync;
        entry.touch();
        self.linked.insert(id.clone(), entry);
        changed
    }

    fn new_entry(&mut self, has_revisions: bool) -> Entry {
        self.count += 1;
        Entry {
            own: format!("e{:05}", self.count),
            name: String::new(),
            author: Author::Sync,
            revision: has_revisions.then_some(0),
        }
    }

    /// An editor changes something of the brand's entry that is no concern of ours.
    pub(crate) fn touch(&mut self, id: &str) {
        if let Some(entry) = self.linked.get_mut(id) {
            entry.touch();
        }
    }

    /// What an editor may do to what is there.
    pub(crate) fn own_ids(&self) -> Vec<String> {
        let entries = self.linked.values().chain(self.unlinked.values());
        entries.map(|entry| entry.own.clone()).collect()
    }

    /// The brands whose entries an editor may restore.
    pub(crate) fn restorable(&self) -> Vec<String> {
        let deleted = self.deleted.keys();
        deleted
            .filter(|id| !self.linked.contains_key(*id))
            .cloned()
            .collect()
    }

    /// An editor changes the entries.
    pub(crate) fn edit(&mut self, act: &Act, has_revisions: bool) -> Changed {
        let brand_of = |linked: &BTreeMap<String, Entry>, own: &String| {
            let found = linked.iter().find(|(_, entry)| entry.own == *own);
            found.map(|(id, _)| id.clone())
        };
        let mut brand = None;
        match act {
            Act::Rename(own, name) => {
                brand = brand_of(&self.linked, own);
                let entry = match &brand {
                    Some(id) => self.linked.get_mut(id),
                    None => self.unlinked.get_mut(own),
                };
                if let Some(entry) = entry {
                    entry.name.clone_from(name);
                    entry.author = Author::Editor;
                    entry.touch();
                    self.written.insert(own.clone(), name.clone());
                }
            }
            Act::Delete(own) => {
                brand = brand_of(&self.linked, own);
                self.written.remove(own);
                self.made.remove(own);
                match &brand {
                    Some(id) => {
                        self.taken_away.insert(id.clone());
                        if let Some(entry) = self.linked.remove(id) {
                            self.deleted.insert(id.clone(), entry);
                        }
                    }
                    None => drop(self.unlinked.remove(own)),
                }
            }
            Act::Make(name) => {
                let entry = Entry {
                    name: name.clone(),
                    author: Author::Editor,
                    ..self.new_entry(has_revisions)
                };
                self.written.insert(entry.own.clone(), name.clone());
                self.made.insert(entry.own.clone());
                self.unlinked.insert(entry.own.clone(), entry);
            }
            Act::Restore(id) => {
                if let Some(mut entry) = self.deleted.remove(id) {
                    entry.touch();
                    entry.author = Author::Sync;
                    self.taken_away.insert(id.clone());
                    self.linked.insert(id.clone(), entry);
                    brand = Some(id.clone());
                }
            }
        }
        Changed {
            brand,
            overwritten: None,
        }
    }

    /// The brand has that name now.
    pub(crate) fn agree(&mut self, id: &str, name: &str) {
        if let Some(entry) = self.linked.get_mut(id)
            && entry.name == name
        {
            self.taken_away.remove(id);
            if entry.author != Author::Sync {
                entry.author = Author::Agreed;
            }
        }
    }

    /// What an editor wrote and is not there any more, for no reason that was given; and what was made and is gone.
    pub(crate) fn lost(&self) -> Option<String> {
        let entries = || self.linked.values().chain(self.unlinked.values());
        let is_there = |own: &String| entries().any(|entry| entry.own == *own);
        let written = self.written.iter().find(|(own, name)| {
            let is_it = |entry: &Entry| entry.own == **own && entry.name == **name;
            !entries().any(is_it)
        });
        let gone = self.made.iter().find(|own| {
            let brand = BrandId::of_entry(TARGET, own).to_string();
            !is_there(own) && !self.deleted.contains_key(&brand)
        });
        match (written, gone) {
            (Some((own, name)), _) => Some(format!("{name:?}, of entry {own}")),
            (None, Some(own)) => Some(format!("entry {own}")),
            (None, None) => None,
        }
    }
}

fn page<T>(
    entries: impl Iterator<Item = (String, T)>,
    after: Option<&str>,
) -> (Vec<T>, Option<String>) {
    let mut left = entries.filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
    let page: Vec<(String, T)> = left.by_ref().take(PAGE).collect();
    let last = page.last().map(|(key, _)| key.clone());
    let next = last.filter(|_| left.next().is_some());
    (page.into_iter().map(|(_, entry)| entry).collect(), next)
}
