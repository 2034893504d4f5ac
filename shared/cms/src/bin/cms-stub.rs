//! The stub CMS as a program: `CMS_STUB_ADDRESS=127.0.0.1:4600 cms-stub`. See `cms::server` for what it answers.

use std::error::Error;
use std::process::ExitCode;

use cms::StubCms;
use cms::server::{self, ServerConfig};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let config = ServerConfig::from_env()?;
    server::log_plain_lines();
    // Before it says that it listens, so that no signal comes too early.
    let stop = stop_signal(
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let listener = TcpListener::bind(config.address).await.map_err(|error| {
        let address = config.address;
        format!("cannot listen on {address}: {error}; CMS_STUB_ADDRESS chooses another address")
    })?;
    println!("listening on http://{}", listener.local_addr()?);
    let stub = StubCms::new(config.api_key.clone(), config.faults);
    server::serve(listener, stub, config.api_key, stop).await?;
    println!("stopped");
    Ok(())
}

async fn stop_signal(mut interrupt: Signal, mut terminate: Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
