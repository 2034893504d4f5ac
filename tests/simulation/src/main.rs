//! A deterministic simulation: the real handlers, with everything else simulated, in virtual time.
//!
//! `SIMULATION_SEEDS` says how many worlds to run, `SIMULATION_SEED` the first one's seed. Each world is run twice, and both runs
//! must be the same to the last letter. The report goes to standard error, the handlers' own metrics to standard output.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a simulation fails by panicking"
)]

mod client;
mod cms;
mod dynamodb;
mod editors;
mod entries;
mod invariants;
mod plan;
mod process;
mod queue;
mod reconciler;
#[cfg(test)]
mod scenarios;
mod search;
mod story;
mod world;

use std::{
    env,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use plan::{Fault, Plan};
use story::Ending;
use tokio::{
    runtime::Builder,
    time::{sleep, sleep_until},
};
use world::World;

/// Runs something in a new world: one thread, and time that passes only where everybody waits.
fn in_world<F: Future>(plan: Plan, work: impl FnOnce(Arc<World>) -> F) -> (Arc<World>, F::Output) {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::new(plan);
        tokio::spawn(process::deliver(Arc::clone(&world)));
        tokio::spawn(process::sweep(Arc::clone(&world)));
        tokio::spawn(reconciler::schedule(Arc::clone(&world)));
        let output = work(Arc::clone(&world)).await;
        (world, output)
    })
}

/// Runs a world to its end.
fn run(plan: Plan) -> Ending {
    let (world, ()) = in_world(plan, async |world| {
        let clients =
            (1..=world.plan.brands).map(|number| client::client(Arc::clone(&world), number));
        let operator = async {
            if world.plan.operator_meddles {
                client::meddle(Arc::clone(&world)).await;
            }
        };
        let clients = futures::future::join_all(clients);
        let editors = editors::edit(Arc::clone(&world));
        futures::future::join3(clients, operator, editors).await;
        let cms = world.plan.cms_away.iter().map(|(span, _)| span.end);
        let ends = cms.chain(world.plan.store_away.iter().map(|span| span.end));
        let end = ends.max().unwrap_or_default().max(world.plan.busy);
        sleep_until(world.begun + end).await;
        // What is standing still or hanging goes on before.
        sleep(Duration::from_mins(3)).await;
        world.tell("world", "nothing goes wrong any more");
        world.is_calm.store(true, Relaxed);
        client::come_to_rest(&world).await;
        if let Some(next) = world.queue.next_at().filter(|_| !world.story.is_broken()) {
            sleep_until(next).await;
            client::come_to_rest(&world).await;
        }
        if !world.story.is_broken() {
            reconciler::at_rest(&world).await;
        }
        if !world.story.is_broken() {
            invariants::at_rest(&world);
        }
    });
    world.story.ending()
}

/// How many worlds are run where nothing is asked for.
const SEEDS: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap())
}

fn main() -> ExitCode {
    let first = number("SIMULATION_SEED").unwrap_or(1);
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (next, is_over) = (AtomicU64::new(first), AtomicBool::new(false));
    let counts = Mutex::new(vec![0; Fault::ALL.len()]);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    let (ending, again) = (run(Plan::of_seed(seed)), run(Plan::of_seed(seed)));
                    let mut counts = counts.lock().unwrap();
                    for (count, more) in counts.iter_mut().zip(&ending.counts) {
                        *count += more;
                    }
                    let broken = match ending.broken {
                        Some(broken) => broken,
                        None if ending.hash != again.hash => "it does not repeat".to_owned(),
                        None => continue,
                    };
                    is_over.store(true, Relaxed);
                    eprintln!("{}\nseed {seed}: {broken}", ending.text);
                    eprintln!("again: make simulate SEEDS=1 SEED={seed}");
                }
            });
        }
    });
    let counts = counts.into_inner().unwrap();
    for (fault, count) in Fault::ALL.iter().zip(&counts) {
        eprintln!("{count:>9}  {}", fault.text());
    }
    let is_broken = is_over.load(Relaxed);
    let (run, faults): (u64, u64) = (
        next.into_inner().min(first + seeds) - first,
        counts.iter().sum(),
    );
    eprintln!("{run} worlds, each run twice; {faults} faults");
    // Few worlds cannot have every fault.
    let missing = counts.contains(&0) && seeds >= SEEDS;
    ExitCode::from(u8::from(is_broken || missing))
}
