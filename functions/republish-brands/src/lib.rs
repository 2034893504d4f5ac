//! The sweep: once a minute it sends reminders for the rows that are due.
//!
//! An event may get lost, its worker may die, and a run may wait for a CMS that is away. In each case the brand's row says
//! when to look at it again. A reminder too many costs a read. While the circuit of the CMS is open, one row at a time is
//! reminded of, as a probe; when it closes, the rest follows.
//!
//! A row that cannot be postponed stays at the head of its shard. So where a sweep meets one, it reads on behind it: the
//! good rows behind have their turn in the same sweep, as long as its time and its [`Limits::rows`] last.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
    sync::Arc,
    time::Duration,
};

use aws::Limits as RequestLimits;
use brand::{BrandId, DueRow, Outbox, Reminders, SHARDS, StoreError, SyncDue, Timestamp};
use circuit::{Circuit, CircuitBreaker, Opening, ProbeToken};
use futures::{StreamExt, future::join_all, stream};
use serde::Serialize;
use telemetry::{Metrics, Trace, Unit};
use thiserror::Error;
use tracing::{Instrument, error, info, info_span, warn};
use workflow::Environment;

/// The longest wait between two reminders of a row.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// How many rows are reminded of before the time is checked again.
const CHUNK: usize = 100;
/// How many rows are written to at once.
const AT_ONCE: usize = 20;
/// How much of an invocation's time a chunk needs.
const FOR_A_CHUNK: Duration = Duration::from_secs(10);
const _: () = assert!(RequestLimits::LONG.leave_room_in(FOR_A_CHUNK));
/// How long the sweep waits for the verdict of a probe, so that the other rows follow at once.
const FOR_A_VERDICT: Duration = Duration::from_secs(15);
/// How often it looks for the verdict.
const LOOK: Duration = Duration::from_secs(1);

/// How much an invocation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The wait after the first reminder of a row. It doubles with each further one, up to an hour.
    pub first_wait: Duration,
    /// The most rows that an invocation reminds of, less the messages that wait in the queue already.
    pub rows: u16,
}

/// What an invocation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many reminders were sent.
    pub notified: usize,
    /// How many could not be sent. The rows stay due.
    pub notify_failed: usize,
    /// How many rows have an id that cannot be read, or cannot be written to for good.
    pub unreadable: usize,
    /// For how many seconds the row that waits longest has been due, of those with a readable id.
    pub oldest_due_age: u64,
    /// How many rows need an operator; at most 1,000 in each shard are counted.
    pub needs_attention: u64,
    /// For how many seconds the circuit has been open; none where it is closed.
    pub circuit_open_age: Option<u64>,
}

impl Report {
    fn emit(&self, unread_shards: usize) {
        let mut metrics = Metrics::new();
        metrics.add_many("notified", self.notified);
        metrics.add_many("notify_failed", self.notify_failed);
        metrics.add_many("unreadable", self.unreadable + unread_shards);
        let needs_attention = usize::try_from(self.needs_attention).unwrap_or(usize::MAX);
        metrics.add_many("needs_attention", needs_attention);
        metrics.add_many("circuit_open", usize::from(self.circuit_open_age.is_some()));
        let ages = [
            ("oldest_due_age", self.oldest_due_age),
            ("circuit_open_age", self.circuit_open_age.unwrap_or(0)),
        ];
        for (name, age) in ages {
            let age = Duration::from_secs(age).as_secs_f64();
            metrics.measure(name, Unit::Seconds, &[age]);
        }
        metrics.emit("republish-brands");
        if self.notified + self.notify_failed + self.unreadable > 0 {
            info!(
                notified = self.notified,
                notify_failed = self.notify_failed,
                unreadable = self.unreadable,
                oldest_due_age = self.oldest_due_age,
                "sent reminders for {} rows",
                self.notified
            );
        }
    }
}

/// Some rows could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0} of the shards of due rows could not be read")]
pub struct UnreadShards(usize);

/// The handler, on the rows that are due, the way to remind of them, and the circuit of the CMS.
pub struct RepublishBrands<O, R> {
    rows: O,
    reminders: R,
    circuit: CircuitBreaker,
    environment: Arc<dyn Environment>,
    limits: Limits,
}

