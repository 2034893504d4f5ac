//! The fault test of the whole system.
//!
//! Brands are created, renamed and deleted through the API while the functions' processes are killed, and while DynamoDB, SQS and the CMS fail,
//! lose replies, hang and refuse: the functions reach them only through proxies of this process. Then the faults stop,
//! everything has to settle by itself within a bounded time, and every brand has to be in the CMS exactly once, as its row says, or
//! marked with a cause. At last the marked brands are taken up, and then every brand has to be in the CMS. An outage of the CMS alone is the last act. Parked are only messages
//! that are no events. It shows that processes really die; the simulation goes through the order of things more widely.
//!
//! `make chaos` and `make test` run it. It ends with status 1 if anything is lost, left or not as it must be, or if a kind
//! of fault was not injected at all.

mod aws_faults;
mod chaos;
mod client;
mod cms_faults;
mod fault;
mod killer;
mod load;
mod messages;
mod outage;
mod plan;
mod proxy;
mod settings;
mod snapshot;
mod summary;
mod trial;
mod verdict;

use std::{env, process::ExitCode};

use settings::{Detour, Settings};

#[tokio::main]
async fn main() -> ExitCode {
    let told = Settings::parse(env::args().skip(1))
        .and_then(|settings| Detour::from_env().map(|detour| (settings, detour)));
    let (settings, detour) = match told {
        Ok(told) => told,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    println!(
        "chaos: seed {} (it repeats the faults in kind; which request they befall is the scheduler's)",
        settings.seed
    );
    match trial::run(&settings, detour).await {
        Ok(violations) if violations.is_empty() => ExitCode::SUCCESS,
        Ok(violations) => {
            println!(
                "chaos: {} things are not as they must be:",
                violations.len()
            );
            for violation in violations {
                println!("  - {violation}");
            }
            println!("chaos: the seed was {}", settings.seed);
            ExitCode::FAILURE
        }
        Err(error) => {
            println!(
                "chaos: it could not be carried out: {error}; the seed was {}",
                settings.seed
            );
            ExitCode::FAILURE
        }
    }
}
