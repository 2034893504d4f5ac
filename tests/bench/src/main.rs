//! `make bench`: measures the functions beside the floors that they stand on, and prints one table.
//!
//! ```text
//! bench [--rounds N] [--only-cold] [NAME=EXECUTABLE…]
//! bench --soak N NAME=EXECUTABLE…
//! ```
//!
//! Without names: all functions that were built beside this program. Each name is one of those below, or begins with it,
//! as `create-brand-before`: so two builds of a function are measured beside each other, turn by turn.

mod bounds;
mod contestant;
mod measure;
mod soak;
mod table;

use std::path::{Path, PathBuf};

use bench::Error;

use contestant::Contestant;

/// How often everything is measured, if nothing else is said.
const ROUNDS: usize = 30;

fn main() -> Result<(), Error> {
    let (mut rounds, mut only_cold, mut contestants) = (ROUNDS, false, Vec::new());
    let mut soak = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => rounds = arguments.next().ok_or("--rounds N")?.parse()?,
            "--only-cold" => only_cold = true,
            "--soak" => soak = Some(arguments.next().ok_or("--soak N")?.parse()?),
            named => {
                let (name, path) = named.split_once('=').ok_or("NAME=EXECUTABLE")?;
                contestants.push(Contestant::new(name, PathBuf::from(path))?);
            }
        }
    }
    if let Some(invocations) = soak {
        return soak::all(&contestants, invocations);
    }
    if contestants.is_empty() {
        let this = std::env::current_exe()?;
        contestants = Contestant::beside(this.parent().unwrap_or(Path::new(".")))?;
    }
    let report = measure::all(&contestants, rounds, only_cold)?;
    table::print(&report);
    Ok(())
}
