//! What a reconciliation has found and done, and where it stands.

use std::{collections::BTreeMap, time::Duration};

use brand::{BrandId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Class, Policies};

/// How many examples of a class are kept.
const EXAMPLES: usize = 5;
/// How many characters of a name an example has.
const NAME: usize = 100;
/// How many differences are remembered for the next reconciliation.
const REMEMBERED: usize = 500;
/// So many repairs that overwrite or delete something are never too many.
const FEW: u64 = 10;

/// What is kept: one item. The report is that of the reconciliation that is under way, or of the last one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// Random, and another one with each write. None before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The report; none before the first reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Where the reconciliation stands; none where none is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The differences that this reconciliation has found and not mended, the first 500 of them: 64 random bits of each brand's id.
    #[serde(default)]
    pub found: Vec<u64>,
    /// Those of the one before.
    #[serde(default)]
    pub found_before: Vec<u64>,
}

/// Who works on a reconciliation, and until when no other worker may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The worker's random token.
    pub token: String,
    /// Until when.
    pub until: Timestamp,
}

/// Where a reconciliation stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Whether it mends. It has looked at everything before.
    #[serde(default)]
    pub mends: bool,
    /// What it goes through.
    pub stage: Stage,
    /// Behind which place; none at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Cursor {
    /// Where a reconciliation begins.
    pub const START: Self = Self {
        mends: false,
        stage: Stage::Brands,
        after: None,
    };
    /// Where it begins to mend.
    pub const MENDING: Self = Self {
        mends: true,
        ..Self::START
    };

    /// Behind that place of the same stage; at the next stage where there is none. None after the last one.
    #[must_use]
    pub fn next(&self, after: Option<String>) -> Option<Self> {
        let stage = match (&after, self.stage) {
            (Some(_), stage) => stage,
            (None, Stage::Brands) => Stage::Entries,
            (None, Stage::Entries) => Stage::UnlinkedEntries,
            (None, Stage::UnlinkedEntries) => return None,
        };
        Some(Self {
            mends: self.mends,
            stage,
            after,
        })
    }
}

/// What a reconciliation goes through, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// All brands here.
    Brands,
    /// All entries of the CMS that bear a brand's id.
    Entries,
    /// Its other entries.
    UnlinkedEntries,
}

impl Stage {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Brands => "brands",
            Self::Entries => "entries",
            Self::UnlinkedEntries => "unlinked_entries",
        }
    }
}

/// A request for a reconciliation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who: the id of a user of the API, the name of a command line, `schedule`, or `webhooks`.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Whether it only looks, whatever the policies say.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a reconciliation has found and done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its id.
    pub id: String,
    /// Who asked for it, when, and whether it only looks.
    pub request: Request,
    /// What follows from a difference.
    pub policies: Policies,
    /// When it began.
    pub began_at: Timestamp,
    /// When it got on the last time.
    pub moved_at: Timestamp,
    /// When it ended; none while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it does not get on at the moment: the CMS, or the table, is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Why it ended before it was through, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// How many brands it has looked at.
    pub brands: u64,
    /// How many entries of the CMS, of both kinds.
    pub entries: u64,
    /// How many requests it has sent to the CMS.
    pub requests: u64,
    /// How many brands are synced, by their rows.
    pub synced: u64,
    /// How many of those the CMS holds.
    pub matched: u64,
    /// How many brands and entries there are of each class.
    pub counts: BTreeMap<Class, u64>,
    /// How many repairs the policies ask for that overwrite or delete something.
    pub destructive: u64,
    /// How many of those were made.
    pub destroyed: u64,
    /// How many repairs they ask for in all.
    pub planned: u64,
    /// How many were made, by class.
    pub repaired: BTreeMap<Class, u64>,
    /// How many could not be made: the brand has changed meanwhile, or its new name is not valid.
    pub not_repaired: u64,
    /// How many rows cannot be read.
    pub unreadable: u64,
    /// How many of the differences the reconciliation before has found, too, and none of the two has mended. Of the first 500.
    pub lasting: u64,
    /// Examples, by class.
    pub examples: Vec<Example>,
}

