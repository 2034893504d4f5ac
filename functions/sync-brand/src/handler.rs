//! A batch of messages: each is worked on by itself, all at once.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};

use aws::Limits;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use brand::{BrandId, BrandRow, Lease, StoreError, SyncStore, SyncWrite, WriteScope};
use circuit::{CallReports, ProbeToken};
use dead_letters::DeadLetter;
use futures::{
    FutureExt,
    future::{Either, join_all, select},
};
use journal::{Visit, idle_schedule};
use telemetry::Metrics;
use tracing::{Instrument, error, info, warn};
use workflow::{Engine, Environment, Outcome, RunId, Timestamp};

use crate::{
    Admission, Hint, Parking, Poison, Subscriber, Work,
    received::Received,
    record::{Record, calls},
};

/// How often a row is gone round again because its brand changed meanwhile. The row stays due, so nothing is lost at the end.
const ROUNDS: usize = 10;

/// How much of an invocation's time is kept for the last writes and the answer.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);
const _: () = assert!(Limits::SHORT.leave_room_in(ANSWER_MARGIN));

/// How long the report of calls may delay the answer: enough for one attempt. The connection is a good one, as it was just used.
const REPORT: Duration = Duration::from_secs(1);
const _: () = assert!(Limits::SHORT.attempt.as_millis() < REPORT.as_millis());

/// The handler's settings.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How much of an invocation's time is kept for its answer, once the runs have come to rest.
    pub answer_margin: Duration,
    /// How much time a row has to have left to be begun with.
    pub least_time: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            answer_margin: ANSWER_MARGIN,
            least_time: Duration::from_secs(3),
        }
    }
}

/// The handler: the rows, who subscribes to them, and where poison goes.
pub struct SyncBrand<S, P> {
    rows: S,
    parking: P,
    subscribers: Vec<Arc<dyn Subscriber>>,
    engine: Engine,
    environment: Arc<dyn Environment>,
    record: Arc<Record>,
    reports: Option<CallReports>,
    config: Config,
}

