//! The sweep: once a minute it sends reminders for the rows that are due.
//!
//! An event may get lost, its worker may die, and a run may wait for a CMS that is away. In each case the brand's row says
//! when to look at it again. A reminder too many costs a read. While the circuit of the CMS is open, one row at a time is
//! reminded of, as a probe; when it closes, the rest follows.

use std::{sync::Arc, time::Duration};

use brand::{BrandId, DueRow, Outbox, Reminders, SHARDS, SyncDue, Timestamp};
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
    /// How many rows have an id that cannot be read.
    pub unreadable: usize,
    /// For how many seconds the row that waits longest has been due.
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
        let (rows, unread) = self.due_rows().await;
        let now = self.now();
        let since = rows.iter().filter_map(|row| row.since).min();
        report.oldest_due_age = since.map_or(0, |since| now.since(since).as_secs());
        report.needs_attention = self.count_attention().await;
        let circuit = self.load_circuit().await;
        if circuit.open.is_some() {
            let open_for = circuit.open_for(self.environment.now());
            report.circuit_open_age = Some(open_for.as_secs());
        }
        let mut rest = rows.into_iter().peekable();
        let mut is_closed = circuit.open.is_none();
        if !is_closed {
            let row = rest.peek().filter(|_| probes_a_row(&circuit));
            let verdict = self.probe(circuit, row, trace, &mut report).await;
            is_closed = verdict == Verdict::Closed;
        }
        if is_closed && rest.peek().is_some() {
            let probed = report.notified; // the row of the probe has its reminder
            let rows: Vec<DueRow> = rest.skip(probed).take(self.room().await).collect();
            for chunk in rows.chunks(CHUNK) {
                if self.time_left(deadline) < FOR_A_CHUNK {
                    warn!("no time is left; the next invocation goes on");
                    break;
                }
                self.remind(chunk, None, trace, &mut report).await;
            }
        }
        report.emit(unread);
        if unread == 0 {
            Ok(report)
        } else {
            Err(UnreadShards(unread))
        }
    }

    /// The rows that are due, the longest due first, and how many shards could not be read.
    async fn due_rows(&self) -> (Vec<DueRow>, usize) {
        let (now, of_each) = (self.now(), self.limits.rows.div_ceil(SHARDS.into()));
        let shards = (0..SHARDS).map(|shard| self.rows.due(shard, now, of_each));
        let (mut rows, mut unread) = (Vec::new(), 0);
        for shard in join_all(shards).await {
            match shard {
                Ok(found) => rows.extend(found),
                Err(cause) => {
                    error!(
                        error = telemetry::chain(&cause),
                        "a shard could not be read"
                    );
                    unread += 1;
                }
            }
        }
        rows.sort_by(|one, other| one.due_at.cmp(&other.due_at));
        (rows, unread)
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
        row: Option<&DueRow>,
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
            brand.id = row.map(|row| &*row.id),
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

    /// Reminds of some rows and postpones those. If this process dies in between, they are reminded of once more.
    async fn remind(
        &self,
        rows: &[DueRow],
        probe: Option<&ProbeToken>,
        trace: &Trace,
        report: &mut Report,
    ) {
        let now = self.now();
        let (mut due, mut postponed) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut readable = Vec::with_capacity(rows.len());
        for row in rows {
            match row.id.parse::<BrandId>() {
                Ok(id) => {
                    due.push(SyncDue {
                        id: Some(id),
                        probe: probe.map(ToString::to_string),
                    });
                    readable.push(row);
                }
                Err(cause) => {
                    error!(brand.id = row.id, error = %cause, "a due row cannot be read");
                    report.unreadable += 1;
                    postponed.push(row);
                }
            }
        }
        let sent = self.reminders.remind(&due, now, trace).await;
        for (row, sent) in readable.into_iter().zip(sent) {
            match sent {
                Ok(()) => {
                    report.notified += 1;
                    postponed.push(row);
                }
                Err(cause) => {
                    warn!(
                        brand.id = row.id,
                        error = telemetry::chain(&cause),
                        "notify_failed"
                    );
                    report.notify_failed += 1;
                }
            }
        }
        stream::iter(postponed)
            .for_each_concurrent(AT_ONCE, async |row: &DueRow| {
                let next = now.plus(self.wait_of(row, now));
                if let Err(cause) = self.rows.postpone(row, next).await {
                    let error = telemetry::chain(&cause);
                    warn!(brand.id = row.id, error, "the row stays due");
                }
            })
            .await;
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