impl<O: Outbox, R: Reminders> RepublishBrands<O, R> {
    /// The handler on those.
    pub const fn new(
        rows: O,
        reminders: R,
        circuit: CircuitBreaker,
        environment: Arc<dyn Environment>,
        limits: Limits,
    ) -> Self {
        Self {
            rows,
            reminders,
            circuit,
            environment,
            limits,
        }
    }

    /// Sends reminders. `deadline` is when the invocation ends, in milliseconds since the Unix epoch. Fails if not all shards
    /// could be read, after doing what it could.
    pub async fn handle(
        &self,
        trace: &Trace,
        deadline: Option<u64>,
    ) -> Result<Report, UnreadShards> {
        let span = info_span!("sweep", trace_id = trace.id());
        trace.continue_in(&span);
        self.sweep(trace, deadline).instrument(span).await
    }

    async fn sweep(&self, trace: &Trace, deadline: Option<u64>) -> Result<Report, UnreadShards> {
        let mut report = Report::default();
        let mut reading = Reading::default();
        let mut rows = self.due_rows(&mut reading, deadline, &mut report).await;
        report.needs_attention = self.count_attention().await;
        let circuit = self.load_circuit().await;
        if circuit.open.is_some() {
            let open_for = circuit.open_for(self.environment.now());
            report.circuit_open_age = Some(open_for.as_secs());
        }
        let mut is_closed = circuit.open.is_none();
        if !is_closed {
            let row = rows.first().filter(|_| probes_a_row(&circuit));
            let verdict = self.probe(circuit, row, trace, &mut report).await;
            is_closed = verdict == Verdict::Closed;
        }
        if is_closed && !rows.is_empty() {
            let probed = report.notified.min(rows.len()); // the row of the probe has its reminder
            rows.drain(..probed);
            let mut room = self.room().await;
            while !rows.is_empty() && room > 0 {
                rows.truncate(room);
                room = room.saturating_sub(rows.len());
                if !self
                    .remind_all(&rows, &mut reading, deadline, trace, &mut report)
                    .await
                {
                    break;
                }
                // Behind those that stay due.
                rows = self.due_rows(&mut reading, deadline, &mut report).await;
            }
        }
        let unread = reading.unread.len();
        report.emit(unread);
        if unread == 0 {
            Ok(report)
        } else {
            Err(UnreadShards(unread))
        }
    }

    /// Rows that are due and were not read before, the longest due first. Those whose id cannot be read are postponed, and
    /// others are read instead.
    async fn due_rows(
        &self,
        reading: &mut Reading,
        deadline: Option<u64>,
        report: &mut Report,
    ) -> Vec<DueBrand> {
        let (now, of_each) = (self.now(), self.limits.rows.div_ceil(SHARDS.into()));
        let mut rows = Vec::new();
        loop {
            let next = reading.next(of_each);
            if next.is_empty() || self.time_left(deadline) < FOR_A_CHUNK && reading.has_begun() {
                break;
            }
            let shards = next
                .iter()
                .map(|(shard, limit)| self.rows.due(*shard, now, *limit));
            let found = join_all(shards).await;
            let mut unreadable = Vec::new();
            for ((shard, limit), found) in next.into_iter().zip(found) {
                match found {
                    Ok(found) => {
                        let (readable, others) = reading.take(shard, limit, found);
                        rows.extend(readable);
                        unreadable.extend(others);
                    }
                    Err(cause) => {
                        error!(
                            error = telemetry::chain(&cause),
                            "a shard could not be read"
                        );
                        reading.unread.insert(shard);
                    }
                }
            }
            report.unreadable += unreadable.len();
            for row in &unreadable {
                error!(brand.id = row.id, "a due row has an invalid brand id");
            }
            let next_look = now.plus(LONGEST_WAIT);
            let postponed = unreadable.into_iter().map(|row| (row, next_look));
            self.postpone(postponed.collect()).await;
        }
        let since = rows.iter().filter_map(|due| due.row.since).min();
        let age = since.map_or(0, |since| now.since(since).as_secs());
        report.oldest_due_age = report.oldest_due_age.max(age);
        rows.sort_by(|one: &DueBrand, other| one.row.due_at.cmp(&other.row.due_at));
        rows
    }

    async fn count_attention(&self) -> u64 {
        let shards = (0..SHARDS).map(|shard| self.rows.count_attention(shard));
        let counts = join_all(shards).await.into_iter();
        // A shard that cannot be counted now is counted a minute later.
        counts.filter_map(Result::ok).sum()
    }