type Subscribers<'a> = &'a [&'a Arc<dyn Subscriber>];

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MessageOutcome {
    /// SQS may forget it: the row says what is left to do.
    Acknowledged,
    /// It is in the dead-letter queue.
    Parked,
    /// SQS delivers it again.
    Failed,
}

impl<S, P> SyncBrand<S, P>
where
    S: SyncStore + Clone + 'static,
    P: Parking,
{
    /// The handler on those. `engine` needs no journal of its own: each row is one.
    pub fn new(
        rows: S,
        parking: P,
        subscribers: Vec<Arc<dyn Subscriber>>,
        engine: Engine,
        environment: Arc<dyn Environment>,
        record: Arc<Record>,
    ) -> Self {
        Self {
            rows,
            parking,
            subscribers,
            engine: engine
                .with_environment(Arc::clone(&environment))
                .with_observer(record.clone()),
            environment,
            record,
            reports: None,
            config: Config::default(),
        }
    }

    /// Reports the calls of the CMS there. A call counts in the minute in which its batch ends.
    #[must_use]
    pub fn with_reports(self, reports: CallReports) -> Self {
        Self {
            reports: Some(reports),
            ..self
        }
    }

    /// Works with those settings.
    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// Works on a batch, and answers which of its messages SQS shall deliver again. `deadline` is when the invocation ends,
    /// in milliseconds since the Unix epoch.
    pub async fn handle(&self, batch: SqsEvent, deadline: Option<u64>) -> SqsBatchResponse {
        let margin = self.config.answer_margin;
        let deadline = deadline.map(|millis| Timestamp::from_millis(millis).minus(margin));
        let outcomes = join_all(batch.records.iter().map(|message| {
            let message = Received::of(message);
            let span = message.span();
            async move { self.work_on(&message, deadline).await }.instrument(span)
        }));
        let outcomes = outcomes.await;
        let mut response = SqsBatchResponse::default();
        for (message, outcome) in batch.records.iter().zip(outcomes) {
            self.record.add(match outcome {
                MessageOutcome::Acknowledged => "acknowledged",
                MessageOutcome::Parked => "parked",
                MessageOutcome::Failed => {
                    // SQS delivers the whole batch again if the id is empty: none is lost.
                    response.add_failure(message.message_id.clone().unwrap_or_default());
                    "failed"
                }
            });
        }
        let metrics = self.record.take();
        metrics.emit("sync-brand");
        self.report(&metrics, deadline).await;
        response
    }

    /// Reports the calls of this batch and of earlier ones, if a report is due and there is time. If it fails, the batch does not.
    async fn report(&self, metrics: &Metrics, deadline: Option<Timestamp>) {
        let Some(reports) = &self.reports else {
            return;
        };
        let now = self.environment.now();
        reports.count(calls(metrics), now);
        if deadline.is_some_and(|deadline| now.plus(REPORT) > deadline) {
            return;
        }
        let report = pin!(reports.report(now));
        let failure = match select(report, self.environment.sleep(REPORT)).await {
            Either::Left((Ok(()), _)) => return,
            Either::Left((Err(cause), _)) => telemetry::chain(&cause),
            Either::Right(_) => "no answer in time".to_owned(),
        };
        warn!(
            error = failure,
            "the calls could not be reported; the next report has them"
        );
    }

    async fn work_on(&self, message: &Received<'_>, deadline: Option<Timestamp>) -> MessageOutcome {
        let worked = AssertUnwindSafe(self.follow(message, deadline)).catch_unwind();
        match worked.await {
            Ok(Ok(())) => MessageOutcome::Acknowledged,
            Ok(Err(poison)) => self.park(message, &poison).await,
            Err(_) => {
                error!("the handler panicked; SQS delivers the message again");
                self.record.add("panicked");
                MessageOutcome::Failed
            }
        }
    }

    async fn follow(
        &self,
        message: &Received<'_>,
        deadline: Option<Timestamp>,
    ) -> Result<(), Poison> {
        let hint = Hint::parse(message.body)?;
        let subscribers = self.subscribers.len();
        let (event, event_type) = (&hint.event, &hint.event_type);
        info!(
            event,
            "Processing {event_type} which has {subscribers} subscribers"
        );
        if let Some(brand) = hint.brand {
            self.sync(brand, hint.probe.as_ref(), deadline).await?;
        }
        // A probe has to come to a verdict, also where its row had nothing to change in the CMS.
        if let Some(token) = &hint.probe {
            join_all(
                self.subscribers
                    .iter()
                    .map(|subscriber| subscriber.probe(token)),
            )
            .await;
        }
        Ok(())
    }

    /// Brings every subscriber's target to what the row says.
    async fn sync(
        &self,
        id: BrandId,
        probe: Option<&ProbeToken>,
        deadline: Option<Timestamp>,
    ) -> Result<(), Poison> {
        for _ in 0..ROUNDS {
            let now = self.environment.now();
            if deadline.is_some_and(|deadline| now.plus(self.config.least_time) >= deadline) {
                info!(brand.id = %id, "no time is left; the row stays due");
                break;
            }
            let row = match self.rows.load(id).await {
                Ok(Some(row)) => row,
                Ok(None) => return Err(Poison::UnknownBrand(id)),
                Err(cause) => {
                    self.not_read(id, &cause);
                    break;
                }
            };
            if !self.look_at(row, probe, deadline).await {
                break;
            }
        }
        Ok(())
    }

    fn not_read(&self, id: BrandId, cause: &StoreError) {
        let error = telemetry::chain(cause);
        if cause.is_transient() {
            warn!(brand.id = %id, error, "the row could not be read; it stays due");
        } else {
            error!(brand.id = %id, error, "the row cannot be read");
            self.record.add("unreadable");
        }
    }

    /// Works on the row as far as that goes now. Returns whether the brand has changed meanwhile.
    async fn look_at(
        &self,
        row: BrandRow,
        probe: Option<&ProbeToken>,
        deadline: Option<Timestamp>,
    ) -> bool {
        let now = brand::Timestamp::from_millis(self.environment.now().as_millis());
        let with_work: Vec<&Arc<dyn Subscriber>> = self
            .subscribers
            .iter()
            .filter(|subscriber| subscriber.has_work(&row))
            .collect();
        if row.is_leased(now) {
            self.record.add("leased");
            info!(brand.id = %row.brand.id, "another worker is at the row");
            return false;
        }
        if with_work.is_empty() {
            self.record.add("nothing_due");
            self.settle(&row, now).await;
            return false;
        }
        let latest = deadline.map(|deadline| deadline.minus(self.config.least_time));
        let admissions = with_work.iter().map(|one| one.admit(probe, latest));
        let mut admitted = Vec::new();
        for (subscriber, admission) in with_work.iter().zip(join_all(admissions).await) {
            let (name, id) = (subscriber.name(), row.brand.id);
            match admission {
                Admission::Granted => admitted.push(*subscriber),
                Admission::CircuitOpen => {
                    self.record.add("circuit_skipped");
                    info!(brand.id = %id, subscriber = name, "circuit open; the row stays due");
                }
                Admission::Paced => {
                    self.record.add("cms_paced");
                    info!(brand.id = %id, subscriber = name, "no call is left in time within the rate; the row stays due");
                }
            }
        }
        if admitted.is_empty() {
            return false;
        }
        self.visit(&row, (&with_work, &admitted), probe, deadline)
            .await
    }

    /// Runs the subscribers' workflows side by side, each by itself. Returns whether the brand has changed meanwhile.
    async fn visit(
        &self,
        row: &BrandRow,
        (with_work, admitted): (Subscribers<'_>, Subscribers<'_>),
        probe: Option<&ProbeToken>,
        deadline: Option<Timestamp>,
    ) -> bool {
        let participants = with_work.iter().map(|one| one.participant()).collect();
        let visit = Visit::new(
            (self.rows.clone(), Arc::clone(&self.environment)),
            row.clone(),
            self.environment.token(),
            participants,
        );
        let superseded = visit.superseded();
        if superseded > 0 {
            self.record.add("superseded");
            info!(brand.id = %row.brand.id, version = row.brand.version, "a newer version supersedes an open run");
        }
        let visit = &visit;
        let runs = admitted.iter().map(|subscriber| async move {
            let work = Work {
                engine: self.engine.with_journal(visit.journal(&subscriber.participant())),
                run: RunId::new(format!("{}:{}", subscriber.workflow(), row.brand.id)),
                row,
                input: visit.input(subscriber.name()).await,
                deadline,
                probe,
            };
            let (run, name) = (work.run.clone(), subscriber.name());
            match AssertUnwindSafe(subscriber.run(work)).catch_unwind().await {
                Ok(Ok(outcome)) => self.ended(row, name, &outcome),
                Ok(Err(cause)) => {
                    error!(%run, error = telemetry::chain(&cause), "the run could not be recorded; the row stays due");
                }
                Err(_) => {
                    error!(%run, "the run panicked; the row stays due");
                    self.record.add("panicked");
                }
            }
        });
        join_all(runs).await;
        visit.has_changed()
    }

    fn ended(&self, row: &BrandRow, subscriber: &str, outcome: &Outcome<()>) {
        let (id, version) = (row.brand.id, row.brand.version);
        match outcome {
            Outcome::Done(()) => info!(brand.id = %id, version, subscriber, "brand synced"),
            Outcome::Suspended { until, cause } => {
                let wait = self.environment.now().until(*until);
                warn!(brand.id = %id, version, subscriber, %cause, wait_seconds = wait.as_secs(), "sync waits");
            }
            Outcome::Leased { .. } => {
                self.record.add("leased");
                info!(brand.id = %id, version, subscriber, "another worker is at the row");
            }
            Outcome::Reverted { cause } => {
                error!(brand.id = %id, version, subscriber, %cause, "sync refused, and undone");
            }
            Outcome::Failed { cause, .. } => {
                error!(brand.id = %id, version, subscriber, %cause, "sync refused, and not undone");
            }
            Outcome::Paused { cause } => {
                error!(brand.id = %id, version, subscriber, %cause, "sync paused: the time budget is used up");
            }
        }
    }

    /// Takes a row that no subscriber has work in out of the index of due rows. Otherwise the sweep would come back to it for
    /// ever. The sweep has postponed the row by the time its reminder arrives, so it counts that the row is due at all, not when.
    async fn settle(&self, row: &BrandRow, now: brand::Timestamp) {
        if row.due_at.is_none() {
            return;
        }
        let lease = Lease::following(row.lease.as_ref(), &self.environment.token(), None);
        let write = SyncWrite {
            id: row.brand.id,
            seen: row.lease.clone(),
            lease,
            subscribers: BTreeMap::new(),
            scope: WriteScope::Schedule(row.brand.version, idle_schedule(row, now)),
        };
        if let Err(cause) = self.rows.write(&write).await {
            warn!(brand.id = %row.brand.id, error = telemetry::chain(&cause), "the row could not be settled");
        }
    }

    async fn park(&self, message: &Received<'_>, poison: &Poison) -> MessageOutcome {
        let (kind, reason) = (poison.kind(), &*telemetry::chain(poison));
        let letter = DeadLetter {
            message_id: message.id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            kind,
            reason,
            trace: message.trace.as_ref(),
        };
        match self.parking.park(&letter).await {
            Ok(()) => {
                error!(%kind, reason, "message parked");
                MessageOutcome::Parked
            }
            // If it is parked although we do not know, it is parked twice.
            Err(cause) => {
                error!(%kind, reason, error = telemetry::chain(&cause), "message could not be parked");
                MessageOutcome::Failed
            }
        }
    }
}
