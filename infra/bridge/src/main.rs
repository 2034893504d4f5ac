//! `bridge`: drives functions under `cargo lambda watch` from a queue and on schedules, until SIGINT or SIGTERM.
//!
//! Where the queue is, the environment tells as it tells a function: `AWS_ENDPOINT_URL`, region and credentials.

use std::{error::Error, io, process::ExitCode, time::Duration};

use bridge::{Functions, Mapping, Schedule, Stop, Stopper};
use clap::Parser;
use futures::future::{join, join_all};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Drives functions from a queue and on schedules, as Lambda does.
#[derive(Parser)]
#[command(name = "bridge")]
struct Cli {
    /// Where the functions are invoked
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000")]
    functions: String,
    /// How many seconds an invocation may take; one under way may have to be compiled first
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
    /// The queue that is received from
    #[arg(long, value_name = "URL")]
    queue_url: String,
    /// The function that consumes it
    #[arg(long, value_name = "FUNCTION")]
    consumer: String,
    /// The most messages of a batch
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=10))]
    batch_size: i32,
    /// A function, how often it is invoked and perhaps with what: `f=rate(5 minutes)`, `f=rate(5 minutes)={}`; may be given several times
    #[arg(long, value_name = "SCHEDULE")]
    schedule: Vec<Schedule>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .with_writer(io::stdout)
        .init();
    match drive(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("bridge: {}", telemetry::chain(problem.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn drive(cli: Cli) -> Result<(), Box<dyn Error>> {
    let stop = when_signalled()?;
    let functions = Functions::new(&cli.functions, Duration::from_secs(cli.timeout))?;
    let sdk = aws::sdk_config()?;
    let mapping = Mapping::new(
        &sdk,
        cli.queue_url,
        functions.clone(),
        cli.consumer,
        cli.batch_size,
    );
    let mapping = mapping.await?;
    info!("bridge ready");
    let schedules = cli
        .schedule
        .iter()
        .map(|schedule| schedule.run(&functions, stop.clone()));
    join(mapping.run(stop.clone()), join_all(schedules)).await;
    info!("bridge stopped");
    Ok(())
}

fn when_signalled() -> io::Result<Stop> {
    let (stopper, stop) = Stopper::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stopper.stop();
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}
