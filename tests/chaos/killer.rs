//! Kills the functions' processes.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use system_tests::Functions;
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    chaos::{Chaos, Phase},
    fault::Fault,
};

/// How long it is, at most, from one killing to the next.
const BETWEEN: Duration = Duration::from_millis(1500);
/// The most processes that are killed at once.
const AT_ONCE: usize = 4;

/// Knows the functions' processes.
#[derive(Clone, Debug)]
pub(crate) struct Killer(Arc<Functions>);

/// A function's process.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    id: String,
    function: String,
}

impl Killer {
    /// A killer of the processes of those functions.
    pub(crate) fn new(functions: Functions) -> Self {
        Self(Arc::new(functions))
    }

    /// Kills all processes of that function.
    pub(crate) async fn kill_all(&self, function: &str) -> usize {
        let mut processes = self.processes().await;
        processes.retain(|process| process.function == function);
        self.kill(processes).await
    }

    async fn processes(&self) -> Vec<Process> {
        let functions = Arc::clone(&self.0);
        let listed = spawn_blocking(move || processes(&functions)).await;
        listed.unwrap_or_default()
    }

    async fn kill(&self, processes: Vec<Process>) -> usize {
        if processes.is_empty() {
            return 0;
        }
        let number = processes.len();
        let killed = spawn_blocking(move || {
            // Some may have ended by themselves, of which kill complains.
            Command::new("kill")
                .arg("-9")
                .args(processes.into_iter().map(|process| process.id))
                .stderr(Stdio::null())
                .status()
        });
        match killed.await {
            Ok(Ok(_)) => number,
            _ => 0,
        }
    }
}

fn processes(functions: &Functions) -> Vec<Process> {
    let listed = Command::new("ps").args(["-axo", "pid=,command="]).output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&listed)
        .lines()
        .filter_map(|line| process(functions, line))
        .collect()
}

/// The process of that line, if it is a function's: `4711 <executable>`.
fn process(functions: &Functions, line: &str) -> Option<Process> {
    let (id, command) = line.trim().split_once(' ')?;
    Some(Process {
        id: id.to_owned(),
        function: functions.name_of(command.trim())?.to_owned(),
    })
}

/// Kills processes at random, for as long as there are faults.
pub(crate) async fn kill_at_random(chaos: &Chaos) {
    loop {
        sleep(chaos.moment(BETWEEN)).await;
        let processes = chaos.killer.processes().await;
        if chaos.phase() != Phase::Faulty {
            return;
        }
        // First the function, then some of its processes: each function has its turn, however few of them there are.
        let mut functions: Vec<&str> = processes
            .iter()
            .map(|process| process.function.as_str())
            .filter(|function| Fault::killed(function).is_some())
            .collect();
        functions.sort_unstable();
        functions.dedup();
        let Some(function) = drawn(chaos, &functions).copied() else {
            continue;
        };
        let mut left: Vec<&Process> = processes
            .iter()
            .filter(|process| process.function == function)
            .collect();
        let mut victims = Vec::new();
        // Half of them live on, so that there is work to be interrupted.
        for _ in 0..left.len().div_ceil(2).min(AT_ONCE) {
            if let Some(victim) = drawn(chaos, &left).map(|victim| (*victim).clone()) {
                left.retain(|process| process.id != victim.id);
                victims.push(victim);
            }
        }
        let fault = Fault::killed(function);
        let killed = chaos.killer.kill(victims).await;
        for fault in std::iter::repeat_n(fault, killed).flatten() {
            chaos.injected.count(fault);
        }
    }
}

fn drawn<'a, T>(chaos: &Chaos, among: &'a [T]) -> Option<&'a T> {
    let number = u32::try_from(among.len())
        .ok()
        .filter(|number| *number > 0)?;
    among.get(usize::try_from(chaos.draw(0..number)).ok()?)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use system_tests::Functions;

    use super::{Process, process};

    #[test]
    fn only_processes_of_functions_of_this_stack_are_found() {
        let digests = HashMap::from([("create-brand".to_owned(), "abc".to_owned())]);
        let functions = Functions::new("/state/exec-1", digests);
        let found = Process {
            id: "4711".to_owned(),
            function: "create-brand".to_owned(),
        };
        let of_line = |line| process(&functions, line);
        assert_eq!(
            of_line(" 4711 /state/exec-1/code/abc/bootstrap"),
            Some(found)
        );
        for other in [
            "4711 /state/exec-2/code/abc/bootstrap",
            "4711 /state/exec-12/code/abc/bootstrap",
            "4711 /state/exec-1/code/def/bootstrap",
            "4711 python /state/exec-1/code/abc/bootstrap",
            "4711 /state/exec-1/code/abc/bootstrap-not",
            "",
        ] {
            assert_eq!(of_line(other), None, "{other}");
        }
    }
}
