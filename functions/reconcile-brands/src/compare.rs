//! What differs, page by page.

use std::collections::{BTreeMap, BTreeSet};

use brand::{
    Brand, BrandId, BrandRow, CMS_SUBSCRIBER, Inventory, Lease, SubscriberState, Timestamp,
};
use cms::{CmsEntry, UnlinkedEntry};
use reconcile::{Class, Example, Ours, Standing, classify};

use crate::{
    CmsCaller,
    halt::{Halt, Moment},
};

/// Why an entry becomes no brand.
pub(crate) const NO_BRANDS_ID: &str = "it bears an id that is none of a brand";
pub(crate) const BRAND_DELETED: &str = "its brand was deleted here";

/// What was found out about one brand or entry.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) class: Class,
    pub(crate) standing: Standing,
    /// The brand's id, or the id that the entry would get if it has none.
    pub(crate) id: BrandId,
    /// The brand's row, as it was seen.
    pub(crate) row: Option<BrandRow>,
    pub(crate) entry: Option<Entry>,
    /// What else there is to say.
    pub(crate) note: Option<String>,
}

/// An entry of the CMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The CMS's own id; none where that is the brand's.
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) revision: Option<String>,
    /// The id that it bears, which is none of ours.
    pub(crate) bears: Option<String>,
}

impl From<CmsEntry> for Entry {
    fn from(CmsEntry { brand, entry }: CmsEntry) -> Self {
        Self {
            id: entry.id,
            name: brand.name,
            revision: entry.revision,
            bears: None,
        }
    }
}

impl From<UnlinkedEntry> for Entry {
    fn from(UnlinkedEntry { entry, name }: UnlinkedEntry) -> Self {
        Self {
            id: entry.id,
            name,
            revision: entry.revision,
            bears: None,
        }
    }
}

impl Finding {
    fn of(id: BrandId, row: Option<BrandRow>, entry: Option<Entry>, now: Timestamp) -> Self {
        let state = row.as_ref().map(|row| row.subscriber(CMS_SUBSCRIBER));
        let ours = row.as_ref().zip(state.as_ref());
        let ours = ours.map(|(row, state)| Ours::of(row, state, now));
        Self {
            class: classify(ours, entry.as_ref().map(|entry| &*entry.name)),
            standing: ours.map_or(Standing::Settled, |ours| ours.standing),
            id,
            row,
            entry,
            note: None,
        }
    }

    /// Another entry that bears a brand's id.
    pub(crate) fn double(id: BrandId, entry: Entry) -> Self {
        Self {
            class: Class::Double,
            standing: Standing::Settled,
            id,
            row: None,
            entry: Some(entry),
            note: None,
        }
    }

    /// Whether the row says that the CMS holds the brand.
    pub(crate) fn is_synced(&self) -> bool {
        let holds = self.state().holds;
        self.standing == Standing::Settled
            && self.is_of_living_brand()
            && holds.is_some_and(|held| !held.unlinked)
    }

    pub(crate) fn state(&self) -> SubscriberState {
        let row = self.row.as_ref();
        row.map(|row| row.subscriber(CMS_SUBSCRIBER))
            .unwrap_or_default()
    }

    pub(crate) fn is_of_living_brand(&self) -> bool {
        let row = self.row.as_ref();
        row.is_some_and(|row| row.brand.deleted_at.is_none())
    }

    pub(crate) fn example(&self) -> Example {
        let bears = self.entry.as_ref().and_then(|entry| entry.bears.clone());
        let has_id = self.class != Class::MadeThere || self.row.is_some();
        let agreed = self.state().holds;
        Example {
            class: self.class,
            id: bears.or_else(|| has_id.then(|| self.id.to_string())),
            entry: self.entry.as_ref().and_then(|entry| entry.id.clone()),
            here: self
                .row
                .as_ref()
                .filter(|_| self.is_of_living_brand())
                .map(|row| row.brand.name.to_string()),
            there: self.entry.as_ref().map(|entry| entry.name.clone()),
            agreed: agreed.filter(|held| !held.unlinked).map(|held| held.name),
            note: self.note.clone().or_else(|| match self.standing {
                Standing::Marked | Standing::Cancelled => {
                    let mark = self.state().mark;
                    mark.map(|mark| format!("{}: {}", mark.kind.as_str(), mark.cause))
                }
                _ => None,
            }),
        }
    }
}

/// The brands and the CMS.
pub(crate) struct Both<'a, S> {
    pub(crate) brands: &'a S,
    pub(crate) caller: &'a CmsCaller,
    pub(crate) moment: Moment<'a>,
}

/// What was found out about some brands.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) findings: Vec<Finding>,
    /// The ids of rows that cannot be read.
    pub(crate) unreadable: usize,
    /// How many requests the CMS got.
    pub(crate) requests: u64,
}