/// An example of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Its class.
    pub class: Class,
    /// The brand; none where an entry bears no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The CMS's own id of the entry, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The name here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub here: Option<String>,
    /// The name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<String>,
    /// The name that both sides agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<String>,
    /// What else there is to say: why it was not mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Report {
    /// The report of a reconciliation that begins.
    #[must_use]
    pub fn new(id: String, request: Request, policies: Policies, now: Timestamp) -> Self {
        Self {
            id,
            policies: if request.dry_run {
                Policies::default()
            } else {
                policies
            },
            request,
            began_at: now,
            moved_at: now,
            ended_at: None,
            waits_for: None,
            stopped: None,
            brands: 0,
            entries: 0,
            requests: 0,
            synced: 0,
            matched: 0,
            counts: BTreeMap::new(),
            destructive: 0,
            destroyed: 0,
            planned: 0,
            repaired: BTreeMap::new(),
            not_repaired: 0,
            unreadable: 0,
            lasting: 0,
            examples: Vec::new(),
        }
    }

    /// How many differences are left.
    #[must_use]
    pub fn drift(&self) -> u64 {
        let differences = self
            .counts
            .iter()
            .filter(|(class, _)| class.is_difference());
        let differences: u64 = differences.map(|(_, count)| count).sum();
        differences.saturating_sub(self.repairs())
    }

    /// How many repairs were made.
    #[must_use]
    pub fn repairs(&self) -> u64 {
        self.repaired.values().sum()
    }

    /// How many repairs may overwrite or delete something.
    #[must_use]
    pub fn most_destructive(&self) -> u64 {
        FEW.max(self.brands / 10)
    }

    /// Why nothing may be mended: a guard against the wrong CMS, and against a mistake that would spread.
    #[must_use]
    pub fn guard(&self) -> Option<String> {
        if self.synced > 0 && self.matched == 0 {
            let synced = self.synced;
            return Some(format!(
                "the CMS holds none of the {synced} brands that are synced: is it the right one?"
            ));
        }
        let most = self.most_destructive();
        (self.destructive > most).then(|| {
            format!(
                "{} brands or entries would be overwritten or deleted, and at most {most} may be",
                self.destructive
            )
        })
    }

    /// Notes at an example of that difference, if it is one that is kept, why it was not mended.
    pub fn note(&mut self, example: &Example, reason: &str) {
        let is_it = |kept: &&mut Example| {
            (kept.class, &kept.id, &kept.entry) == (example.class, &example.id, &example.entry)
        };
        if let Some(kept) = self.examples.iter_mut().find(is_it) {
            kept.note = Some(reason.chars().take(NAME).collect());
        }
    }

    /// Keeps an example, if there are few of its class.
    pub fn example(&mut self, mut example: Example) {
        let class = example.class;
        let of_class = self.examples.iter().filter(|kept| kept.class == class);
        if of_class.count() >= EXAMPLES {
            return;
        }
        let texts = [
            &mut example.id,
            &mut example.entry,
            &mut example.here,
            &mut example.there,
            &mut example.agreed,
            &mut example.note,
        ];
        for text in texts.into_iter().flatten() {
            *text = text.chars().take(NAME).collect();
        }
        self.examples.push(example);
    }
}

