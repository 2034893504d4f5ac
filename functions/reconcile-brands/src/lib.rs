//! Compares the brands with the entries of the CMS, reports what differs, and mends it where a policy says how.
//!
//! A reconciliation goes through all brands (their rows, and the entries that bear their ids), through all entries that bear an id, and
//! through those that bear none, page by page. First it looks at everything. If the guards permit it, it goes through all again and
//! mends. Where it stands is kept in one item: so it goes on in the next invocation, a minute later, also where this one dies.
//!
//! | it dies | what follows |
//! |---|---|
//! | between two saves | the pages since the last one are looked at again; what was counted of them is not saved, so nothing counts twice |
//! | in the midst of mending | what is made due is under way, what is taken in is equal: the next one finds nothing left to mend there |
//! | with its lease | the next one goes on when that has run out |
//!
//! Nothing is changed in the CMS from here. A row is made due, and the sync changes the CMS as ever; what an editor has written becomes
//! the brand's by the workflow `sync-brands-from-cms`. Every write names what was seen, so a change that races wins.

mod caller;
mod compare;
mod halt;
mod intake;
mod mend;
mod pages;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use brand::{BrandId, BrandWriter, CMS_SUBSCRIBER, Inventory, SyncStore, Timestamp};
use reconcile::{
    Asked, Class, Cursor, Hint, Inbox, Lease, Policies, Reconciliation, ReconciliationError,
    ReconciliationStore, Repair, Report, Request, Stage,
};
use serde::{Deserialize, Serialize};
use telemetry::Metrics;
use tracing::{error, info, warn};

pub use caller::CmsCaller;
use compare::{Both, Entry, Finding};
use halt::{Halt, Moment};
pub use intake::{
    Agree, CreateBrand, DeleteBrand, HoldRow, Intake, IntakeContext, RenameBrand, Renaming, Seen,
    SyncBrandsFromCms, WORKFLOW,
};
use mend::Mended;
use pages::PAGE;

/// How much time a page takes at most.
const FOR_A_PAGE: Duration = Duration::from_secs(15);
/// How much time a repair takes at most.
const FOR_A_REPAIR: Duration = Duration::from_secs(3);
/// How often the place is saved.
const SAVE_AFTER: Duration = Duration::from_secs(5);
/// How long a worker may be away before another one goes on.
const LEASE: Duration = Duration::from_mins(2);
/// How long a reconciliation waits for the CMS.
const PATIENCE: Duration = Duration::from_hours(24);
/// So many repairs that overwrite something are made at the webhooks' hints; if there are more, or something would be deleted, the
/// guards of a whole reconciliation are asked.
const FEW: usize = 10;
/// The longest place in a list of the CMS, in bytes. It is kept.
const LONGEST_PLACE: usize = 1024;

/// What the schedule, or an operator, sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// Whether a reconciliation begins, unless one is under way.
    #[serde(default)]
    pub begin: bool,
}

/// What an invocation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// There was nothing to do.
    Idle,
    /// Another invocation is at it.
    Busy,
    /// The reconciliation is under way.
    UnderWay,
    /// It is done.
    Done,
    /// A guard, or what it met, has stopped it.
    Stopped,
    /// Single brands were looked at.
    Looked,
}

/// The handler: the brands, the CMS, and where the report is kept.
pub struct ReconcileBrands<S> {
    /// The brands.
    pub brands: S,
    /// The CMS.
    pub caller: CmsCaller,
    /// The report.
    pub kept: Arc<dyn ReconciliationStore>,
    /// What was asked for.
    pub inbox: Arc<dyn Inbox>,
    /// What follows from a difference.
    pub policies: Policies,
    /// Names the CMS: the ids of brands that are made of its entries follow from it.
    pub target: String,
    /// Whether an entry that is not found is deleted. In some CMSes an editor may have unpublished it as well; then no brand is deleted.
    pub absent_is_deleted: bool,
}