impl<S: Inventory> Both<'_, S> {
    /// How those brands differ, at most a page of them. What differs is looked at twice, and counts if the row is the same both times:
    /// so the CMS has been read while nothing was done about the brand.
    ///
    /// ```text
    /// reconciliation: read the CMS ──► read the row ──► read the CMS ──► read the row: the same, or it is left alone
    /// sync:               └──► CMS ──► row ──┘
    /// ```
    pub(crate) async fn compare(&self, ids: &[BrandId]) -> Result<Compared, Halt> {
        let mut compared = self.look_at(ids).await?;
        let differ = |finding: &&Finding| finding.class.is_difference();
        let findings = compared.findings.iter();
        let differing: Vec<BrandId> = findings.filter(differ).map(|finding| finding.id).collect();
        if differing.is_empty() {
            return Ok(compared);
        }
        let again = self.look_at(&differing).await?;
        compared.requests += again.requests;
        let mut again: BTreeMap<BrandId, Finding> = again
            .findings
            .into_iter()
            .map(|finding| (finding.id, finding))
            .collect();
        for finding in &mut compared.findings {
            if !finding.class.is_difference() {
                continue;
            }
            match again.remove(&finding.id) {
                Some(seen) if is_unchanged(finding.row.as_ref(), seen.row.as_ref()) => {
                    *finding = seen;
                }
                _ => finding.class = Class::InFlight,
            }
        }
        Ok(compared)
    }

    /// The CMS is read before the rows: what a row says then is not older than what the CMS has said.
    async fn look_at(&self, ids: &[BrandId]) -> Result<Compared, Halt> {
        if ids.is_empty() {
            return Ok(Compared::default());
        }
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let asked = || self.caller.cms.get_brands(&texts);
        let entries = self.caller.call(self.moment.latest(), asked).await?;
        let (mut by_id, mut doubles) = (BTreeMap::new(), BTreeSet::new());
        for entry in entries {
            let id = entry.brand.id.clone();
            if by_id.insert(id.clone(), Entry::from(entry)).is_some() {
                doubles.insert(id);
            }
        }
        let (mut rows, unreadable) = self.rows_of(ids).await?;
        let now = self.moment.now();
        let readable = ids.iter().zip(texts);
        let readable = readable.filter(|(_, text)| !unreadable.contains(text));
        Ok(Compared {
            findings: readable
                .map(|(id, text)| {
                    let mut finding = Finding::of(*id, rows.remove(id), by_id.remove(&text), now);
                    if doubles.contains(&text) && finding.class != Class::InFlight {
                        finding.class = Class::Double;
                    }
                    finding
                })
                .collect(),
            unreadable: unreadable.len(),
            requests: 1,
        })
    }

    /// The rows of those brands by id, and the ids of rows that cannot be read.
    async fn rows_of(
        &self,
        ids: &[BrandId],
    ) -> Result<(BTreeMap<BrandId, BrandRow>, Vec<String>), Halt> {
        let found = self.brands.rows(ids).await?;
        let rows = found.rows.into_iter().map(|row| (row.brand.id, row));
        Ok((rows.collect(), found.unreadable))
    }

    /// Entries without a brand, as findings: each with the id that it would get, and the row of that brand, if there is one.
    pub(crate) async fn made_there(
        &self,
        target: &str,
        entries: Vec<Entry>,
    ) -> Result<Vec<Finding>, Halt> {
        let id_of = |entry: &Entry| {
            let own = entry.id.as_deref().or(entry.bears.as_deref());
            BrandId::of_entry(target, own.unwrap_or_default())
        };
        let ids: Vec<BrandId> = entries.iter().map(id_of).collect();
        let (mut rows, _) = self.rows_of(&ids).await?;
        let now = self.moment.now();
        let findings = ids.into_iter().zip(entries).map(|(id, entry)| {
            let mut finding = Finding::of(id, rows.remove(&id), Some(entry), now);
            if finding.standing != Standing::InFlight {
                finding.class = Class::MadeThere;
            }
            let brand = finding.row.as_ref().map(|row| &row.brand);
            finding.note = match &finding.entry {
                Some(Entry { bears: Some(_), .. }) => Some(NO_BRANDS_ID.to_owned()),
                _ if brand.is_some_and(is_deleted) => Some(BRAND_DELETED.to_owned()),
                _ => None,
            };
            finding
        });
        Ok(findings.collect())
    }
}

fn is_deleted(brand: &Brand) -> bool {
    brand.deleted_at.is_some()
}

fn is_unchanged(before: Option<&BrandRow>, after: Option<&BrandRow>) -> bool {
    match (before, after) {
        (None, None) => true,
        (Some(before), Some(after)) => {
            before.brand.version == after.brand.version
                && Lease::is_same_write(before.lease.as_ref(), after.lease.as_ref())
        }
        _ => false,
    }
}