impl Reconciliation {
    /// Whether one is under way.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.cursor.is_some()
    }

    /// Whether a worker is at it.
    #[must_use]
    pub fn is_leased(&self, now: Timestamp) -> bool {
        /// No lease is longer. One that reaches further was written by a clock that was wrong.
        const LONGEST: Duration = Duration::from_mins(20);
        let lease = self.lease.as_ref();
        lease.is_some_and(|lease| now < lease.until && lease.until <= now.plus(LONGEST))
    }

    /// Begins one. What the last one has found and left is remembered.
    pub fn begin(&mut self, report: Report) {
        if self.report.is_some() {
            self.found_before = std::mem::take(&mut self.found);
        }
        self.found.clear();
        self.report = Some(report);
        self.cursor = Some(Cursor::START);
    }

    /// Remembers a difference.
    pub fn remember(&mut self, id: BrandId) {
        if self.found.len() < REMEMBERED {
            self.found.push(id.random_bits());
        }
    }

    /// A difference is mended.
    pub fn forget(&mut self, id: BrandId) {
        self.found.retain(|found| *found != id.random_bits());
    }

    /// Ends the one that is under way; `stopped` says why, where it is not through. Then the next one is compared with the one before.
    pub fn end(&mut self, stopped: Option<String>, now: Timestamp) {
        self.cursor = None;
        self.lease = None;
        let found = self.found.iter();
        let lasting = found.filter(|found| self.found_before.contains(found));
        let lasting = u64::try_from(lasting.count()).unwrap_or(u64::MAX);
        if let Some(report) = &mut self.report {
            report.lasting = lasting;
            report.waits_for = None;
            report.ended_at = Some(now);
            if stopped.is_some() {
                self.found = self.found_before.clone();
            }
            report.stopped = stopped;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use brand::{BrandId, Timestamp};

    use super::{Class, Cursor, Example, Policies, Reconciliation, Report, Request, Stage};
    use crate::Edits;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_795_427_107_966)
    }

    fn report(dry_run: bool) -> Report {
        let request = Request {
            by: "user_1".to_owned(),
            at: now(),
            dry_run,
        };
        let policies = Policies {
            edits: Edits::Overwrite,
            ..Policies::default()
        };
        Report::new("id".to_owned(), request, policies, now())
    }

    #[test]
    fn a_dry_run_has_no_policy() {
        assert_eq!(report(true).policies, Policies::default());
        assert_eq!(report(false).policies.edits, Edits::Overwrite);
    }

    #[test]
    fn it_goes_through_all_stages() {
        let mut cursor = Some(Cursor::START);
        let mut stages = Vec::new();
        while let Some(at) = cursor {
            stages.push((at.stage, at.after.is_some()));
            let is_first = at.after.is_none();
            cursor = at.next(is_first.then(|| "place".to_owned()));
        }
        let expected = [Stage::Brands, Stage::Entries, Stage::UnlinkedEntries]
            .map(|stage| [(stage, false), (stage, true)]);
        assert_eq!(stages, expected.as_flattened());
    }

    #[test]
    fn what_two_in_a_row_have_found_and_not_mended_lasts() {
        let ids: Vec<BrandId> = (0..4).map(|_| BrandId::new(now())).collect();
        let [first, second, third, fourth] = ids[..] else {
            unreachable!()
        };
        let mut kept = Reconciliation::default();
        let mut reconcile = |found: &[BrandId], mended: &[BrandId]| {
            kept.begin(report(false));
            for id in found {
                kept.remember(*id);
            }
            for id in mended {
                kept.forget(*id);
            }
            kept.end(None, now());
            kept.report.clone().unwrap().lasting
        };
        assert_eq!(reconcile(&[first, second, third], &[third]), 0);
        assert_eq!(reconcile(&[second, first, third, fourth], &[first]), 1);
        assert_eq!(reconcile(&[first], &[]), 0);
    }

    #[test]
    fn the_guards() {
        let guard = |brands, destructive, (synced, matched)| {
            let report = Report {
                brands,
                synced,
                matched,
                destructive,
                ..report(false)
            };
            report.guard().is_some()
        };
        for (brands, destructive, expected) in [
            (10, 10, false),
            (10, 11, true),
            (1_000, 100, false),
            (1_000, 101, true),
            (0, 11, true),
        ] {
            let stops = guard(brands, destructive, (brands, brands));
            assert_eq!(stops, expected, "{destructive} of {brands}");
        }
        assert!(guard(5, 0, (1, 0)));
        assert!(!guard(5, 0, (0, 0)));
        assert!(!guard(5, 0, (5, 1)));
    }

    #[test]
    fn few_examples_of_a_class_are_kept_with_short_names() {
        let mut report = report(false);
        for class in [Class::Orphan, Class::EditedThere] {
            for _ in 0..20 {
                report.example(Example {
                    class,
                    id: None,
                    entry: None,
                    here: Some("ö".repeat(255)),
                    there: None,
                    agreed: None,
                    note: None,
                });
            }
        }
        assert_eq!(report.examples.len(), 10);
        let names = report.examples.iter().map(|example| example.here.clone());
        assert!(names.flatten().all(|name| name.chars().count() == 100));
    }

    #[test]
    fn what_is_mended_is_no_drift() {
        let mut report = report(false);
        report.counts.insert(Class::Equal, 7);
        report.counts.insert(Class::InFlight, 2);
        report.counts.insert(Class::Orphan, 3);
        report.counts.insert(Class::EditedThere, 4);
        report.repaired.insert(Class::EditedThere, 3);
        assert_eq!((report.drift(), report.repairs()), (4, 3));
    }
}
