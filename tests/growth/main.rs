//! What operations cost as brands grow from a thousand to a hundred thousand.
//!
//! `make growth` runs it on a stack of its own. It fills a table with brands, ten times as many at each step, and has the
//! functions' own code create, sync, list and sweep, on clients that count: requests, rows read, and DynamoDB's units. It prints the
//! table as it stands in README.md.
//!
//! All goes to standard error: what the functions write to standard output are their metrics.

mod place;
mod reads;
mod world;

use std::{env, error::Error, process::ExitCode};

use brand::Search;
use system_tests::Stack;
use world::{FOUND, Measured, SOUGHT, World};

/// The fewest brands that are measured.
const LEAST: u64 = 1_000;
/// How often an operation is measured that leaves everything as it was.
const TIMES: usize = 3;
/// How many brands are due where a sweep has something to do.
const DUE: u32 = 200;
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
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("growth: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Measures with up to so many brands, and prints each line as soon as it is known.
async fn run(rows: u64) -> Result<(), String> {
    let world = World::on(&Stack::connect().await).await?;
    eprintln!(
        "| operation | brands | DynamoDB | SQS | rows read | RRU | WRU | ms on the emulator |"
    );
    eprintln!("|---|---|---|---|---|---|---|---|");
    let sizes = std::iter::successors(Some(LEAST), |size| size.checked_mul(10));
    let mut known = 0;
    for size in sizes.take_while(|size| *size <= rows) {
        world.fill(known..size).await?;
        known = size;
        for (operation, measured) in step(&world, size).await? {
            eprintln!("{}", line(operation, size, &measured));
        }
    }
    world.place.remove().await
}

fn line(operation: &str, brands: u64, measured: &Measured) -> String {
    let Measured {
        dynamodb,
        queries,
        to_sqs,
        time,
    } = measured;
    format!(
        "| {operation} | {brands} | {} | {to_sqs} | {} | {} | {} | {:.0} |",
        dynamodb.requests,
        queries.rows,
        dynamodb.read_units + queries.units,
        dynamodb.write_units,
        time.as_secs_f64() * 1e3,
    )
}

/// What each operation takes, with so many brands. What it adds it does not take away: that is less than the next step adds.
async fn step(world: &World, size: u64) -> Result<Vec<(&'static str, Measured)>, String> {
    let mut measured = Vec::new();
    let (mut created, mut of_create) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let (one, brand) = world.create().await?;
        of_create.push(one);
        created.push(brand);
    }
    measured.push(("create", median(of_create)?));
    for operation in ["sync of a new brand", "duplicate of an event"] {
        let mut heard = Vec::new();
        for brand in &created {
            heard.push(world.hear_of(brand).await?);
        }
        measured.push((operation, median(heard)?));
    }
    let mut retrieved = Vec::new();
    for brand in &created {
        retrieved.push(world.retrieve(brand.id).await?);
    }
    measured.push(("a brand by its id", median(retrieved)?));

    for (operation, after, limit) in [
        ("first page by cursor, `limit=20`", None, 20),
        ("later page by cursor, `limit=20`", Some(size / 10), 20),
        ("first page by cursor, `limit=100`", None, 100),
    ] {
        let mut pages = Vec::new();
        for _ in 0..TIMES {
            let (one, brands) = world.page_after(&Search::all(), after, limit).await?;
            same("brands of a page", brands, limit.into())?;
            pages.push(one);
        }
        measured.push((operation, median(pages)?));
    }
    let (one, found) = world
        .page_after(&Search::containing(SOUGHT), None, 20)
        .await?;
    same("brands that a search finds", found, FOUND)?;
    measured.push(("page by cursor of a `q` that finds 10", one));
    let (one, count) = world.page_by_number().await?;
    if count < size {
        return Err(format!("{count} brands were counted, of {size}"));
    }
    measured.push(("page by number", one));

    let (one, sent) = world.sweep().await?;
    same("reminders of an idle sweep", sent, 0)?;
    measured.push(("sweep, nothing due", one));
    let due = world.store_due(DUE).await?;
    let (one, sent) = world.sweep().await?;
    same("reminders", sent, due.len())?;
    measured.push(("sweep, 200 due", one));
    for brand in &due {
        world.hear_of(brand).await?;
    }
    Ok(measured)
}

/// Counts do not vary, times do. Only that sync-brand reads the circuit once a minute is left out.
fn median(mut measured: Vec<Measured>) -> Result<Measured, String> {
    let requests = |measured: &Measured| measured.dynamodb.requests;
    let least = measured.iter().map(requests).min();
    measured.retain(|measured| Some(requests(measured)) == least);
    measured.sort_by_key(|measured| measured.time);
    let median = measured.get(measured.len() / 2).copied();
    let median = median.ok_or("nothing was measured")?;
    let other = measured
        .iter()
        .find(|other| other.counts() != median.counts());
    match other {
        None => Ok(median),
        Some(other) => Err(format!("it took {median:?}, and then {other:?}")),
    }
}

fn same(what: &str, found: usize, expected: usize) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found}, not {expected}"))
    }
}

/// What went wrong, for a reader.
fn problem(error: impl Error) -> String {
    telemetry::chain(&error)
}

#[cfg(test)]
mod tests {
    use system_tests::Stack;

    use super::{step, world::World};

    /// What reads every brand of the list.
    const GROWS: [&str; 2] = ["page by cursor of a `q` that finds 10", "page by number"];

    #[tokio::test]
    #[ignore = "needs the local stack: make test"]
    async fn what_does_not_read_the_whole_list_takes_the_same_with_twice_the_brands()
    -> Result<(), String> {
        let world = World::on(&Stack::connect().await).await?;
        // Enough for each shard to fill a page by itself.
        world.fill(0..840).await?;
        let few = step(&world, 840).await?;
        world.fill(840..1680).await?;
        let many = step(&world, 1680).await?;
        for ((operation, few), (_, many)) in few.iter().zip(&many) {
            let is_same = few.counts() == many.counts();
            assert_eq!(is_same, !GROWS.contains(operation), "{operation}");
        }
        world.place.remove().await
    }
}
