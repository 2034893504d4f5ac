//! The course of the test: faults, settling, judging, taking up what is marked, judging again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use aws_sdk_sqs::types::QueueAttributeName;
use brand::{SUBSCRIBERS, TakeUp, TakenUp, Timestamp, take_up};
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
    outage, proxy,
    settings::{Detour, Settings},
    snapshot::{BoxError, Look, Pending},
    summary::Summary,
    verdict::{judge, judge_taken_up},
};

/// How often it is looked whether everything is settled, and told how things stand.
const LOOK: Duration = Duration::from_millis(500);
/// So many times the window, faults go on at most, until each kind of them has occurred and each client has an answer.
const LONGEST: u32 = 4;
const TELL: Duration = Duration::from_secs(5);
/// How long, in seconds, the queue keeps a message from others whose consumer has died: as long as the consumer could live.
const HIDDEN: &str = "30";

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

    hide_shortly(&stack).await?;
    // What waits in rows does not wait for the schedule's minute.
    let sweeping = Arc::clone(&stack);
    tokio::spawn(async move { sweeping.keep_sweeping().await });

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
    let taken_up = take_up_marked(&stack).await?;
    println!("chaos: {taken_up} marked brands are taken up");
    settle(&look, settings.patience).await;
    let then = look.snapshot().await?;
    let verdict_then = judge_taken_up(&then, &load.acknowledged, &poison);
    let told = verdict_then.violations.iter();
    violations.extend(told.map(|violation| format!("after taking up: {violation}")));

    let outage = outage::run(&look).await?;
    violations.extend(outage.violations.iter().cloned());

    let summary = Summary {
        settings,
        load: &load,
        found: &found,
        verdict: &verdict,
        taken_up: (taken_up, &verdict_then),
        outage: &outage,
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
pub(crate) async fn settle(look: &Look<'_>, patience: Duration) -> bool {
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

/// Takes up all marked brands, as `operate sync --refused --failed` does; answers how many.
async fn take_up_marked(stack: &Stack) -> Result<usize, BoxError> {
    let brands = stack.brands();
    let mut taken_up = 0;
    for id in stack.needing_attention().await? {
        let (token, now) = (format!("operator-{id}"), Timestamp::now());
        let outcome = take_up(&brands, (id, TakeUp::Marked), SUBSCRIBERS, &token, now).await?;
        if !matches!(outcome, TakenUp::Due(_)) {
            return Err(format!("{id} is marked, and not taken up: {outcome:?}").into());
        }
        taken_up += 1;
    }
    Ok(taken_up)
}

async fn hide_shortly(stack: &Stack) -> Result<(), BoxError> {
    let request = stack.sqs.set_queue_attributes();
    let request = request.queue_url(&stack.brand_events_queue_url);
    let name = QueueAttributeName::VisibilityTimeout;
    request.attributes(name, HIDDEN).send().await?;
    Ok(())
}
