//! A function's process: started, invoked, and looked at.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use hyper::body::Bytes;

use crate::{
    CpuShare, Error, Stage,
    runtime_api::{RuntimeApi, Signal},
};

/// How long a function may take for anything.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked whether it still runs.
const LOOK: Duration = Duration::from_millis(200);

/// A function that runs.
pub struct Function {
    process: Child,
    started: Instant,
    lambda: RuntimeApi,
}

/// What a function answered.
pub struct Answer {
    /// When it did.
    pub at: Instant,
    /// What it said.
    pub body: Bytes,
}

impl Function {
    /// Starts it on the stage, with its processor's share from the first moment on if one is given. `event` waits for it.
    pub fn start(
        stage: &Stage,
        program: &[&Path],
        share: Option<&CpuShare>,
        event: Option<String>,
    ) -> Result<Self, Error> {
        let lambda = RuntimeApi::start(&stage.handle)?;
        if let Some(event) = event {
            lambda.send(event)?;
        }
        let (executable, arguments) = program.split_first().ok_or("no program")?;
        let mut command = Command::new(executable);
        command
            .args(arguments)
            .env_clear()
            .envs(stage.environment())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("AWS_LAMBDA_RUNTIME_API", lambda.address.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let started = Instant::now();
        let process = command
            .spawn()
            .map_err(|error| format!("{}: {error}", executable.display()))?;
        if let Some(share) = share {
            share.put(process.id())?;
        }
        Ok(Self {
            process,
            started,
            lambda,
        })
    }

    /// When its process was started.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Gives it that share of a processor from now on.
    pub fn confine(&self, share: &CpuShare) -> Result<(), Error> {
        share.put(self.process.id())
    }

    /// Waits until it asks for an event, and answers when it did.
    pub fn asked(&mut self) -> Result<Instant, Error> {
        match self.next()? {
            Signal::Asked(at) => Ok(at),
            Signal::Answered(_, body) | Signal::Failed(body) => Err(unexpected(&body)),
        }
    }

    /// Lays out an event for it.
    pub fn send(&self, event: String) -> Result<(), Error> {
        self.lambda.send(event)
    }

    /// Waits for its answer.
    pub fn answered(&mut self) -> Result<Answer, Error> {
        match self.next()? {
            Signal::Answered(at, body) => Ok(Answer { at, body }),
            Signal::Asked(_) => Err("the function asked twice".into()),
            Signal::Failed(body) => Err(unexpected(&body)),
        }
    }

    /// Invokes it once it waits for an event, and waits until it waits for the next. Answers how long its answer took.
    pub fn invoke(&mut self, event: String) -> Result<(Duration, Bytes), Error> {
        let sent = Instant::now();
        self.send(event)?;
        let answer = self.answered()?;
        self.asked()?;
        Ok((answer.at.saturating_duration_since(sent), answer.body))
    }

    /// What it does next; an error where it has ended instead.
    fn next(&mut self) -> Result<Signal, Error> {
        let patience = Instant::now() + PATIENCE;
        loop {
            if let Some(signal) = self.lambda.next(LOOK)? {
                return Ok(signal);
            }
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("the function has ended: {status}").into());
            }
            if Instant::now() > patience {
                return Err("the function does nothing".into());
            }
        }
    }

    /// The processor time that it has used, all threads that still are.
    pub fn cpu(&self) -> Result<Duration, Error> {
        // It has asked, and goes to sleep within microseconds.
        std::thread::sleep(Duration::from_millis(1));
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let usage = fs::read_to_string(thread?.path().join("schedstat"))?;
            let used = usage.split_whitespace().next().unwrap_or_default();
            nanoseconds += used.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The most memory that it has had resident, in KiB.
    pub fn peak_memory(&self) -> Result<u64, Error> {
        self.status("VmHWM:")
    }

    /// The memory that it has resident, in KiB.
    pub fn memory(&self) -> Result<u64, Error> {
        self.status("VmRSS:")
    }

    fn status(&self, name: &str) -> Result<u64, Error> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib
            .ok_or_else(|| format!("the kernel does not tell {name}"))?
            .parse()?)
    }

    /// Asks its process to end, and waits until it has.
    pub(crate) fn terminate(mut self) -> Result<(), Error> {
        let id = self.process.id().to_string();
        Command::new("kill").arg(id).status()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn unexpected(body: &[u8]) -> Error {
    format!("the function said: {}", String::from_utf8_lossy(body)).into()
}
