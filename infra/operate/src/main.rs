//! `operate`: the operator's commands, on AWS or on the local stack.
//!
//! Region and credentials come from wherever the AWS command line takes them; `AWS_ENDPOINT_URL` chooses an emulator.

mod commands;
mod password;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{
    circuit::Circuit, create_admin::CreateAdmin, parked::Parked, reconcile::Reconcile,
    redrive::Redrive, set_password::SetPassword, show::Show, sync::Sync,
};

/// The operator's commands.
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
    Parked(Parked),
    Redrive(Redrive),
    Sync(Sync),
    Show(Show),
    Circuit(Circuit),
    Reconcile(Reconcile),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::CreateAdmin(command) => command.run().await,
        Command::SetPassword(command) => command.run().await,
        Command::Parked(command) => command.run().await,
        Command::Redrive(command) => command.run().await,
        Command::Sync(command) => command.run().await,
        Command::Show(command) => command.run().await,
        Command::Circuit(command) => command.run().await,
        Command::Reconcile(command) => command.run().await,
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
