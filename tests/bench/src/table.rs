//! The table, and what else is told.

use bench::Quartiles;

use crate::{
    bounds,
    measure::{MEMORY, Measured, Report, as_number},
};

/// Prints it.
pub(crate) fn print(report: &Report) {
    let [small, medium, large] = MEMORY;
    println!(
        "Times in ms: medians of {} rounds, where there is room with the quartiles; × is how many times the floor, which is \
         floor-hello for a start and floor-two-calls for an invocation.\n\
         At {small} / {medium} / {large} MB: with the processor's share that Lambda gives with so much memory.\n",
        report.rounds
    );
    println!(
        "| program | cold | × | CPU | all at {small} / {medium} / {large} MB | first invocation | at {small} / {medium} / {large} MB | warm | at {small} / {medium} / {large} MB | CPU | × | instructions | × | RSS, MiB | zip, MB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let hello = report.of("floor-hello");
    let two_calls = report.of("floor-two-calls");
    for measured in &report.measured {
        let cells = [
            measured.name.clone(),
            shown(&measured.cold),
            ratio(measured.cold(), hello.and_then(Measured::cold)),
            shown(&measured.cold_cpu),
            medians(&measured.cold_confined),
            shown(&measured.first),
            medians(&measured.first_confined),
            shown(&measured.warm),
            medians(&measured.warm_confined),
            shown(&measured.warm_cpu),
            ratio(measured.warm_cpu(), two_calls.and_then(Measured::warm_cpu)),
            measured
                .instructions
                .map_or("–".to_owned(), |count| count.to_string()),
            ratio(
                measured.instructions(),
                two_calls.and_then(Measured::instructions),
            ),
            number(measured.memory(), 1),
            number(Some(measured.zipped()), 2),
        ];
        println!("| {} |", cells.join(" | "));
    }
    println!();
    for measured in &report.measured {
        let name = &measured.name;
        println!("{name}, start and first invocation: {}", measured.at_start);
        println!("{name}, each further one: {}", measured.per_invocation);
    }
    bounds::print(report);
    if let Some(cause) = &report.unconfined {
        println!("\nNo shares of a processor: control groups cannot be made here ({cause}).");
    }
    if report.measured.iter().all(|one| one.instructions.is_none()) {
        println!("\nNo instructions: they are counted by valgrind, which is not installed.");
    }
}

fn shown(numbers: &[f64]) -> String {
    Quartiles::of(numbers).map_or("–".to_owned(), |quartiles| quartiles.to_string())
}

fn medians(of_each: &[Vec<f64>]) -> String {
    let medians = of_each.iter().map(|numbers| number(median(numbers), 2));
    medians.collect::<Vec<_>>().join(" / ")
}

fn number(number: Option<f64>, places: usize) -> String {
    number.map_or("–".to_owned(), |number| format!("{number:.places$}"))
}

fn ratio(one: Option<f64>, floor: Option<f64>) -> String {
    number(one.zip(floor).map(|(one, floor)| one / floor), 2)
}

pub(crate) fn median(numbers: &[f64]) -> Option<f64> {
    Quartiles::of(numbers).map(|quartiles| quartiles.median)
}

impl Report {
    /// What was measured of the program of that name.
    pub(crate) fn of(&self, name: &str) -> Option<&Measured> {
        self.measured.iter().find(|measured| measured.name == name)
    }
}

impl Measured {
    pub(crate) fn cold(&self) -> Option<f64> {
        median(&self.cold)
    }

    pub(crate) fn warm_cpu(&self) -> Option<f64> {
        median(&self.warm_cpu)
    }

    pub(crate) fn instructions(&self) -> Option<f64> {
        self.instructions.map(as_number)
    }

    /// In MiB.
    pub(crate) fn memory(&self) -> Option<f64> {
        median(&self.memory).map(|kib| kib / 1024.0)
    }

    /// In MB.
    pub(crate) fn zipped(&self) -> f64 {
        as_number(u64::try_from(self.zipped).unwrap_or_default()) / 1e6
    }
}