impl<S> ReconcileBrands<S>
where
    S: Inventory + SyncStore + BrandWriter + Clone + 'static,
{
    /// Goes on with the reconciliation that is under way, or begins the one that was asked for. Otherwise it looks at what the webhooks
    /// hint at. `deadline` is when the invocation ends, in milliseconds since the Unix epoch.
    pub async fn handle(
        &self,
        event: Event,
        deadline: Option<u64>,
    ) -> Result<Answer, ReconciliationError> {
        let moment = Moment {
            environment: &*self.caller.environment,
            deadline: deadline.map(workflow::Timestamp::from_millis),
        };
        let answer = self.work(event, moment).await;
        self.caller.flush().await;
        answer
    }

    async fn work(&self, event: Event, moment: Moment<'_>) -> Result<Answer, ReconciliationError> {
        let mut kept = self.kept.load(CMS_SUBSCRIBER).await?;
        let asked = self.inbox.look(CMS_SUBSCRIBER).await?;
        let by_schedule = event.begin.then(|| Request {
            by: "schedule".to_owned(),
            at: moment.now(),
            dry_run: false,
        });
        if kept.is_under_way() {
            let report = kept.report.as_ref();
            if report.is_some_and(|report| report.waits_for.is_some()) {
                // It may wait for long, and a look at a single brand may succeed.
                self.look(&asked.hints, moment).await?;
            }
            self.ask_later(by_schedule, report.map(|report| &report.request))
                .await?;
        } else {
            let Some(request) = asked.request.clone().or_else(|| by_schedule.clone()) else {
                return self.look(&asked.hints, moment).await;
            };
            let id = self.caller.environment.token();
            info!(
                reconciliation = id,
                by = request.by,
                "a reconciliation begins"
            );
            let mut taken = asked;
            if request.dry_run {
                taken.hints.clear();
            }
            kept.begin(Report::new(
                id,
                request.clone(),
                self.policies,
                moment.now(),
            ));
            if !self.save(&mut kept).await? {
                return Ok(Answer::Busy);
            }
            // It looks at everything, so at what was hinted at as well.
            self.inbox.take(CMS_SUBSCRIBER, &taken).await?;
            self.ask_later(by_schedule, Some(&request)).await?;
        }
        if kept.is_leased(moment.now()) {
            return Ok(Answer::Busy);
        }
        self.go_on(kept, moment).await
    }

    /// Where one is under way that only looks, that of the schedule comes after it.
    async fn ask_later(
        &self,
        by_schedule: Option<Request>,
        under_way: Option<&Request>,
    ) -> Result<(), ReconciliationError> {
        match by_schedule {
            Some(request) if under_way.is_some_and(|under_way| under_way.dry_run) => {
                self.inbox.ask(CMS_SUBSCRIBER, &request).await
            }
            _ => Ok(()),
        }
    }

    /// Goes through pages as long as there is time.
    async fn go_on(
        &self,
        mut kept: Reconciliation,
        moment: Moment<'_>,
    ) -> Result<Answer, ReconciliationError> {
        let token = self.caller.environment.token();
        let mut saved_at = moment.now();
        kept.lease = Some(lease(&token, saved_at));
        if !self.save(&mut kept).await? {
            return Ok(Answer::Busy);
        }
        while let Some(cursor) = kept.cursor.clone() {
            if !moment.has(FOR_A_PAGE) {
                break;
            }
            let Some(mut report) = kept.report.clone() else {
                kept.cursor = None;
                break;
            };
            let found = kept.found.clone();
            let page = Page {
                cursor: &cursor,
                report: &mut report,
                kept: &mut kept,
            };
            let gone_on = self.page(page, moment).await;
            let now = moment.now();
            match gone_on {
                Ok(next) => {
                    report.waits_for = None;
                    report.moved_at = now;
                    kept.report = Some(report);
                    move_to(&mut kept, &cursor, next, now);
                }
                Err(halt) => {
                    // The page is looked at again, and what is mended stays mended.
                    if cursor.mends {
                        kept.report = Some(report);
                    } else {
                        kept.found = found;
                    }
                    halted(&mut kept, &halt, now);
                    break;
                }
            }
            // What it has seen is saved before it mends, so that it is not counted again afterwards.
            let begins_to_mend = kept.cursor == Some(Cursor::MENDING) && !cursor.mends;
            let is_due = begins_to_mend || now.since(saved_at) >= SAVE_AFTER;
            if is_due && kept.is_under_way() {
                kept.lease = Some(lease(&token, now));
                if !self.save(&mut kept).await? {
                    return Ok(Answer::Busy);
                }
                saved_at = now;
            }
        }
        kept.lease = None;
        if !self.save(&mut kept).await? {
            return Ok(Answer::Busy);
        }
        Ok(ended(&kept))
    }

    /// Looks at a page, or mends it. Returns the next place.
    async fn page(&self, page: Page<'_>, moment: Moment<'_>) -> Result<Option<Cursor>, Halt> {
        let both = Both {
            brands: &self.brands,
            caller: &self.caller,
            moment,
        };
        let after = page.cursor.after.as_deref();
        let (seen, next) = match page.cursor.stage {
            Stage::Brands => both.page_of_brands(after).await?,
            Stage::Entries => both.page_of_entries(after, &self.target).await?,
            Stage::UnlinkedEntries => both.page_of_unlinked_entries(after, &self.target).await?,
        };
        if let Some(next) = &next {
            if Some(&**next) == after {
                let reason = "the CMS answers with the same page again";
                return Err(Halt::Stopped(reason.to_owned()));
            }
            if next.len() > LONGEST_PLACE {
                let reason = "the CMS answers with a place that is too long to keep";
                return Err(Halt::Stopped(reason.to_owned()));
            }
        }
        if page.cursor.mends {
            seen.check()?;
            self.mend(page.report, page.kept, &seen.findings, &both)
                .await?;
            page.report.requests += seen.requests;
        } else {
            seen.count(page.report, page.kept);
        }
        Ok(page.cursor.next(next))
    }

    /// Mends what was found.
    async fn mend(
        &self,
        report: &mut Report,
        kept: &mut Reconciliation,
        findings: &[Finding],
        both: &Both<'_, S>,
    ) -> Result<(), Halt> {
        for finding in findings {
            let class = finding.class;
            let Some(repair) = self.repair(finding, report.policies) else {
                continue;
            };
            if !both.moment.has(FOR_A_REPAIR) {
                return Err(Halt::NoTime);
            }
            // More may differ by now than it did while it looked.
            let is_destructive = repair.is_destructive(class);
            if is_destructive && report.destroyed >= report.most_destructive() {
                let reason = "more would be overwritten or deleted than the first look had found";
                return Err(Halt::Stopped(reason.to_owned()));
            }
            match both.mend(finding, repair).await? {
                Mended::Made => {
                    report.destroyed += u64::from(is_destructive);
                    *report.repaired.entry(finding.class).or_default() += 1;
                    kept.forget(finding.id);
                }
                Mended::NotMade(reason) => {
                    report.not_repaired += 1;
                    report.note(&finding.example(), &reason);
                }
            }
        }
        Ok(())
    }

    /// What is done about a difference, if those policies and those of today both say so.
    fn repair(&self, finding: &Finding, policies: Policies) -> Option<Repair> {
        let of = |policies| Repair::of(finding.class, finding.standing, policies);
        let repair = of(policies).filter(|repair| of(self.policies) == Some(*repair))?;
        (repair != Repair::Delete || self.absent_is_deleted).then_some(repair)
    }

    /// Looks at single brands, and at the entries without a brand, that webhooks hint at, and mends them.
    async fn look(
        &self,
        hints: &BTreeSet<Hint>,
        moment: Moment<'_>,
    ) -> Result<Answer, ReconciliationError> {
        if hints.is_empty() {
            return Ok(Answer::Idle);
        }
        // They are taken out before they are followed: a hint that comes meanwhile stays.
        let asked = Asked {
            request: None,
            hints: hints.clone(),
        };
        self.inbox.take(CMS_SUBSCRIBER, &asked).await?;
        match self.follow(hints, moment).await {
            Ok(()) => {}
            Err(halt) => {
                let reason = telemetry::chain(&halt);
                warn!(reason, "the hints of the webhooks wait");
                for hint in hints {
                    self.inbox.hint(CMS_SUBSCRIBER, hint).await?;
                }
            }
        }
        Ok(Answer::Looked)
    }

    async fn follow(&self, hints: &BTreeSet<Hint>, moment: Moment<'_>) -> Result<(), Halt> {
        let both = Both {
            brands: &self.brands,
            caller: &self.caller,
            moment,
        };
        let ids: Vec<BrandId> = hints.iter().filter_map(Hint::id).collect();
        let mut findings = Vec::new();
        for ids in ids.chunks(PAGE.into()) {
            findings.extend(both.compare(ids).await?.findings);
        }
        if hints.contains(&Hint::entries()) {
            let asked = || self.caller.cms.list_unlinked(None, PAGE);
            let listed = self.caller.call(moment.latest(), asked).await?;
            let entries = listed.entries.into_iter().map(Entry::from).collect();
            findings.extend(both.made_there(&self.target, entries).await?);
        }
        for finding in &findings {
            if finding.class == Class::InFlight && finding.state().mark.is_none() {
                // The sync is at it: a minute later the CMS is looked at again.
                let hint = Hint::brand(finding.id);
                let asked = self.inbox.hint(CMS_SUBSCRIBER, &hint).await;
                asked.map_err(|cause| Halt::Stopped(telemetry::chain(&cause)))?;
            }
        }
        findings.retain(|finding| finding.class.is_difference());
        let repair = |finding: &Finding| self.repair(finding, self.policies);
        let destructive = findings.iter().filter_map(|finding| {
            repair(finding).filter(|repair| repair.is_destructive(finding.class))
        });
        let destructive: Vec<Repair> = destructive.collect();
        if destructive.len() > FEW || destructive.contains(&Repair::Delete) {
            let request = Request {
                by: "webhooks".to_owned(),
                at: moment.now(),
                dry_run: false,
            };
            let asked = self.inbox.ask(CMS_SUBSCRIBER, &request).await;
            return asked.map_err(|cause| Halt::Stopped(telemetry::chain(&cause)));
        }
        for finding in &findings {
            info!(brand.id = %finding.id, class = %finding.class, "an editor has changed the CMS");
            if let Some(repair) = repair(finding) {
                both.mend(finding, repair).await?;
            }
        }
        Ok(())
    }

    /// Saves the reconciliation. False where another one has written it since.
    async fn save(&self, kept: &mut Reconciliation) -> Result<bool, ReconciliationError> {
        let expected = kept.revision.replace(self.caller.environment.token());
        self.kept
            .commit(CMS_SUBSCRIBER, kept, expected.as_deref())
            .await
    }
}

