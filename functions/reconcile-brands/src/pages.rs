//! A page of what a reconciliation goes through.

use std::collections::BTreeSet;

use brand::{BrandId, Inventory};
use reconcile::{Class, Reconciliation, Repair, Report};

use crate::{
    compare::{Both, Entry, Finding},
    halt::Halt,
};

/// How many brands or entries a page has.
pub(crate) const PAGE: u16 = 100;
/// A page with so many brands that are synced shows whether the CMS is the right one.
const TELLING: u64 = 5;

/// A page, and the next place.
type Looked = Result<(PageSeen, Option<String>), Halt>;

impl<S: Inventory> Both<'_, S> {
    /// All brands that are not deleted, with the entries that bear their ids.
    pub(crate) async fn page_of_brands(&self, after: Option<&str>) -> Looked {
        let after = after.map(str::parse).transpose();
        let after = after.map_err(|_| Halt::Stopped("its place is damaged".to_owned()))?;
        let found = self.brands.page(after.as_ref(), PAGE).await?;
        let compared = self.compare(&found.ids).await?;
        let findings = compared.findings.into_iter();
        let findings: Vec<Finding> = findings.filter(Finding::is_of_living_brand).collect();
        let seen = PageSeen {
            brands: findings.len(),
            findings,
            unreadable: compared.unreadable,
            requests: compared.requests,
            ..PageSeen::default()
        };
        Ok((seen, found.next.map(|next| next.to_string())))
    }

    /// All entries that bear an id. Those of brands that are not deleted have been on another page.
    pub(crate) async fn page_of_entries(&self, after: Option<&str>, target: &str) -> Looked {
        let list = || self.caller.cms.list_brands(after, PAGE);
        let listed = self.caller.call(self.moment.latest(), list).await?;
        let entries = listed.entries.len();
        let (mut ids, mut others, mut doubles) = (BTreeSet::new(), Vec::new(), Vec::new());
        for entry in listed.entries {
            let id: Option<BrandId> = entry.brand.id.parse().ok();
            match id.filter(|id| id.to_string() == entry.brand.id) {
                Some(id) if ids.insert(id) => {}
                Some(id) => doubles.push(Finding::double(id, Entry::from(entry))),
                None => others.push(Entry {
                    bears: Some(entry.brand.id.clone()),
                    ..entry.into()
                }),
            }
        }
        let ids: Vec<BrandId> = ids.into_iter().collect();
        let compared = self.compare(&self.without_brand(ids).await?).await?;
        let findings = compared.findings.into_iter();
        let mut findings: Vec<Finding> = findings
            .filter(|finding| finding.class != Class::Equal)
            .collect();
        findings.extend(self.made_there(target, others).await?);
        findings.extend(doubles);
        let seen = PageSeen {
            findings,
            entries,
            requests: 1 + compared.requests,
            ..PageSeen::default()
        };
        Ok((seen, listed.next))
    }

    /// All entries that bear no id.
    pub(crate) async fn page_of_unlinked_entries(
        &self,
        after: Option<&str>,
        target: &str,
    ) -> Looked {
        let list = || self.caller.cms.list_unlinked(after, PAGE);
        let listed = self.caller.call(self.moment.latest(), list).await?;
        let entries: Vec<Entry> = listed.entries.into_iter().map(Entry::from).collect();
        let seen = PageSeen {
            entries: entries.len(),
            findings: self.made_there(target, entries).await?,
            requests: 1,
            ..PageSeen::default()
        };
        Ok((seen, listed.next))
    }

    /// Those of these ids that no brand has, or one that is deleted.
    async fn without_brand(&self, ids: Vec<BrandId>) -> Result<Vec<BrandId>, Halt> {
        let found = self.brands.rows(&ids).await?;
        let living = found
            .rows
            .iter()
            .filter(|row| row.brand.deleted_at.is_none());
        let living: BTreeSet<BrandId> = living.map(|row| row.brand.id).collect();
        let is_without =
            |id: &BrandId| !living.contains(id) && !found.unreadable.contains(&id.to_string());
        Ok(ids.into_iter().filter(is_without).collect())
    }
}

/// What a page has shown.
#[derive(Default)]
pub(crate) struct PageSeen {
    pub(crate) findings: Vec<Finding>,
    brands: usize,
    entries: usize,
    unreadable: usize,
    pub(crate) requests: u64,
}

impl PageSeen {
    /// Another CMS may answer by now than the one that was looked at.
    pub(crate) fn check(&self) -> Result<(), Halt> {
        let synced = self.findings.iter().filter(|finding| finding.is_synced());
        let (mut all, mut there) = (0, 0);
        for finding in synced {
            all += 1;
            there += u64::from(finding.entry.is_some());
        }
        if all >= TELLING && there == 0 {
            return Err(Halt::Stopped(format!(
                "the CMS holds none of {all} brands that are synced any more"
            )));
        }
        Ok(())
    }

    pub(crate) fn count(self, report: &mut Report, kept: &mut Reconciliation) {
        report.brands += as_count(self.brands);
        report.entries += as_count(self.entries);
        report.unreadable += as_count(self.unreadable);
        report.requests += self.requests;
        for finding in self.findings {
            let class = finding.class;
            *report.counts.entry(class).or_default() += 1;
            if finding.is_synced() {
                report.synced += 1;
                report.matched += u64::from(finding.entry.is_some());
            }
            if class.is_difference() {
                report.example(finding.example());
                kept.remember(finding.id);
            }
            if let Some(repair) = Repair::of(class, finding.standing, report.policies) {
                report.planned += 1;
                report.destructive += u64::from(repair.is_destructive(class));
            }
        }
    }
}

fn as_count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
