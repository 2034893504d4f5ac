//! What operations cost as brands grow from a thousand to a million.
//!
//! `make growth` runs it on a stack of its own. It fills a table with brands, ten times as many at each step, and has the
//! functions' own code create, sync, list and announce, on clients whose requests are metered: requests, rows read, and
//! DynamoDB's units, by its published rules. What takes the emulator too long is computed by the same rules from the sizes of the
//! rows; the computation has to give exactly what was counted wherever something was. It ends with status 1 if it does
//! not, and prints tables as they stand in README.md.
//!
//! All goes to standard error: what the functions write to standard output are their metrics.

mod asked;
mod capacity;
mod count;
mod expected;
mod meter;
mod operation;
mod place;
#[cfg(test)]
mod promises;
mod report;
mod rows;
mod step;
mod world;

use std::{env, error::Error, process::ExitCode, time::Instant};

use expected::Brands;
use meter::Meter;
use report::{Cell, Line, thousands};
use step::Step;
use system_tests::Stack;
use world::{Measured, World};

/// The fewest brands that are measured.
const LEAST: usize = 1_000;
/// Up to how many brands it is computed what was not measured.
const MOST: usize = 1_000_000;
const USAGE: &str = "growth [--rows N]: with 1,000, 10,000 … brands, up to so many (100,000)";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let rows = match arguments.as_slice() {
        [] => Some(100_000),
        ["--rows", rows] => rows.parse().ok().filter(|rows| *rows >= LEAST),
        _ => None,
    };
    let Some(rows) = rows else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(rows).await {
        Ok(lines) => {
            eprintln!("\n{}", report::tables(&lines));
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("growth: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Measures with up to so many brands, and computes the rest.
async fn run(rows: usize) -> Result<Vec<Line>, String> {
    let world = World::on(&Stack::connect().await).await?;
    let (mut brands, mut steps) = (Vec::new(), Vec::new());
    let sizes = std::iter::successors(Some(LEAST), |size| size.checked_mul(10));
    for size in sizes.take_while(|size| *size <= rows) {
        let begun = Instant::now();
        let step = Step::take(&world, &mut brands, size).await?;
        check_counts(&step, &world.meter, steps.first())?;
        check_told(&step)?;
        eprintln!(
            "growth: {} brands: filled and measured in {:.0} s; all is as computed",
            brands_text(size),
            begun.elapsed().as_secs_f64()
        );
        steps.push(step);
    }
    let lines = lines(&steps, &world.meter)?;
    let bytes = sizes_of(&world.meter)?;
    eprintln!(
        "growth: a row has {} bytes in `listed`, {} in `unsynced`",
        bytes.0, bytes.1
    );
    world.place.remove().await?;
    Ok(lines)
}

/// Whether each operation took what is computed, or what it took before.
fn check_counts(step: &Step, meter: &Meter, first: Option<&Step>) -> Result<(), String> {
    let expected = brands_of(step.brands, step.added, meter)?;
    for (operation, Measured { count, .. }) in &step.measured {
        let before = first.and_then(|first| first.of(*operation));
        let before = before.map(|before| before.count);
        let wanted = expected.expect(*operation).or(before);
        if let Some(wanted) = wanted.filter(|wanted| wanted != count) {
            let (name, brands) = (operation.text(), step.brands);
            return Err(format!(
                "{name}, {brands} brands: {count:?}, not {wanted:?}"
            ));
        }
    }
    Ok(())
}

/// Whether the units that were counted for writes are those of which the answers told.
fn check_told(step: &Step) -> Result<(), String> {
    for (operation, Measured { count, told, .. }) in &step.measured {
        if (*told - count.write()).abs() > 0.01 {
            let (name, brands) = (operation.text(), step.brands);
            return Err(format!(
                "{name}, {brands} brands: {count:?}, but {told} WRU were told"
            ));
        }
    }
    Ok(())
}

fn lines(steps: &[Step], meter: &Meter) -> Result<Vec<Line>, String> {
    let last = steps.last().ok_or("nothing was measured")?;
    let mut lines = Vec::new();
    for (operation, measured) in &last.measured {
        let operation = *operation;
        let mut cells = Vec::new();
        for step in steps {
            if let Some(Measured { count, time, .. }) = step.of(operation).copied() {
                let (brands, time) = (number(step.brands)?, Some(time));
                cells.push(Cell {
                    brands,
                    count,
                    time,
                });
            }
        }
        let mut size = last.brands * 10;
        while size <= MOST {
            let brands = brands_of(size, size - size / 10, meter)?;
            let count = brands.expect(operation).unwrap_or(measured.count);
            let brands = brands.all;
            cells.push(Cell {
                brands,
                count,
                time: None,
            });
            size *= 10;
        }
        lines.push(Line { operation, cells });
    }
    Ok(lines)
}

fn brands_of(all: usize, added: usize, meter: &Meter) -> Result<Brands, String> {
    let (listed_bytes, unsynced_bytes) = sizes_of(meter)?;
    let (all, added) = (number(all)?, number(added)?);
    Ok(Brands {
        all,
        added,
        listed_bytes,
        unsynced_bytes,
    })
}

/// The bytes of a row of both indexes, as they were seen.
fn sizes_of(meter: &Meter) -> Result<(u64, u64), String> {
    let seen = |index| {
        meter
            .row_bytes(index)
            .ok_or(format!("no row of {index} was seen"))
    };
    Ok((seen("listed")?, seen("unsynced")?))
}

fn brands_text(size: usize) -> String {
    number(size).map_or_else(|_| size.to_string(), thousands)
}

fn number(size: usize) -> Result<u64, String> {
    u64::try_from(size).map_err(problem)
}

/// What went wrong, for a reader.
fn problem(error: impl Error) -> String {
    telemetry::chain(&error)
}