/// The next place; at the end of looking, the decision whether anything is mended.
fn move_to(kept: &mut Reconciliation, cursor: &Cursor, next: Option<Cursor>, now: Timestamp) {
    kept.cursor = next;
    let Some(report) = kept.report.as_ref().filter(|_| kept.cursor.is_none()) else {
        return;
    };
    if cursor.mends {
        return kept.end(None, now);
    }
    let guard = report.guard();
    if guard.is_none() && report.planned > 0 && !report.request.dry_run {
        kept.cursor = Some(Cursor::MENDING);
    } else {
        kept.end(guard, now);
    }
}

fn halted(kept: &mut Reconciliation, halt: &Halt, now: Timestamp) {
    let reason = telemetry::chain(halt);
    match halt {
        Halt::NoTime => return,
        Halt::Stopped(_) => {
            error!(reason, "the reconciliation is stopped");
            return kept.end(Some(reason), now);
        }
        Halt::Cms(_) | Halt::Brands(_) => {
            warn!(
                reason,
                "the reconciliation waits; the next invocation goes on"
            );
        }
    }
    let Some(report) = &mut kept.report else {
        return;
    };
    if now.since(report.moved_at) >= PATIENCE {
        kept.end(Some(format!("a day without progress: {reason}")), now);
    } else {
        report.waits_for = Some(reason);
    }
}

