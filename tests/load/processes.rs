//! What the functions' processes use. They are told from others by their executables, which lie where the emulator unpacks the
//! functions.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    time::Duration,
};

use config::Env;

/// The functions that a create and its sync need.
pub(crate) const FUNCTIONS: [&str; 2] = ["create-brand", "sync-brand"];

/// Where the functions' processes come from.
#[derive(Debug)]
pub(crate) struct Functions {
    folder: String,
    /// The functions' names, by the folder of each one's code.
    names: HashMap<String, String>,
}

/// What processes have used, by function.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used(BTreeMap<String, BTreeMap<u32, Process>>);

#[derive(Clone, Copy, Debug, Default)]
struct Process {
    cpu: Duration,
    /// At most, in bytes.
    memory: u64,
}

impl Functions {
    /// As `infra/local exec` tells it.
    pub(crate) fn from_env() -> Result<Self, String> {
        let mut env = Env::of_process();
        let (folder, code) = (env.text("FUNCTIONS_FOLDER"), env.text("FUNCTIONS_CODE"));
        let (folder, code) = env
            .finish((folder, code))
            .map_err(|error| error.to_string())?;
        let digests: HashMap<String, String> =
            serde_json::from_str(&code).map_err(|error| format!("FUNCTIONS_CODE: {error}"))?;
        let names = digests.into_iter().map(|(name, digest)| (digest, name));
        Ok(Self {
            folder,
            names: names.collect(),
        })
    }

    /// What those that live have used until now.
    pub(crate) fn used(&self) -> Used {
        let mut used = Used::default();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|id| id.parse().ok());
            let path = fs::read_link(entry.path().join("exe"));
            let name = path.ok().and_then(|path| self.name(path.to_str()?));
            if let (Some(id), Some(name)) = (id, name) {
                let processes = used.0.entry(name).or_default();
                processes.insert(id, Process::of(id).unwrap_or_default());
            }
        }
        used
    }

    fn name(&self, path: &str) -> Option<String> {
        let path = path
            .strip_prefix(&self.folder)?
            .strip_suffix("/bootstrap")?;
        let (_, digest) = path.rsplit_once('/')?;
        self.names.get(digest).cloned()
    }
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
