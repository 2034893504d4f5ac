//! The measuring: turn by turn, so that whatever the machine does beside befalls all alike.

use std::{fs, io::Write as _, time::Duration};

use bench::{Counts, CpuShare, Error, Event, Function, Stage};
use flate2::{Compression, write::DeflateEncoder};

use crate::contestant::Contestant;

/// The memory, in MB, whose share of a processor is tried.
pub(crate) const MEMORY: [u32; 3] = [128, 512, 1769];
/// How many invocations of a round tell what a warm one costs.
const WARM: u32 = 400;
/// How many of a round tell how long one takes with a share of a processor.
const WARM_CONFINED: u32 = 10;
/// How long the CMS takes where batches are compared.
const CMS_TAKES: Duration = Duration::from_millis(50);
/// The larger batch.
const BATCH: usize = 10;

/// What was measured of one program. Times are in milliseconds.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) cold: Vec<f64>,
    pub(crate) cold_cpu: Vec<f64>,
    /// The same, all with the share of each of [`MEMORY`].
    pub(crate) cold_confined: [Vec<f64>; 3],
    /// The first invocation after a start with a whole processor.
    pub(crate) first: Vec<f64>,
    /// The same with the share of each of [`MEMORY`].
    pub(crate) first_confined: [Vec<f64>; 3],
    pub(crate) warm: Vec<f64>,
    pub(crate) warm_cpu: Vec<f64>,
    /// One invocation after the other with the share of each of [`MEMORY`].
    pub(crate) warm_confined: [Vec<f64>; 3],
    /// Invocations of one message and of [`BATCH`] while the CMS takes [`CMS_TAKES`].
    pub(crate) batches: (Vec<f64>, Vec<f64>),
    /// In KiB.
    pub(crate) memory: Vec<f64>,
    /// In bytes.
    pub(crate) zipped: usize,
    pub(crate) at_start: Counts,
    pub(crate) per_invocation: Counts,
    /// Of a warm invocation; none where there is no valgrind.
    pub(crate) instructions: Option<u64>,
}

/// What was measured of all, and what could not be.
pub(crate) struct Report {
    pub(crate) rounds: usize,
    pub(crate) measured: Vec<Measured>,
    /// Why there are no shares of a processor.
    pub(crate) unconfined: Option<String>,
}

/// Measures them all, so many times.
pub(crate) fn all(
    contestants: &[Contestant],
    rounds: usize,
    only_cold: bool,
) -> Result<Report, Error> {
    let stage = Stage::start("main")?;
    let shares: Result<Vec<_>, _> = MEMORY.into_iter().map(CpuShare::of_memory).collect();
    let (shares, unconfined) = match shares {
        Ok(shares) => (shares, None),
        Err(cause) => (Vec::new(), Some(cause.to_string())),
    };
    let mut measured: Vec<Measured> = contestants.iter().map(|_| Measured::default()).collect();
    for round in 0..=rounds {
        eprint!("\rround {round} of {rounds} ");
        let mut turns: Vec<_> = contestants.iter().zip(&mut measured).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for (contestant, measured) in turns {
            if round == 0 {
                // The first run finds nothing in the caches: it is made, and only what does not vary is kept of it.
                *measured = counted(&stage, contestant)?;
                continue;
            }
            cold(&stage, contestant, &shares, measured)?;
            if !only_cold {
                warm(&stage, contestant, &shares, measured)?;
            }
        }
    }
    eprintln!();
    Ok(Report {
        rounds,
        measured,
        unconfined,
    })
}

fn counted(stage: &Stage, contestant: &Contestant) -> Result<Measured, Error> {
    let before = stage.counts();
    let mut function = start(stage, contestant, None, false)?;
    function.asked()?;
    function.invoke(contestant.event.text(stage)?)?;
    let at_start = stage.counts();
    function.invoke(contestant.event.text(stage)?)?;
    Ok(Measured {
        name: contestant.name.clone(),
        zipped: zipped(&fs::read(&contestant.path)?)?,
        at_start: at_start.since(&before),
        per_invocation: stage.counts().since(&at_start),
        instructions: bench::instructions(stage, &contestant.path, contestant.event)?,
        ..Measured::default()
    })
}

fn cold(
    stage: &Stage,
    contestant: &Contestant,
    shares: &[CpuShare],
    measured: &mut Measured,
) -> Result<(), Error> {
    let mut function = start(stage, contestant, None, true)?;
    measured.cold.push(until_answered(&mut function)?);
    function.asked()?;
    measured.cold_cpu.push(millis(function.cpu()?));
    drop(function);
    for (share, cold) in shares.iter().zip(&mut measured.cold_confined) {
        settle();
        let mut function = start(stage, contestant, Some(share), true)?;
        cold.push(until_answered(&mut function)?);
    }
    let mut function = start(stage, contestant, None, false)?;
    function.asked()?;
    let (time, _) = function.invoke(contestant.event.text(stage)?)?;
    measured.first.push(millis(time));
    drop(function);
    for (share, first) in shares.iter().zip(&mut measured.first_confined) {
        let mut function = start(stage, contestant, None, false)?;
        function.asked()?;
        settle();
        function.confine(share)?;
        let (time, _) = function.invoke(contestant.event.text(stage)?)?;
        first.push(millis(time));
    }
    Ok(())
}

fn warm(
    stage: &Stage,
    contestant: &Contestant,
    shares: &[CpuShare],
    measured: &mut Measured,
) -> Result<(), Error> {
    let mut function = start(stage, contestant, None, false)?;
    function.asked()?;
    for _ in 0..WARM / 4 {
        function.invoke(contestant.event.text(stage)?)?;
    }
    let before = function.cpu()?;
    for _ in 0..WARM {
        let (time, _) = function.invoke(contestant.event.text(stage)?)?;
        measured.warm.push(millis(time));
    }
    let used = function.cpu()?.saturating_sub(before);
    measured.warm_cpu.push(millis(used) / f64::from(WARM));
    measured.memory.push(as_number(function.peak_memory()?));
    if contestant.syncs() {
        stage.cms_takes(CMS_TAKES);
        let one = function.invoke(Event::BrandsCreated(1).text(stage)?);
        let many = function.invoke(Event::BrandsCreated(BATCH).text(stage)?);
        stage.cms_takes(Duration::ZERO);
        measured.batches.0.push(millis(one?.0));
        measured.batches.1.push(millis(many?.0));
    }
    for (share, warm) in shares.iter().zip(&mut measured.warm_confined) {
        function.confine(share)?;
        for _ in 0..WARM_CONFINED {
            let (time, _) = function.invoke(contestant.event.text(stage)?)?;
            warm.push(millis(time));
        }
    }
    Ok(())
}

fn start(
    stage: &Stage,
    contestant: &Contestant,
    share: Option<&CpuShare>,
    with_event: bool,
) -> Result<Function, Error> {
    let event = with_event
        .then(|| contestant.event.text(stage))
        .transpose()?;
    Function::start(stage, &[&contestant.path], share, event)
}

fn until_answered(function: &mut Function) -> Result<f64, Error> {
    function.asked()?;
    let answer = function.answered()?;
    Ok(millis(
        answer.at.saturating_duration_since(function.started()),
    ))
}

/// Lets the kernel give a control group its quota anew.
fn settle() {
    std::thread::sleep(Duration::from_millis(50));
}

fn zipped(executable: &[u8]) -> Result<usize, Error> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(executable)?;
    Ok(encoder.finish()?.len())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "what is counted here is small")]
pub(crate) const fn as_number(count: u64) -> f64 {
    count as f64
}
