//! The course of the test: faults, settling, judging, redriving, judging again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use dead_letters::{FailureKind, Filter, Redrive};
use system_tests::Stack;
use tokio::{
    net::TcpListener,
    time::{interval, sleep},
};

use crate::{
    aws_faults::AwsFaults,
    chaos::{Chaos, Phase},
    cms_faults::CmsFaults,
    fault::Fault,
    killer::{self, Killer},
    load::{self, Load},
    messages::{self, Known, Poison},
    proxy,
    settings::{Detour, Settings},
    snapshot::{BoxError, Look, Pending, Snapshot},
    summary::Summary,
    verdict::{judge, judge_redriven},
};

/// How often it is looked whether everything is settled, and told how things stand.
const LOOK: Duration = Duration::from_millis(500);
/// So many times the window, faults go on at most, until each kind of them has occurred and each client has an answer.
const LONGEST: u32 = 4;
const TELL: Duration = Duration::from_secs(5);
/// How often parked events are sent on their way again: a failed run takes back what is left at first, and is begun afresh
/// the next time.
const ROUNDS: usize = 4;

/// Runs the test, prints its summary, and answers what is not as it must be.
pub(crate) async fn run(settings: &Settings, detour: Detour) -> Result<Vec<String>, BoxError> {
    let begun = Instant::now();
    let killer = Killer::new(detour.functions);
    let longest = settings.window * LONGEST;
    let chaos = Arc::new(Chaos::new(settings.seed, settings.window, longest, killer));
    let (here, there) = detour.aws;
    let aws = Arc::new(AwsFaults(Arc::clone(&chaos)));
    tokio::spawn(proxy::serve(TcpListener::bind(here).await?, there, aws));
    let (here, there) = detour.cms;
    let cms = Arc::new(CmsFaults::new(Arc::clone(&chaos)));
    tokio::spawn(proxy::serve(TcpListener::bind(here).await?, there, cms));
    let stack = Arc::new(Stack::connect().await);
    let look = Look {
        stack: &stack,
        http: system_tests::http_client(),
    };

    let (load, poison) = fail(settings, &look, &chaos).await;
    println!(
        "chaos: no more faults; everything is to settle within {} s",
        settings.patience.as_secs()
    );
    let settling = Instant::now();
    let in_time = settle(&look, settings.patience).await;
    let settled_after = settling.elapsed().as_secs();
    let found = look.snapshot().await?;
    let verdict = judge(&found, &load.acknowledged, &poison);
    let mut violations = load.problems.clone();
    violations.extend(verdict.violations.iter().cloned());
    let never = chaos.missing().map(Fault::told);
    violations.extend(never.map(|(whom, what)| format!("never injected: {whom} {what}")));
    if !in_time {
        violations.push(format!(
            "not settled within {} s",
            settings.patience.as_secs()
        ));
    }

    chaos.enter(Phase::Healthy);
    let (rounds, left) = redrive(&look, settings.patience).await?;
    let redriven = judge_redriven(&left, &load.acknowledged, &poison);
    let told = redriven.violations.iter();
    violations.extend(told.map(|violation| format!("after the redrive: {violation}")));

    let summary = Summary {
        settings,
        load: &load,
        found: &found,
        verdict: &verdict,
        redriven: (rounds, &redriven),
        injected: &chaos.injected,
        settled_after,
        seconds: begun.elapsed().as_secs(),
    };
    println!("chaos: summary\n{}", summary.text());
    Ok(violations)
}

/// Creates the brands while everything fails; answers what became of the requests, and which messages are no events.
async fn fail(settings: &Settings, look: &Look<'_>, chaos: &Arc<Chaos>) -> (Load, Vec<Poison>) {
    let known = Arc::new(Known::default());
    chaos.begin();
    let stack = look.stack;
    let are_created = AtomicBool::new(false);
    let created = async {
        let is_known = Arc::clone(&known);
        let load = load::create_all(settings, stack, chaos, move |id| is_known.add(id)).await;
        are_created.store(true, Ordering::Relaxed);
        load
    };
    // What the CMS refuses it goes on refusing when nothing else fails any more.
    let is_any_missing = || chaos.missing().any(|fault| !fault.is_refusal());
    let stop = async {
        sleep(settings.window).await;
        while chaos.since() < settings.window * LONGEST
            && (!are_created.load(Ordering::Relaxed) || is_any_missing())
        {
            sleep(LOOK).await;
        }
        chaos.enter(Phase::Settling);
    };
    let progress = async {
        let mut ticks = interval(TELL);
        while chaos.phase() == Phase::Faulty {
            ticks.tick().await;
            let in_cms = look.in_cms().await.map_or(0, |held| held.len());
            println!(
                "chaos: {:>3} s: {} acknowledged, {in_cms} in the CMS, {} faults injected",
                chaos.since().as_secs(),
                known.number(),
                chaos.injected.total()
            );
        }
    };
    let disturbed = messages::disturb(stack, chaos, &known);
    let killed = killer::kill_at_random(chaos);
    let (load, poison, ..) = tokio::join!(created, disturbed, killed, stop, progress);
    (load, poison)
}

/// Waits until nothing is pending; answers whether that is so in time.
async fn settle(look: &Look<'_>, patience: Duration) -> bool {
    let begun = Instant::now();
    let mut told = Instant::now();
    loop {
        let pending = look.pending().await;
        if pending.as_ref().is_ok_and(Pending::is_nothing) {
            return true;
        }
        if told.elapsed() > TELL {
            told = Instant::now();
            let pending = match &pending {
                Ok(pending) => pending.to_string(),
                Err(error) => format!("no answer: {error}"),
            };
            println!("chaos: +{:>2} s: {pending}", begun.elapsed().as_secs());
        }
        if begun.elapsed() > patience {
            return false;
        }
        sleep(LOOK).await;
    }
}

/// Sends parked events on their way again until none is left but what is no event; answers how often that took, and how
/// everything stands then.
async fn redrive(look: &Look<'_>, patience: Duration) -> Result<(usize, Snapshot), BoxError> {
    let stack = look.stack;
    let (from, to) = (&stack.brand_events_dlq_url, &stack.brand_events_queue_url);
    let redrive = Redrive::new(stack.sqs.clone(), from, to);
    let filter = Filter {
        kinds: vec![
            FailureKind::Reverted,
            FailureKind::Failed,
            FailureKind::Engine,
            FailureKind::Exhausted,
            FailureKind::Undelivered,
        ],
        ..Filter::default()
    };
    let mut rounds = 0;
    for _ in 0..ROUNDS {
        let report = redrive.run(&filter, |_| ()).await?;
        if report.total() == 0 && report.failed.is_empty() {
            break;
        }
        rounds += 1;
        println!(
            "chaos: {} parked events are on their way again",
            report.total()
        );
        settle(look, patience).await;
    }
    Ok((rounds, look.snapshot().await?))
}
