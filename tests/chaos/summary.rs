//! What is printed at the end.

use std::fmt::Write;

use dead_letters::FailureKind;

use crate::{
    fault::{Fault, Injected},
    load::Load,
    outage::Outage,
    settings::Settings,
    snapshot::Snapshot,
    verdict::Verdict,
};

/// What came of a run of the test.
pub(crate) struct Summary<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) load: &'a Load,
    pub(crate) found: &'a Snapshot,
    pub(crate) verdict: &'a Verdict,
    /// How many brands were taken up, and what was found then.
    pub(crate) taken_up: (usize, &'a Verdict),
    pub(crate) outage: &'a Outage,
    pub(crate) injected: &'a Injected,
    /// How long it took until everything was settled, and in all; in seconds.
    pub(crate) settled_after: u64,
    pub(crate) seconds: u64,
}

impl Summary<'_> {
    pub(crate) fn text(&self) -> String {
        let Self {
            settings,
            load,
            verdict,
            taken_up: (taken_up, then),
            ..
        } = self;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<20} {value}");
        };
        line(
            "seed",
            format!(
                "{} ({} brands, {} clients at once, {} s of faults)",
                settings.seed,
                settings.brands,
                settings.concurrency,
                settings.window.as_secs()
            ),
        );
        line(
            "acknowledged",
            format!(
                "{} ({} clients gave up, {} requests failed, {} were repeated after the answer)",
                load.acknowledged.len(),
                load.given_up,
                load.failures,
                load.repeated
            ),
        );
        line(
            "changed",
            format!("{} renamed, {} deleted", load.renamed, load.deleted),
        );
        line("synced", verdict.synced.to_string());
        line("refused", verdict.refused.to_string());
        line(
            "failed",
            format!("{} ({} left in the CMS)", verdict.failed, verdict.leftovers),
        );
        line("parked", parked(verdict));
        line("lost", verdict.lost.to_string());
        line("orphans", verdict.orphans.to_string());
        line("CMS calls per brand", self.calls_per_brand());
        line(
            "settled",
            format!("{} s after the last fault", self.settled_after),
        );
        line(
            "taken up",
            format!("{taken_up} brands; then {} are synced", then.synced),
        );
        let Outage {
            calls,
            arrived_after,
            ..
        } = self.outage;
        let seconds = arrived_after.as_secs();
        line(
            "outage",
            format!("{calls} calls of the CMS; all arrived {seconds} s after it was back"),
        );
        line("faults injected", self.injected.total().to_string());
        for (whom, kinds) in by_target(self.injected) {
            // A few to a line.
            for (number, some) in kinds.chunks(4).enumerate() {
                let whom = if number == 0 { whom } else { "" };
                line(&format!("  {whom}"), some.join(", "));
            }
        }
        line("time", format!("{} s", self.seconds));
        text
    }

    /// Calls that reached the CMS, by the brands that are stored.
    fn calls_per_brand(&self) -> String {
        let calls = self.found.cms.calls;
        let (calls, brands) = (
            calls.creates + calls.updates + calls.deletes + calls.retrieves,
            self.found.rows.len() as u64,
        );
        let tenths = (calls * 10).checked_div(brands).unwrap_or_default();
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

fn parked(verdict: &Verdict) -> String {
    let total: usize = verdict.parked.values().sum();
    let kinds: Vec<_> = verdict
        .parked
        .iter()
        .map(|(kind, number): (&FailureKind, &usize)| format!("{kind} {number}"))
        .collect();
    format!("{total} ({})", kinds.join(", "))
}

fn by_target(injected: &Injected) -> Vec<(&'static str, Vec<String>)> {
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    for fault in Fault::ALL {
        let (whom, what) = fault.told();
        let told = format!("{what} {}", injected.of(fault));
        match lines.last_mut() {
            Some((last, kinds)) if *last == whom => kinds.push(told),
            _ => lines.push((whom, vec![told])),
        }
    }
    lines
}
