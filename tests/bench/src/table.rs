//! The table.

use bench::Quartiles;

use crate::measure::{MEMORY, Measured, Report, as_number};

/// Prints it.
pub(crate) fn print(report: &Report) {
    println!(
        "Medians [quartiles] of {} rounds; times in ms.",
        report.rounds
    );
    println!(
        "\n| program | cold | × | CPU | cold at {0} MB | first | {0} MB | {1} MB | {2} MB | warm | warm CPU | × | instructions | × | RSS, MiB | zip, MB |",
        MEMORY[0], MEMORY[1], MEMORY[2]
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let cold_floor = median_of(report, "floor-hello", |measured| &measured.cold);
    let warm_floor = median_of(report, "floor-two-calls", |measured| &measured.warm_cpu);
    let floor = report
        .measured
        .iter()
        .find(|measured| measured.name == "floor-two-calls");
    let instructions_floor = floor.and_then(|measured| median(&instructions(measured)));
    for measured in &report.measured {
        let [small, medium, large] = &measured.first_confined;
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.2} |",
            measured.name,
            shown(&measured.cold),
            ratio(&measured.cold, cold_floor),
            shown(&measured.cold_cpu),
            shown(&measured.cold_confined),
            shown(&measured.first),
            shown(small),
            shown(medium),
            shown(large),
            shown(&measured.warm),
            shown(&measured.warm_cpu),
            ratio(&measured.warm_cpu, warm_floor),
            measured
                .instructions
                .map_or("–".to_owned(), |count| count.to_string()),
            ratio(&instructions(measured), instructions_floor),
            median(&measured.memory).map_or("–".to_owned(), |kib| format!("{:.1}", kib / 1024.0)),
            as_number(u64::try_from(measured.zipped).unwrap_or_default()) / 1e6,
        );
    }
    println!();
    for measured in &report.measured {
        println!(
            "{}, start and first invocation: {}",
            measured.name, measured.at_start
        );
        println!(
            "{}, each further invocation: {}",
            measured.name, measured.per_invocation
        );
        let (one, many) = &measured.batches;
        if let (Some(one), Some(many)) = (median(one), median(many)) {
            println!(
                "{}, the CMS taking 50 ms: a batch of 1 {one:.1} ms, a batch of 10 {many:.1} ms: × {:.2}",
                measured.name,
                many / one
            );
        }
    }
    if let Some(cause) = &report.unconfined {
        println!("\nNo shares of a processor: control groups cannot be made here ({cause}).");
    }
}

fn instructions(measured: &Measured) -> Vec<f64> {
    measured.instructions.map(as_number).into_iter().collect()
}

fn shown(numbers: &[f64]) -> String {
    Quartiles::of(numbers).map_or("–".to_owned(), |quartiles| quartiles.to_string())
}

fn median(numbers: &[f64]) -> Option<f64> {
    Quartiles::of(numbers).map(|quartiles| quartiles.median)
}

fn median_of(report: &Report, name: &str, of: fn(&Measured) -> &Vec<f64>) -> Option<f64> {
    let floor = report
        .measured
        .iter()
        .find(|measured| measured.name == name);
    median(of(floor?))
}

fn ratio(numbers: &[f64], floor: Option<f64>) -> String {
    match (median(numbers), floor) {
        (Some(median), Some(floor)) => format!("{:.2}", median / floor),
        _ => "–".to_owned(),
    }
}
