//! What a CMS has to do, as cases that run on any through the port alone.
//!
//! Each case makes brands of its own and deletes them, so that the CMS may hold others.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a case fails by panicking, as a test does"
)]

use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;

use crate::{Cms, CmsBrand, CmsEntry, CmsError, EntryRef, UnlinkedEntry};

/// An editor of the CMS, who works on its entries by its own means.
#[async_trait]
pub trait Editor: Send + Sync {
    /// Writes a description into the entry that bears this brand's id.
    async fn describe(&self, id: &str, text: &str);

    /// The description of the entry that bears this brand's id.
    async fn description(&self, id: &str) -> Option<String>;

    /// Gives another name to the entry that bears this brand's id.
    async fn rename(&self, id: &str, name: &str);

    /// Removes the entry that bears this brand's id.
    async fn remove(&self, id: &str);

    /// Adds an entry that bears no brand's id, with the name as its description too. Returns the CMS's own id of it; none
    /// where the CMS has no such entries.
    async fn add_other_entry(&self, name: &str) -> Option<String>;
}

/// A CMS to try.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The CMS.
    pub cms: &'a dyn Cms,
    /// The same one with a key that it does not take.
    pub with_wrong_key: &'a dyn Cms,
    /// An editor of it.
    pub editor: &'a dyn Editor,
    /// Eight hexadecimal digits, which no brand's id in it begins with.
    pub prefix: &'a str,
    /// Whether an entry outlives its brand, with all that editors have added.
    pub unpublishes: bool,
}

/// Runs all cases, and returns how many there are.
pub async fn run(subject: Subject<'_>) -> usize {
    let mut cases = Cases {
        subject,
        ids: 0,
        keys: AtomicU32::new(0),
    };
    let mut count = 0;
    macro_rules! run {
        ($($case:ident)*) => {
            $(
                println!("contract: {}", stringify!($case));
                cases.$case().await;
                count += 1;
            )*
        };
    }
    run! {
        a_created_brand_is_read_back_equal
        an_absent_brand_is_none
        a_second_create_under_another_key_fails_and_changes_nothing
        an_update_changes_the_name_and_leaves_what_an_editor_wrote
        an_update_works_with_and_without_the_entry
        an_update_of_an_absent_brand_is_a_conflict
        an_update_of_an_entry_that_an_editor_has_renamed_is_a_conflict_and_changes_nothing
        an_entry_that_an_editor_has_removed_is_gone_and_can_be_created_again
        many_brands_are_found_at_once
        an_entry_that_an_editor_made_can_be_linked_and_keeps_what_the_editor_wrote
        an_entry_that_is_gone_or_linked_or_renamed_cannot_be_linked
        a_deleted_brand_is_none_and_is_not_listed
        a_delete_of_an_absent_brand_succeeds
        a_deleted_brand_can_be_created_again
        a_deleted_brand_comes_back_with_what_an_editor_wrote_where_deleting_unpublishes
        every_name_survives
        two_brands_may_have_one_name_unless_the_cms_forbids_it
        a_list_has_every_brand_once_in_the_order_of_ids_and_no_other_entry
        an_id_is_not_taken_for_one_that_it_begins
        a_wrong_key_is_unauthorized_and_changes_nothing
    }
    count
}

struct Cases<'a> {
    subject: Subject<'a>,
    ids: u32,
    keys: AtomicU32,
}

