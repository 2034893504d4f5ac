//! The load test: brands are created by 1, 10 and 50 clients at once, for a while each, and then all have to be synced.
//!
//! `make load` runs it on a stack of its own. It reports what the clients see, how long a brand takes from its acknowledgement
//! until it is synced, and what the functions themselves use: on one machine the emulator decides the first two, the last
//! is theirs alone. It ends with status 1 if a request fails or a brand is not synced.

mod client;
mod processes;
mod report;

use std::{
    env,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use client::{Created, Waiting};
use report::Level;
use system_tests::{Functions, Stack};
use tokio::{task::JoinSet, time::Instant};

/// How many clients there are at once, one level after the other.
const LEVELS: [usize; 3] = [1, 10, 50];
const USAGE: &str =
    "load [--seconds N]: for so many seconds (20) at each of 1, 10 and 50 clients at once";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seconds = match arguments.as_slice() {
        [] => Some(20),
        ["--seconds", seconds] => seconds.parse().ok().filter(|seconds| *seconds > 0),
        _ => None,
    };
    let Some(seconds) = seconds else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let stack = Arc::new(Stack::connect().await);
    let functions = match Functions::from_env() {
        Ok(functions) => functions,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let mut is_good = true;
    report::head(seconds);
    for clients in LEVELS {
        let level = run(&stack, &functions, clients, Duration::from_secs(seconds)).await;
        is_good &= level.print();
    }
    report::foot();
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One level: so many clients create brands, one after the other each, until the time is over.
async fn run(stack: &Arc<Stack>, functions: &Functions, clients: usize, window: Duration) -> Level {
    let before = processes::used(functions);
    let begun = Instant::now();
    let (waiting, is_created) = (Arc::new(Waiting::default()), AtomicBool::new(false));
    let created = async {
        let mut at_work = JoinSet::new();
        for number in 0..clients {
            let (stack, waiting) = (Arc::clone(stack), Arc::clone(&waiting));
            let (name, end) = (format!("Load {clients}.{number}"), begun + window);
            at_work.spawn(async move { client::create_until(&stack, &waiting, &name, end).await });
        }
        let mut created = Created::default();
        while let Some(of_one) = at_work.join_next().await {
            created.add(of_one.unwrap_or_default());
        }
        is_created.store(true, Ordering::Relaxed);
        (created, begun.elapsed())
    };
    let synced = client::synced(stack, &waiting, &is_created);
    let ((created, took), synced) = tokio::join!(created, synced);
    let settled = begun.elapsed();
    Level {
        clients,
        took,
        settled,
        created,
        synced,
        used: processes::used(functions).since(&before),
    }
}
