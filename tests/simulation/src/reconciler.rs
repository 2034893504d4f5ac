//! The reconciliation: a process each minute, which dies or stands still as all do, and the last ones, when all is at rest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::Duration,
};

use brand::{BrandId, BrandRow, CMS_SUBSCRIBER};
use circuit::{CircuitGate, Pace};
use futures::FutureExt;
use reconcile::{Class, Inbox, Policies, ReconciliationStore, Repair, Report, Standing};
use reconcile_brands::{CmsCaller, Event, ReconcileBrands};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use workflow::Environment;

use crate::{
    client,
    cms::CmsClient,
    dynamodb::DynamoDb,
    entries::TARGET,
    plan::{Editors, Fault},
    process::{CMS_TIMEOUT, Freezable},
    world::{Clock, World},
};

/// As in the template.
const INVOCATION: Duration = Duration::from_secs(55);
const MINUTE: Duration = Duration::from_mins(1);
const WHO: &str = "reconciler";

/// A process of reconcile-brands.
struct Reconciler {
    clock: Arc<Clock>,
    last_moment: Arc<Mutex<Instant>>,
    handler: ReconcileBrands<DynamoDb>,
}

impl Reconciler {
    fn start(world: &Arc<World>, editors: Editors) -> Arc<Self> {
        let (table, clock) = (DynamoDb::new(world, WHO), Arc::new(Clock::new(world)));
        let last_moment = Arc::new(Mutex::new(Instant::now()));
        let cms = CmsClient {
            world: Arc::clone(world),
            worker: WHO.into(),
            last_moment: Arc::clone(&last_moment),
        };
        let handler = ReconcileBrands {
            brands: table.clone(),
            caller: CmsCaller {
                cms: Arc::new(cms),
                gate: CircuitGate::new(world.breaker(Arc::new(table.clone()))),
                pace: Pace::new(world.plan.share_of_rate()),
                reports: None,
                timeout: CMS_TIMEOUT,
                environment: clock.clone(),
            },
            kept: Arc::new(table.clone()),
            inbox: Arc::new(table),
            policies: editors.reconciler.unwrap_or(editors.policies),
            target: TARGET.to_owned(),
            absent_is_deleted: true,
        };
        Arc::new(Self {
            clock,
            last_moment,
            handler,
        })
    }
}

/// The schedule: an invocation each minute, and a reconciliation now and then.
pub(crate) async fn schedule(world: Arc<World>) {
    let Some(editors) = world.plan.editors else {
        return;
    };
    let busy = u64::try_from(world.plan.busy.as_millis()).unwrap();
    let some_time = || world.chance.millis(20_000..60_000 + busy / 2);
    let mut begin_at = world.begun + some_time();
    let mut next = world.begun + world.plan.sweep_at;
    let (returns, mut returned) = mpsc::unbounded_channel();
    loop {
        sleep_until(next).await;
        next += MINUTE;
        let mut begin = world.reconcile.swap(false, Relaxed);
        if Instant::now() >= begin_at && !world.is_calm() {
            begin = true;
            begin_at = Instant::now() + some_time();
        }
        if begin || has_work(&world) {
            let idle = returned.try_recv();
            let process = idle.unwrap_or_else(|_| Reconciler::start(&world, editors));
            let (world, returns) = (Arc::clone(&world), returns.clone());
            tokio::spawn(async move {
                if invoke(&world, &process, begin).await {
                    let _ = returns.send(process);
                }
            });
        }
    }
}

/// Whether an invocation would find something to do.
fn has_work(world: &World) -> bool {
    let kept = world.reconciliations.load(CMS_SUBSCRIBER);
    let asked = world.reconciliations.look(CMS_SUBSCRIBER);
    let kept = kept.now_or_never().unwrap().unwrap();
    let asked = asked.now_or_never().unwrap().unwrap();
    kept.is_under_way() || asked.request.is_some() || !asked.hints.is_empty()
}

/// One invocation. Answers whether the process survives.
async fn invoke(world: &World, process: &Arc<Reconciler>, begin: bool) -> bool {
    let deadline = process.clock.now().plus(INVOCATION).as_millis();
    *process.last_moment.lock().unwrap() = Instant::now() + INVOCATION;
    // It may die at the end, too, when nothing else goes wrong.
    let strikes = |fault: Fault| {
        let strikes = world.chance.permille(world.plan.rates[fault as usize]);
        if strikes {
            world.story.count(fault);
        }
        strikes
    };
    let freeze = strikes(Fault::ReconcilerStoodStill).then(|| {
        let at = Instant::now() + world.chance.millis(0..1_000);
        (at, at + world.chance.millis(20_000..200_000))
    });
    let some_time = world.chance.one_of(&[100, 1_000, 10_000]);
    let lifetime = match freeze {
        Some((_, until)) => until - Instant::now() + INVOCATION,
        None if strikes(Fault::ReconcilerKilled) => world.chance.millis(0..some_time),
        None => INVOCATION,
    };
    let handler = Arc::clone(process);
    let work = async move {
        let event = Event { begin };
        handler.handler.handle(event, Some(deadline)).await
    };
    let mut task = tokio::spawn(Freezable::new(work, freeze));
    match timeout(lifetime, &mut task).await {
        Ok(Ok(Ok(answer))) => world.tell(WHO, format_args!("{answer:?}")),
        Ok(Ok(Err(error))) => world.tell(WHO, error),
        Ok(Err(_)) => world.break_promise("the reconciliation panicked"),
        Err(_) => {
            task.abort();
            let _ = task.await;
            world.tell(WHO, "dies");
            return false;
        }
    }
    true
}