/// A page of a reconciliation.
struct Page<'a> {
    cursor: &'a Cursor,
    report: &'a mut Report,
    kept: &'a mut Reconciliation,
}

fn lease(token: &str, now: Timestamp) -> Lease {
    Lease {
        token: token.to_owned(),
        until: now.plus(LEASE),
    }
}

/// How the invocation leaves it. The metrics of a reconciliation are written once, at its end.
fn ended(kept: &Reconciliation) -> Answer {
    let Some(report) = kept.report.as_ref().filter(|_| !kept.is_under_way()) else {
        return Answer::UnderWay;
    };
    let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let mut metrics = Metrics::new();
    let is_stopped = report.stopped.is_some();
    if !is_stopped {
        metrics.add_many("drift", count(report.drift()));
        metrics.add_many("lasting_drift", count(report.lasting));
    }
    metrics.add_many("repaired", count(report.repairs()));
    metrics.add_many("reconciliation_stopped", usize::from(is_stopped));
    metrics.emit("reconcile-brands");
    let (brands, entries, drift) = (report.brands, report.entries, report.drift());
    if let Some(reason) = &report.stopped {
        error!(
            brands,
            entries, drift, reason, "the reconciliation has stopped"
        );
        Answer::Stopped
    } else {
        let repaired = report.repairs();
        info!(
            brands,
            entries, drift, repaired, "the reconciliation is done"
        );
        Answer::Done
    }
}
