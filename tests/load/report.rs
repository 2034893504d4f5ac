//! What is printed.

use std::time::Duration;

use crate::{
    client::Created,
    processes::{FUNCTIONS, Used},
};

/// What came of one level.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) clients: usize,
    /// How long brands were created.
    pub(crate) took: Duration,
    /// How long it took until all were synced, from the beginning.
    pub(crate) settled: Duration,
    pub(crate) created: Created,
    /// From the acknowledgement to the sync.
    pub(crate) synced: Vec<Duration>,
    pub(crate) used: Used,
}

pub(crate) fn head(seconds: u64) {
    println!("load: brands are created for {seconds} s at each level; times in milliseconds");
    println!(
        "  {:>7} {:>9} {:>7}  {:^23}  {:^23}  {:>8}",
        "clients",
        "created",
        "per s",
        "request p50 p90 p99",
        "until synced p50 p90 p99",
        "synced/s"
    );
}

pub(crate) fn foot() {
    println!(
        "What bounds it here is the emulator, which is one process for the API, DynamoDB, SQS and all invocations, and the \
         processors that it shares with the clients. The functions' own use is theirs alone, of a build \
         for tests: `make bench` measures what is deployed."
    );
}

impl Level {
    /// Prints it, and answers whether all went well.
    pub(crate) fn print(&self) -> bool {
        let Self { created, .. } = self;
        let brands = created.brands;
        println!(
            "  {:>7} {:>9} {:>7.1}  {:>23}  {:>23}  {:>8.1}",
            self.clients,
            brands,
            per_second(brands, self.took),
            percentiles(&created.latencies),
            percentiles(&self.synced),
            per_second(self.synced.len(), self.settled),
        );
        for function in FUNCTIONS {
            let (processes, memory) = self.used.memory(function);
            let per_brand = self.used.cpu(function).as_secs_f64() * 1e3 / count(brands.max(1));
            println!(
                "          {function}: {per_brand:.2} ms of processor time a brand, {processes} processes, at most {:.1} MiB each",
                count(usize::try_from(memory).unwrap_or_default()) / 1_048_576.0
            );
        }
        let mut is_good = true;
        if let Some(failure) = created.failures.first() {
            println!(
                "          {} requests failed: {failure}",
                created.failures.len()
            );
            is_good = false;
        }
        if self.synced.len() != brands {
            println!(
                "          {} brands are not synced",
                brands - self.synced.len()
            );
            is_good = false;
        }
        is_good && brands > 0
    }
}

fn per_second(many: usize, time: Duration) -> f64 {
    count(many) / time.as_secs_f64()
}

fn percentiles(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(index).map_or_else(
            || "-".to_owned(),
            |time| format!("{:.0}", time.as_secs_f64() * 1e3),
        )
    };
    format!("{:>7} {:>7} {:>7}", at(50), at(90), at(99))
}

#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
const fn count(many: usize) -> f64 {
    many as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::percentiles;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentiles(&times), "    100     180     198");
        assert_eq!(
            percentiles(&[Duration::from_millis(7)]),
            "      7       7       7"
        );
        assert_eq!(percentiles(&[]), "      -       -       -");
    }
}
