//! What is wanted of the functions, and whether it is so.

use crate::{
    measure::{Measured, Report},
    table::median,
};

/// Prints a line for each bound of which there is a measurement.
pub(crate) fn print(report: &Report) {
    let mut lines = Vec::new();
    let mut bound = |what: &str, measured: Option<f64>, most: f64| {
        if let Some(measured) = measured {
            let met = if measured <= most { "met" } else { "NOT met" };
            lines.push(format!(
                "| {what} | at most {most} | {measured:.2} | {met} |"
            ));
        }
    };
    let two_calls = report.of("floor-two-calls");
    if let Some(create) = report.of("create-brand") {
        let hello = report.of("floor-hello").and_then(Measured::cold);
        bound(
            "create-brand: cold, × floor-hello",
            over(create.cold(), hello),
            3.0,
        );
        let [first, ..] = &create.first_confined;
        bound(
            "create-brand: first invocation at 128 MB, ms",
            median(first),
            3.0,
        );
        let floor = two_calls.and_then(Measured::warm_cpu);
        let ratio = over(create.warm_cpu(), floor);
        bound(
            "create-brand: CPU of a warm create, × floor-two-calls",
            ratio,
            1.3,
        );
        let floor = two_calls.and_then(Measured::instructions);
        let ratio = over(create.instructions(), floor);
        bound(
            "create-brand: its instructions, × floor-two-calls",
            ratio,
            1.3,
        );
    }
    if let Some(sync) = report.of("sync-brand") {
        let create = report.of("create-brand").and_then(Measured::cold);
        bound(
            "sync-brand: cold, × create-brand",
            over(sync.cold(), create),
            1.3,
        );
        let (one, ten) = &sync.batches;
        let ratio = over(median(ten), median(one));
        bound(
            "sync-brand: a batch of 10, × a batch of 1, the CMS taking 50 ms",
            ratio,
            1.5,
        );
    }
    for name in ["create-brand", "sync-brand"] {
        let Some(measured) = report.of(name) else {
            continue;
        };
        bound(&format!("{name}: RSS, MiB"), measured.memory(), 10.0);
        bound(&format!("{name}: zip, MB"), Some(measured.zipped()), 3.5);
    }
    if !lines.is_empty() {
        println!("\n| wanted | bound | measured | |\n|---|---|---|---|");
        println!("{}", lines.join("\n"));
    }
}

fn over(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one? / other?)
}
