//! What the functions' processes use.

use std::{collections::BTreeMap, fs, time::Duration};

use system_tests::Functions;

/// The functions that a create and its sync need.
pub(crate) const FUNCTIONS: [&str; 2] = ["create-brand", "sync-brand"];

/// What processes have used, by function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used(BTreeMap<String, BTreeMap<u32, Process>>);

#[derive(Clone, Copy, Debug, Default)]
struct Process {
    cpu: Duration,
    /// At most, in bytes.
    memory: u64,
}

/// What those that live have used until now.
pub(crate) fn used(functions: &Functions) -> Used {
    let mut used = Used::default();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry.file_name().to_str().and_then(|id| id.parse().ok());
        let path = fs::read_link(entry.path().join("exe")).unwrap_or_default();
        let name = path.to_str().and_then(|path| functions.name_of(path));
        if let (Some(id), Some(name)) = (id, name) {
            let processes = used.0.entry(name.to_owned()).or_default();
            processes.insert(id, Process::of(id).unwrap_or_default());
        }
    }
    used
}

impl Process {
    fn of(id: u32) -> Option<Self> {
        // The scheduler's own account, in nanoseconds: https://docs.kernel.org/scheduler/sched-stats.html
        let schedstat = fs::read_to_string(format!("/proc/{id}/schedstat")).ok()?;
        let nanos = schedstat.split_whitespace().next()?.parse().ok()?;
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(Self {
            cpu: Duration::from_nanos(nanos),
            memory: kib * 1024,
        })
    }
}

impl Used {
    /// What was used since then: processor time, and the most memory of one process.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let mut used = self.clone();
        for (name, processes) in &mut used.0 {
            for (id, process) in processes {
                let known = before.0.get(name).and_then(|known| known.get(id));
                process.cpu -= known.map_or(Duration::ZERO, |known| known.cpu.min(process.cpu));
            }
        }
        used
    }

    /// Processor time of all of a function's processes.
    pub(crate) fn cpu(&self, function: &str) -> Duration {
        self.of(function).map(|process| process.cpu).sum()
    }

    /// How many there were, and the most memory that one of them has had, in bytes.
    pub(crate) fn memory(&self, function: &str) -> (usize, u64) {
        let most = self.of(function).map(|process| process.memory).max();
        (self.of(function).count(), most.unwrap_or_default())
    }

    fn of(&self, function: &str) -> impl Iterator<Item = &Process> {
        self.0.get(function).into_iter().flat_map(BTreeMap::values)
    }
}