    /// The circuit; closed where it cannot be read, since the workers ask it themselves.
    async fn load_circuit(&self) -> Circuit {
        self.circuit.load().await.unwrap_or_else(|cause| {
            warn!(
                error = telemetry::chain(&cause),
                "the circuit could not be read"
            );
            Circuit::default()
        })
    }

    /// While the circuit is open: sends one reminder as a probe, if a probe is due, and waits for its verdict.
    async fn probe(
        &self,
        circuit: Circuit,
        row: Option<&DueBrand>,
        trace: &Trace,
        report: &mut Report,
    ) -> Verdict {
        let begun = self.circuit.begin_probe(&circuit, self.environment.now());
        let token = match begun.await {
            Ok(Some(token)) => token,
            Ok(None) => return Verdict::Open,
            Err(cause) => {
                warn!(error = telemetry::chain(&cause), "no probe could be begun");
                return Verdict::Open;
            }
        };
        info!(
            brand.id = row.map(|due| &*due.row.id),
            "the circuit is open: sending a probe"
        );
        if let Some(row) = row {
            let row = std::slice::from_ref(row);
            self.remind(row, Some(&token), trace, report).await;
        } else {
            let probe = SyncDue {
                id: None,
                probe: Some(token.to_string()),
            };
            self.reminders.remind(&[probe], self.now(), trace).await;
        }
        let until = self.environment.now().plus(FOR_A_VERDICT);
        while self.environment.now() < until {
            self.environment.sleep(LOOK).await;
            let circuit = self.load_circuit().await;
            if circuit.open.is_none() {
                info!("the probe was answered: the circuit is closed");
                return Verdict::Closed;
            }
            let probing = circuit.open.as_ref().and_then(Opening::probing);
            let lease = probing.and_then(|probing| probing.lease.as_ref());
            if lease.is_none_or(|lease| lease.token != token) {
                break; // it failed
            }
        }
        Verdict::Open
    }

