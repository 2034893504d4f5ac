//! `operate`: what an operator does by hand, on AWS or on the local stack.
//!
//! Region and credentials come from wherever the AWS command line takes them; `AWS_ENDPOINT_URL` chooses an emulator.

mod commands;
mod password;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{create_admin::CreateAdmin, redrive::Redrive, set_password::SetPassword};

/// What an operator does by hand.
#[derive(Parser)]
#[command(name = "operate")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One subcommand is one module of [`commands`].
#[derive(Subcommand)]
enum Command {
    CreateAdmin(CreateAdmin),
    SetPassword(SetPassword),
    Redrive(Redrive),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::CreateAdmin(command) => command.run().await,
        Command::SetPassword(command) => command.run().await,
        Command::Redrive(command) => command.run().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("operate: {problem}");
            ExitCode::FAILURE
        }
    }
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
