//! A share of a processor, as Lambda gives it with the memory: a control group with a quota.

use std::{fs, path::PathBuf};

use crate::Error;

/// With so many MB a function has one processor's time.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
pub const FULL_CPU: u32 = 1769;

/// After so many microseconds the kernel gives a group its quota anew: short, as a request is short.
const PERIOD: u32 = 20_000;

/// A control group whose processes share what a function has with so much memory.
pub struct CpuShare {
    folder: PathBuf,
}

impl CpuShare {
    /// The share that goes with so many MB; an error where this machine or user may not make control groups.
    pub fn of_memory(megabytes: u32) -> Result<Self, Error> {
        let quota = PERIOD * megabytes / FULL_CPU;
        let name = format!("bench-{}-{megabytes}", std::process::id());
        let first = PathBuf::from("/sys/fs/cgroup/cpu").join(&name);
        if let Ok(()) = fs::create_dir(&first) {
            let share = Self { folder: first };
            fs::write(share.folder.join("cpu.cfs_period_us"), PERIOD.to_string())?;
            fs::write(share.folder.join("cpu.cfs_quota_us"), quota.to_string())?;
            return Ok(share);
        }
        let second = PathBuf::from("/sys/fs/cgroup").join(&name);
        fs::create_dir(&second)?;
        let share = Self { folder: second };
        fs::write(share.folder.join("cpu.max"), format!("{quota} {PERIOD}"))?;
        Ok(share)
    }

    /// Puts a process into the group.
    pub(crate) fn put(&self, process: u32) -> Result<(), Error> {
        Ok(fs::write(
            self.folder.join("cgroup.procs"),
            process.to_string(),
        )?)
    }
}

impl Drop for CpuShare {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}