    /// How many reminders the queue has room for. It holds at most about a minute's work, so that a long queue is not
    /// multiplied.
    async fn room(&self) -> usize {
        let waiting = self.reminders.waiting().await.unwrap_or_else(|cause| {
            warn!(
                error = telemetry::chain(&cause),
                "the queue's length is not known"
            );
            0
        });
        let room = u32::from(self.limits.rows).saturating_sub(waiting);
        if room == 0 {
            info!(
                waiting,
                "the queue holds enough work; no reminders are sent"
            );
        }
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// Reminds of rows, as long as there is time. Returns whether there was enough.
    async fn remind_all(
        &self,
        rows: &[DueBrand],
        reading: &mut Reading,
        deadline: Option<u64>,
        trace: &Trace,
        report: &mut Report,
    ) -> bool {
        for chunk in rows.chunks(CHUNK) {
            if self.time_left(deadline) < FOR_A_CHUNK {
                warn!("no time is left; the next invocation goes on");
                return false;
            }
            let stay_due = self.remind(chunk, None, trace, report).await;
            reading.read_behind(&stay_due);
        }
        true
    }

    /// Reminds of some rows and postpones those. If this process dies in between, they are reminded of once more. Returns the
    /// shards of those that stay due.
    async fn remind(
        &self,
        rows: &[DueBrand],
        probe: Option<&ProbeToken>,
        trace: &Trace,
        report: &mut Report,
    ) -> Vec<u8> {
        let now = self.now();
        let due: Vec<SyncDue> = rows
            .iter()
            .map(|due| SyncDue {
                id: Some(due.id),
                probe: probe.map(ToString::to_string),
            })
            .collect();
        let sent = self.reminders.remind(&due, now, trace).await;
        let (mut postponed, mut stay_due) = (Vec::with_capacity(rows.len()), Vec::new());
        for (due, sent) in rows.iter().zip(sent) {
            match sent {
                Ok(()) => {
                    report.notified += 1;
                    postponed.push(due);
                }
                Err(cause) => {
                    let error = telemetry::chain(&cause);
                    warn!(brand.id = due.row.id, error, "notify_failed");
                    report.notify_failed += 1;
                    stay_due.push(due.shard);
                }
            }
        }
        let rows = postponed.iter().map(|due| {
            let wait = self.wait_of(&due.row, now);
            (due.row.clone(), now.plus(wait))
        });
        let failed = self.postpone(rows.collect()).await;
        for due in postponed {
            if let Some(cause) = failed.get(&due.row.id) {
                report.unreadable += usize::from(!cause.is_transient());
                stay_due.push(due.shard);
            }
        }
        stay_due
    }

    /// Postpones rows. Returns those that stay due, by their id, with the reason.
    async fn postpone(&self, rows: Vec<(DueRow, Timestamp)>) -> BTreeMap<String, StoreError> {
        let postponed = stream::iter(rows).map(|(row, next)| async move {
            let cause = self.rows.postpone(&row, next).await.err()?;
            let error = telemetry::chain(&cause);
            if cause.is_transient() {
                warn!(brand.id = row.id, error, "the row stays due");
            } else {
                error!(
                    brand.id = row.id,
                    error, "the row cannot be written to; it stays due"
                );
            }
            Some((row.id, cause))
        });
        let failed = postponed.buffer_unordered(AT_ONCE).filter_map(ready);
        failed.collect().await
    }

    /// How long a row waits for its next reminder: as long as it has been due, so that the waits double.
    fn wait_of(&self, row: &DueRow, now: Timestamp) -> Duration {
        let first = self.limits.first_wait;
        let waited = row.since.map_or(first, |since| now.since(since));
        waited.clamp(first.min(LONGEST_WAIT), LONGEST_WAIT)
    }

    fn time_left(&self, deadline: Option<u64>) -> Duration {
        deadline.map_or(Duration::MAX, |deadline| {
            let deadline = workflow::Timestamp::from_millis(deadline);
            self.environment.now().until(deadline)
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.environment.now().as_millis())
    }
}

/// A row that is due, and has an id.
struct DueBrand {
    shard: u8,
    id: BrandId,
    row: DueRow,
}

/// How far a sweep has read the shards of due rows.
#[derive(Default)]
struct Reading {
    /// The ids of the rows that were read.
    seen: BTreeSet<String>,
    /// How many rows of a shard are passed over when it is read again. A shard that is not here was not read yet.
    passed_over: BTreeMap<u8, u16>,
    /// The shards in which there may be more behind what was passed over.
    has_more: BTreeSet<u8>,
    /// The shards that could not be read.
    unread: BTreeSet<u8>,
}

impl Reading {
    fn has_begun(&self) -> bool {
        !self.seen.is_empty()
    }

    /// The shards to read next, with how many of their rows.
    fn next(&mut self, of_each: u16) -> Vec<(u8, u16)> {
        if self.passed_over.is_empty() {
            self.has_more = (0..SHARDS).collect();
        }
        let shards = std::mem::take(&mut self.has_more);
        let next = shards.into_iter().map(|shard| {
            let passed_over = self.passed_over.entry(shard).or_default();
            (shard, of_each.saturating_add(*passed_over))
        });
        next.collect()
    }

    /// Takes what a shard has: rows that can be read, and others.
    fn take(&mut self, shard: u8, limit: u16, found: Vec<DueRow>) -> (Vec<DueBrand>, Vec<DueRow>) {
        let is_full = found.len() >= limit.into();
        let (mut readable, mut others) = (Vec::new(), Vec::new());
        for row in found {
            if !self.seen.insert(row.id.clone()) {
                continue;
            }
            match row.id.parse() {
                Ok(id) => readable.push(DueBrand { shard, id, row }),
                Err(_) => others.push(row),
            }
        }
        if is_full {
            self.read_behind(&vec![shard; others.len()]);
        }
        (readable, others)
    }

    /// Skips one more row in each of these shards from now on.
    fn read_behind(&mut self, shards: &[u8]) {
        for shard in shards {
            let passed_over = self.passed_over.entry(*shard).or_default();
            *passed_over = passed_over.saturating_add(1);
            self.has_more.insert(*shard);
        }
    }
}

/// Whether the next probe syncs a row. Every other one only reads the CMS: otherwise a few brands that always fail could keep
/// the circuit open for all others.
fn probes_a_row(circuit: &Circuit) -> bool {
    let probing = circuit.open.as_ref().and_then(Opening::probing);
    probing.is_none_or(|probing| probing.failed_probes % 2 == 0)
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Closed,
    Open,
}