impl<'a> Cases<'a> {
    const fn cms(&self) -> &'a dyn Cms {
        self.subject.cms
    }

    fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("{}-0000-7000-8000-{:012x}", self.subject.prefix, self.ids)
    }

    fn new_brand(&mut self, name: &str) -> CmsBrand {
        brand(&self.new_id(), name)
    }

    /// A key that no other write has.
    fn new_key(&self) -> String {
        let number = self.keys.fetch_add(1, Ordering::Relaxed);
        format!("{}/{number}", self.subject.prefix)
    }

    async fn created(&mut self, name: &str) -> CmsEntry {
        let brand = self.new_brand(name);
        let created = self.create(&brand).await;
        created.unwrap_or_else(|error| panic!("{brand:?} is not created: {error:?}"))
    }

    async fn create(&self, brand: &CmsBrand) -> Result<CmsEntry, CmsError> {
        self.cms().create_brand(brand, &self.new_key()).await
    }

    async fn update(&self, brand: &CmsBrand, entry: &EntryRef) -> Result<CmsEntry, CmsError> {
        self.cms().update_brand(brand, entry, &self.new_key()).await
    }

    async fn link(&self, brand: &CmsBrand, entry: &EntryRef) -> Result<CmsEntry, CmsError> {
        self.cms().link_brand(brand, entry, &self.new_key()).await
    }

    /// The entries that bear no brand's id.
    async fn list_unlinked(&self) -> Vec<UnlinkedEntry> {
        let (mut entries, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.cms().list_unlinked(after.as_deref(), 2).await;
            let page = page.unwrap();
            assert!(page.entries.len() <= 2, "the page is too long");
            entries.extend(page.entries);
            after = page.next;
            if after.is_none() {
                return entries;
            }
        }
    }

    /// The entry with that own id among those that bear no brand's id, where it is once at most.
    async fn unlinked(&self, own_id: &str) -> Option<UnlinkedEntry> {
        let mut entries = self.list_unlinked().await;
        entries.retain(|entry| entry.entry.id.as_deref() == Some(own_id));
        assert!(entries.len() < 2, "each once: {entries:?}");
        entries.pop()
    }

    async fn delete(&self, id: &str) {
        let deleted = self.cms().delete_brand(id, &self.new_key()).await;
        deleted.unwrap();
    }

    async fn get(&self, id: &str) -> Option<CmsEntry> {
        self.cms().get_brand(id).await.unwrap()
    }

    /// The brands of this run, by pages of that size. All brands of the CMS where it begins at the beginning.
    async fn list(&self, mut after: Option<String>, limit: u16) -> Vec<CmsEntry> {
        let mut entries: Vec<CmsEntry> = Vec::new();
        loop {
            let page = self.cms().list_brands(after.as_deref(), limit).await;
            let page = page.unwrap();
            assert!(
                page.entries.len() <= usize::from(limit),
                "the page is too long"
            );
            entries.extend(page.entries);
            let is_behind = entries
                .last()
                .is_some_and(|last| !last.brand.id.starts_with(self.subject.prefix));
            match page.next {
                Some(next) if limit > 99 || !is_behind => {
                    assert!(
                        after.as_ref() < Some(&next),
                        "the cursor goes on: {after:?}, {next}"
                    );
                    after = Some(next);
                }
                _ => break,
            }
        }
        let is_sorted = entries.is_sorted_by(|one, other| one.brand.id < other.brand.id);
        assert!(is_sorted, "each once, in the order of ids: {entries:?}");
        entries.retain(|entry| entry.brand.id.starts_with(self.subject.prefix));
        entries
    }

    async fn a_created_brand_is_read_back_equal(&mut self) {
        let created = self.created("Acme").await;
        assert_eq!(created.brand.name, "Acme");
        let id = created.brand.id.clone();
        assert_eq!(self.get(&id).await, Some(created));
        self.delete(&id).await;
    }

    async fn an_absent_brand_is_none(&mut self) {
        let id = self.new_id();
        assert_eq!(self.get(&id).await, None);
    }

    async fn a_second_create_under_another_key_fails_and_changes_nothing(&mut self) {
        let first = self.created("Created once").await;
        for name in ["Created once", "Created twice"] {
            let again = brand(&first.brand.id, name);
            let error = self.create(&again).await.unwrap_err();
            assert!(
                matches!(
                    error,
                    CmsError::Conflict { .. }
                        | CmsError::Refused { .. }
                        | CmsError::Unavailable { .. }
                ),
                "{error:?}"
            );
            let found = self.get(&first.brand.id).await.unwrap();
            assert_eq!(found, first);
            let listed = self.list(Some(self.subject.prefix.to_owned()), 100).await;
            assert_eq!(listed, [found], "there is one entry");
        }
        self.delete(&first.brand.id).await;
    }

    async fn an_update_changes_the_name_and_leaves_what_an_editor_wrote(&mut self) {
        let id = self.created("Described").await.brand.id;
        let words = "An editor's \"words\"";
        self.subject.editor.describe(&id, words).await;
        let described = self.get(&id).await.unwrap();
        let renamed = brand(&id, "Renamed");
        let updated = self.update(&renamed, &described.entry).await;
        let updated = updated.unwrap();
        assert_eq!(updated.brand, renamed);
        assert_eq!(self.get(&id).await, Some(updated));
        let description = self.subject.editor.description(&id).await;
        assert_eq!(description.as_deref(), Some(words));
        self.delete(&id).await;
    }

    async fn an_update_works_with_and_without_the_entry(&mut self) {
        let created = self.created("One").await;
        let id = created.brand.id.clone();
        let with = self.update(&brand(&id, "Two"), &created.entry).await;
        assert_eq!(with.unwrap().brand.name, "Two");
        let without = EntryRef::default();
        let without = self.update(&brand(&id, "Three"), &without).await;
        assert_eq!(without.unwrap().brand.name, "Three");
        let read = self.get(&id).await.unwrap();
        assert_eq!(read.brand.name, "Three");
        // The same once more.
        let again = self.update(&brand(&id, "Three"), &read.entry).await;
        assert_eq!(again.unwrap().brand.name, "Three");
        self.delete(&id).await;
    }

    async fn an_update_of_an_absent_brand_is_a_conflict(&mut self) {
        let absent = self.new_brand("Absent");
        let unknown = EntryRef::default();
        let error = self.update(&absent, &unknown).await.unwrap_err();
        assert!(matches!(error, CmsError::Conflict { .. }), "{error:?}");

        let deleted = self.created("Deleted").await;
        let id = &deleted.brand.id;
        self.delete(id).await;
        for entry in [&deleted.entry, &unknown] {
            let error = self.update(&deleted.brand, entry).await.unwrap_err();
            assert!(matches!(error, CmsError::Conflict { .. }), "{error:?}");
            assert_eq!(self.get(id).await, None, "it is not brought back");
        }
    }

    async fn an_update_of_an_entry_that_an_editor_has_renamed_is_a_conflict_and_changes_nothing(
        &mut self,
    ) {
        let created = self.created("As created, 100% \"known\"").await;
        let (id, known) = (created.brand.id.clone(), created.brand.name.clone());
        let new = brand(&id, "From the system");
        let named = |entry: &EntryRef, name: &str| EntryRef {
            name: Some(name.to_owned()),
            ..entry.clone()
        };
        self.subject.editor.rename(&id, "An editor's").await;
        let renamed = self.get(&id).await.unwrap();
        assert_eq!(renamed.brand.name, "An editor's");
        for entry in [&created.entry, &EntryRef::default()] {
            let error = self.update(&new, &named(entry, &known)).await.unwrap_err();
            assert!(matches!(error, CmsError::Conflict { .. }), "{error:?}");
            assert_eq!(self.get(&id).await.as_ref(), Some(&renamed));
        }
        let current = named(&renamed.entry, "An editor's");
        let updated = self.update(&new, &current).await.unwrap();
        assert_eq!(updated.brand, new);
        assert_eq!(updated.entry.name, None, "it is beside the brand's");
        // The name alone is enough.
        let current = named(&EntryRef::default(), &new.name);
        let updated = self.update(&brand(&id, &known), &current).await;
        assert_eq!(updated.unwrap().brand, created.brand);
        self.delete(&id).await;
    }

    async fn an_entry_that_an_editor_has_removed_is_gone_and_can_be_created_again(&mut self) {
        let removed = self.created("Removed").await.brand;
        self.subject.editor.remove(&removed.id).await;
        assert_eq!(self.get(&removed.id).await, None);
        let created = self.create(&removed).await.unwrap();
        assert_eq!(self.get(&removed.id).await, Some(created));
        self.delete(&removed.id).await;
    }

    async fn many_brands_are_found_at_once(&mut self) {
        let mut ids: Vec<_> = (0..100).map(|_| self.new_id()).collect();
        let mut expected = Vec::new();
        // On each side of a boundary within the ids, and at both ends.
        for position in [0, 49, 50, 99] {
            let brand = brand(ids.get(position).unwrap(), &format!("Number {position}"));
            expected.push(self.create(&brand).await.unwrap());
        }
        ids.rotate_left(7);
        let mut found = self.cms().get_brands(&ids).await.unwrap();
        found.sort_by(|one, other| one.brand.id.cmp(&other.brand.id));
        assert_eq!(found, expected);
        ids.retain(|id| expected.iter().all(|entry| entry.brand.id != *id));
        assert_eq!(self.cms().get_brands(&ids).await.unwrap(), []);
        assert_eq!(self.cms().get_brands(&[]).await.unwrap(), []);
        for entry in expected {
            self.delete(&entry.brand.id).await;
        }
    }

    async fn an_entry_that_an_editor_made_can_be_linked_and_keeps_what_the_editor_wrote(&mut self) {
        let name = format!("An editor's, {}", self.subject.prefix);
        let Some(own_id) = self.subject.editor.add_other_entry(&name).await else {
            println!("contract: every entry bears a brand's id");
            assert_eq!(self.list_unlinked().await, []);
            let (brand, entry) = (self.new_brand(&name), EntryRef::default());
            let error = self.link(&brand, &entry).await.unwrap_err();
            assert!(!error.is_transient(), "{error:?}");
            return;
        };
        let found = self.unlinked(&own_id).await.unwrap();
        assert_eq!(found.name, name);
        let listed = self.cms().list_brands(None, 100).await.unwrap().entries;
        assert!(listed.iter().all(|entry| entry.brand.name != name));

        let brand = self.new_brand("Linked");
        let wrong = self.subject.with_wrong_key;
        for result in [
            wrong.list_unlinked(None, 2).await.map(drop),
            wrong
                .link_brand(&brand, &found.entry, "wrong/link")
                .await
                .map(drop),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, CmsError::Unauthorized { .. }), "{error:?}");
        }
        let known = EntryRef {
            name: Some(name.clone()),
            ..found.entry
        };
        let linked = self.link(&brand, &known).await.unwrap();
        assert_eq!(linked.brand, brand);
        assert_eq!(self.get(&brand.id).await.as_ref(), Some(&linked));
        let ids = slice::from_ref(&brand.id);
        let many = self.cms().get_brands(ids).await.unwrap();
        assert_eq!(many, slice::from_ref(&linked));
        let description = self.subject.editor.description(&brand.id).await;
        assert_eq!(description, Some(name));
        assert_eq!(self.unlinked(&own_id).await, None);
        // Another run, which knows what there was.
        let again = self.link(&brand, &known).await.unwrap();
        assert_eq!(again, linked, "it has no other effect");
        let renamed = CmsBrand {
            name: "Linked and renamed".to_owned(),
            ..brand
        };
        let updated = self.update(&renamed, &linked.entry).await.unwrap();
        assert_eq!(updated.brand, renamed);
        self.delete(&renamed.id).await;
        assert_eq!(self.get(&renamed.id).await, None);
        assert_eq!(self.unlinked(&own_id).await, None);
    }

    async fn an_entry_that_is_gone_or_linked_or_renamed_cannot_be_linked(&mut self) {
        let Some(own_id) = self.subject.editor.add_other_entry("Wanted").await else {
            return;
        };
        let found = self.unlinked(&own_id).await.unwrap();
        let (entry, one, other) = (found.entry, self.new_id(), self.new_id());
        let (one, other) = (brand(&one, "One"), brand(&other, "Other"));
        let refused = async |brand: &CmsBrand, entry: &EntryRef| {
            let error = self.link(brand, entry).await.unwrap_err();
            assert!(matches!(error, CmsError::Conflict { .. }), "{error:?}");
        };
        // Another name. A revision would tell of it as well, so there is none.
        let renamed = EntryRef {
            id: entry.id.clone(),
            revision: None,
            name: Some("Not wanted".to_owned()),
        };
        refused(&one, &renamed).await;
        assert!(self.unlinked(&own_id).await.is_some(), "nothing is changed");
        assert_eq!(self.get(&one.id).await, None);

        let linked = self.link(&one, &entry).await.unwrap();
        // It bears another brand's id, with a stale revision and without one.
        for entry in [
            &entry,
            &EntryRef {
                revision: None,
                ..entry.clone()
            },
        ] {
            refused(&other, entry).await;
        }
        assert_eq!(self.get(&one.id).await, Some(linked));
        assert_eq!(self.get(&other.id).await, None);
        // Another entry bears the brand's id.
        let second = self.subject.editor.add_other_entry("Second").await.unwrap();
        let second_entry = EntryRef {
            id: Some(second.clone()),
            ..EntryRef::default()
        };
        refused(&one, &second_entry).await;
        assert!(self.unlinked(&second).await.is_some());
        // It is gone.
        self.delete(&one.id).await;
        if !self.subject.unpublishes {
            refused(&one, &entry).await;
            assert_eq!(self.get(&one.id).await, None);
        }
        let second_brand = self.new_brand("Second");
        self.link(&second_brand, &second_entry).await.unwrap();
        self.delete(&second_brand.id).await;
    }

    async fn a_deleted_brand_is_none_and_is_not_listed(&mut self) {
        let [gone, kept] = [self.created("Gone").await, self.created("Kept").await];
        self.delete(&gone.brand.id).await;
        assert_eq!(self.get(&gone.brand.id).await, None);
        let listed = self.list(Some(self.subject.prefix.to_owned()), 100).await;
        assert_eq!(listed, slice::from_ref(&kept));
        self.delete(&kept.brand.id).await;
    }

    async fn a_delete_of_an_absent_brand_succeeds(&mut self) {
        let id = self.new_id();
        self.delete(&id).await;
        let id = self.created("Deleted twice").await.brand.id;
        for _ in 0..2 {
            self.delete(&id).await;
        }
        assert_eq!(self.get(&id).await, None);
    }

    async fn a_deleted_brand_can_be_created_again(&mut self) {
        let first = self.created("Created and deleted").await.brand;
        self.delete(&first.id).await;
        let again = brand(&first.id, "Created again");
        let created = self.create(&again).await.unwrap();
        assert_eq!(created.brand, again);
        assert_eq!(self.get(&first.id).await, Some(created));
        self.delete(&first.id).await;
    }

    async fn a_deleted_brand_comes_back_with_what_an_editor_wrote_where_deleting_unpublishes(
        &mut self,
    ) {
        let id = self.created("Described").await.brand.id;
        self.subject.editor.describe(&id, "An editor's words").await;
        self.delete(&id).await;
        assert_eq!(self.get(&id).await, None);
        let again = brand(&id, "Back again");
        let created = self.create(&again).await.unwrap();
        assert_eq!(self.get(&id).await, Some(created));
        let description = self.subject.editor.description(&id).await;
        let expected = self.subject.unpublishes.then_some("An editor's words");
        assert_eq!(description.as_deref(), expected);
        self.delete(&id).await;
    }

    async fn every_name_survives(&mut self) {
        let (longest, longest_with_umlauts) = ("a".repeat(255), "ö".repeat(255));
        for name in [
            "a",
            "Acme \"&\" 'Söhne' \\ / %20 + #?",
            "Ærøskøbing Größe 北京 עברית",
            "🦀👩‍👩‍👧 é e\u{301}",
            "<b>Acme</b><script>alert(1)</script>",
            "${name} {{name}} %s null",
            &longest,
            &longest_with_umlauts,
        ] {
            let created = self.created(name).await;
            assert_eq!(created.brand.name, name);
            let id = created.brand.id;
            assert_eq!(self.get(&id).await.unwrap().brand.name, name);
            let renamed = brand(&id, &name.chars().rev().collect::<String>());
            let updated = self.update(&renamed, &created.entry).await;
            assert_eq!(updated.unwrap().brand, renamed);
            assert_eq!(self.get(&id).await.unwrap().brand, renamed);
            self.delete(&id).await;
        }
    }

    async fn two_brands_may_have_one_name_unless_the_cms_forbids_it(&mut self) {
        let first = self.created("Shared").await;
        let second = self.new_brand("Shared");
        let expected = match self.create(&second).await {
            Ok(entry) => Some(entry),
            Err(CmsError::Conflict { .. } | CmsError::Refused { .. }) => None,
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(self.get(&second.id).await, expected);
        assert_eq!(self.get(&first.brand.id).await, Some(first.clone()));
        self.delete(&first.brand.id).await;
        assert_eq!(self.get(&second.id).await, expected, "only one is deleted");
        self.delete(&second.id).await;
    }

    async fn a_list_has_every_brand_once_in_the_order_of_ids_and_no_other_entry(&mut self) {
        let mut brands: Vec<_> = (1..=5)
            .map(|number| self.new_brand(&format!("Listed {number}")))
            .collect();
        let mut entries = Vec::new();
        for brand in brands.iter().rev() {
            entries.push(self.create(brand).await.unwrap());
        }
        let has_others = self.subject.editor.add_other_entry("Not a brand").await;
        let has_others = has_others.is_some();
        println!("contract: entries that are not brands are among them: {has_others}");
        entries.reverse();
        for limit in [1, 2, 3, 5, 100] {
            let listed = self.list(Some(self.subject.prefix.to_owned()), limit).await;
            assert_eq!(listed, entries, "by {limit}");
        }
        assert_eq!(self.list(None, 100).await, entries);
        let after = brands.remove(2).id;
        let rest = self.list(Some(after.clone()), 2).await;
        assert_eq!(rest, entries.split_off(3), "after {after}");
        for brand in brands {
            self.delete(&brand.id).await;
        }
        self.delete(&after).await;
    }

    async fn an_id_is_not_taken_for_one_that_it_begins(&mut self) {
        let long = self.created("Long").await;
        let short = long.brand.id.split_at(35).0;
        let longer = format!("{}0", long.brand.id);
        for id in [short, &longer] {
            assert_eq!(self.get(id).await, None);
            let unknown = EntryRef::default();
            let other = brand(id, "Other");
            let error = self.update(&other, &unknown).await.unwrap_err();
            assert!(matches!(error, CmsError::Conflict { .. }), "{error:?}");
            self.delete(id).await;
        }
        let id = long.brand.id.clone();
        assert_eq!(self.get(&id).await, Some(long));
        self.delete(&id).await;
    }

    async fn a_wrong_key_is_unauthorized_and_changes_nothing(&mut self) {
        let known = self.created("Known").await;
        let (id, new) = (known.brand.id.clone(), self.new_brand("New"));
        let (cms, renamed) = (self.subject.with_wrong_key, brand(&id, "Renamed"));
        for result in [
            cms.get_brand(&id).await.map(drop),
            cms.get_brand(&new.id).await.map(drop),
            cms.get_brands(slice::from_ref(&id)).await.map(drop),
            cms.list_brands(None, 2).await.map(drop),
            cms.create_brand(&new, "wrong/create").await.map(drop),
            cms.update_brand(&renamed, &known.entry, "wrong/update")
                .await
                .map(drop),
            cms.update_brand(&new, &EntryRef::default(), "wrong/absent")
                .await
                .map(drop),
            cms.delete_brand(&id, "wrong/delete").await,
            cms.delete_brand(&new.id, "wrong/delete-absent").await,
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, CmsError::Unauthorized { .. }), "{error:?}");
        }
        assert_eq!(self.get(&id).await, Some(known));
        assert_eq!(self.get(&new.id).await, None);
        self.delete(&id).await;
    }
}

fn brand(id: &str, name: &str) -> CmsBrand {
    CmsBrand {
        id: id.to_owned(),
        name: name.to_owned(),
    }
}