/// All is at rest: reconciles until nothing is left that a policy mends, and compares what is reported with what there is.
pub(crate) async fn at_rest(world: &Arc<World>) {
    const ROUNDS: usize = 4;
    let Some(editors) = world.plan.editors else {
        return;
    };
    for round in 1..=ROUNDS {
        // One that began earlier ends first.
        until_done(world, false).await;
        client::come_to_rest(world).await;
        let expected = differences(world);
        let planned = mendable(&expected, editors.policies);
        let report = until_done(world, true).await;
        let Some(report) = report.filter(|_| !world.story.is_broken()) else {
            return;
        };
        // One that died in the midst of mending has looked again, at what was mended by then.
        if planned.is_none() {
            compare(world, &report, &expected);
        }
        if report.stopped.is_some() {
            return stopped(world, &report);
        }
        for (class, repaired) in &report.repaired {
            world.tell("world", format_args!("{repaired} of {class} are mended"));
            world.story.count(Fault::Repaired);
        }
        client::come_to_rest(world).await;
        if planned.is_none() {
            return;
        }
        if round == ROUNDS {
            let what = planned.unwrap_or_default();
            world.break_promise(format_args!(
                "a policy mends it, and it is not mended: {what}"
            ));
        }
    }
}

/// Waits until no reconciliation is under way; begins one before, if that is asked for.
async fn until_done(world: &Arc<World>, begins: bool) -> Option<Report> {
    const LONGEST: Duration = Duration::from_hours(6);
    let kept = || {
        let kept = world.reconciliations.load(CMS_SUBSCRIBER);
        kept.now_or_never().unwrap().unwrap()
    };
    let (since, before) = (world.age(), kept().report.map(|report| report.id));
    loop {
        let now = kept();
        let has_begun = !begins || now.report.as_ref().map(|report| &report.id) != before.as_ref();
        if has_begun && !has_work(world) {
            return now.report;
        }
        world.reconcile.store(!has_begun, Relaxed);
        if world.age() > since + LONGEST {
            world.break_promise("a reconciliation is not done after hours");
        }
        if world.story.is_broken() {
            return None;
        }
        sleep(MINUTE).await;
    }
}

/// A brand, or an entry without one, and how it differs.
struct Difference {
    id: BrandId,
    class: Class,
    row: Option<BrandRow>,
}

/// How each brand and each entry differs, by what the world knows.
fn differences(world: &World) -> Vec<Difference> {
    let rows = world.brands.all_rows().into_iter();
    let (living, deleted): (Vec<_>, Vec<_>) = rows.partition(|row| row.brand.deleted_at.is_none());
    let ids: Vec<BrandId> = living.iter().map(|row| row.brand.id).collect();
    let mut found: Vec<Difference> = living
        .into_iter()
        .map(|row| Difference {
            id: row.brand.id,
            class: class(world, &row),
            row: Some(row),
        })
        .collect();
    let others = world.cms.brands().into_iter();
    let others = others.filter_map(|id| id.parse().ok());
    found.extend(others.filter(|id| !ids.contains(id)).map(|id| Difference {
        id,
        class: Class::Orphan,
        row: deleted.iter().find(|row| row.brand.id == id).cloned(),
    }));
    let made = world.cms.with(|entries| entries.unlinked_brands());
    found.extend(made.into_iter().map(|(id, _)| Difference {
        id,
        class: Class::MadeThere,
        row: world.brands.row(id),
    }));
    found
}

fn class(world: &World, row: &BrandRow) -> Class {
    let here = row.brand.name.to_string();
    let holds = row.subscriber(CMS_SUBSCRIBER).holds;
    let agreed = holds.filter(|held| !held.unlinked).map(|held| held.name);
    match (world.cms.holds(&row.brand.id.to_string()), agreed) {
        (Some(there), _) if there == here => Class::Equal,
        (None, None) => Class::MissingThere,
        (None, Some(_)) => Class::DeletedThere,
        (Some(there), Some(agreed)) if there == agreed => Class::StaleThere,
        (Some(_), Some(agreed)) if here == agreed => Class::EditedThere,
        (Some(_), _) => Class::EditedOnBothSides,
    }
}

/// The first difference that those policies mend.
fn mendable(found: &[Difference], policies: Policies) -> Option<String> {
    let found = found.iter().find(|Difference { class, row, .. }| {
        let mark = row
            .as_ref()
            .is_some_and(|row| row.attention_since().is_some());
        let standing = if mark {
            Standing::Marked
        } else {
            Standing::Settled
        };
        let had_brand = *class == Class::MadeThere && row.is_some();
        !had_brand && Repair::of(*class, standing, policies).is_some()
    });
    found.map(|found| format!("{} {}", found.class, found.id))
}

fn compare(world: &World, report: &Report, expected: &[Difference]) {
    let mut counts = BTreeMap::new();
    for Difference { class, .. } in expected {
        *counts.entry(*class).or_insert(0) += 1;
    }
    if report.counts != counts {
        let reported = &report.counts;
        world.break_promise(format_args!(
            "there is {counts:?}, and reported is {reported:?}"
        ));
    }
}

/// A guard stops it only where the CMS holds none of the brands that are synced.
fn stopped(world: &World, report: &Report) {
    world.story.count(Fault::ReconciliationStopped);
    let is_there = |row: &BrandRow| world.cms.holds(&row.brand.id.to_string()).is_some();
    let rows = world.brands.all_rows();
    let mut synced = rows.iter().filter(|row| {
        let state = row.subscriber(CMS_SUBSCRIBER);
        row.brand.deleted_at.is_none()
            && state.reached == row.brand.version
            && state.holds.is_some_and(|held| !held.unlinked)
    });
    if synced.clone().count() == 0 || synced.any(is_there) {
        world.break_promise(format_args!("it has stopped: {:?}", report.stopped));
    }
}
