//! Instructions, counted by valgrind: they hardly vary, as times do.

use std::{fs, path::Path, process::Command};

use crate::{Error, Event, Function, Stage};

/// How many invocations are made before those that are counted, and how many are counted.
const WARM_UP: u32 = 10;
const COUNTED: u32 = 20;

/// How many instructions of its own one warm invocation takes the function; none where there is no valgrind.
///
/// Two runs are counted whole, one longer than the other, and what is between them is taken.
pub fn instructions(stage: &Stage, executable: &Path, event: Event) -> Result<Option<u64>, Error> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(None);
    }
    let short = of_run(stage, executable, event, WARM_UP)?;
    let long = of_run(stage, executable, event, WARM_UP + COUNTED)?;
    Ok(Some(long.saturating_sub(short) / u64::from(COUNTED)))
}

fn of_run(stage: &Stage, executable: &Path, event: Event, invocations: u32) -> Result<u64, Error> {
    let counts = stage.folder().join("callgrind.out");
    let out = format!("--callgrind-out-file={}", counts.display());
    let program = ["valgrind", "--quiet", "--tool=callgrind", &out].map(Path::new);
    let program: Vec<&Path> = program.into_iter().chain([executable]).collect();
    let mut function = Function::start(stage, &program, None, None)?;
    function.asked()?;
    for _ in 0..invocations {
        function.invoke(event.text(stage)?)?;
    }
    function.terminate()?;
    let counts = fs::read_to_string(counts)?;
    let total = counts
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("callgrind tells no total")?.trim().parse()?)
}
