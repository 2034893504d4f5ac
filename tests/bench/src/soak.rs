//! The soak: whether a function's memory stays where it is, however many invocations it answers.

use bench::{Error, Function, Stage};

use crate::contestant::Contestant;

/// How many invocations come before the memory is looked at first: pools and buffers are made by then.
const WARM_UP: u32 = 100;
/// How often it is looked at.
const LOOKS: u32 = 10;

/// Invokes each so many times, each time with another trace, and prints the resident memory at the start, in between, and at the
/// end.
pub(crate) fn all(contestants: &[Contestant], invocations: u32) -> Result<(), Error> {
    println!(
        "Resident memory in MiB after {WARM_UP} invocations, and after each tenth of {invocations} more.\n"
    );
    for contestant in contestants {
        let stage = Stage::start(&format!("soak-{}", contestant.name))?;
        let mut function = Function::start(&stage, &[&contestant.path], None, None)?;
        function.asked()?;
        let mut invoke = |times: u32| -> Result<f64, Error> {
            for _ in 0..times {
                function.invoke(contestant.event.text(&stage)?)?;
            }
            Ok(mib(function.memory()?))
        };
        let start = invoke(WARM_UP)?;
        print!("{:<18} {start:6.1} |", contestant.name);
        let mut end = start;
        for _ in 0..LOOKS {
            end = invoke(invocations / LOOKS)?;
            print!(" {end:6.1}");
            std::io::Write::flush(&mut std::io::stdout())?;
        }
        println!(" | {:+.1}", end - start);
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the memory of a process is far below 2^52 KiB"
)]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
