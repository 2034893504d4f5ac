//! A batch of messages: each is worked on by itself, all at once.

use std::{panic::AssertUnwindSafe, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use brand::BrandStore;
use cms::Cms;
use futures::{FutureExt, future::join_all};
use telemetry::Counts;
use tracing::{Instrument, error, info, info_span, warn};
use workflow::{Engine, EngineError, Invocation, Timestamp};

use crate::{App, EventType, Failure, Messages, Parked, Poison, event};

/// The longest wait before a message is delivered a second time; it doubles with each further delivery.
const BACKOFF: Duration = Duration::from_secs(2);
/// What no wait exceeds.
const MAX_BACKOFF: Duration = Duration::from_mins(15);

/// What is kept of an invocation's time for parking and postponing, once the runs have come to their end.
const ANSWER: Duration = Duration::from_secs(2);

/// The handler, on the engine, what workflows act on, and the queues.
pub struct SyncBrand<S: BrandStore, C: Cms, M> {
    engine: Engine<App<S, C>>,
    app: App<S, C>,
    messages: M,
    max_receives: u32,
}

/// What is to be done with a message.
#[derive(Debug)]
enum Verdict {
    /// It is done with.
    Acknowledge,
    /// It is to be delivered again, after that time.
    Postpone { wait: Duration, reason: String },
    /// No repetition cures it.
    Park { kind: &'static str, reason: String },
}

impl<S, C, M> SyncBrand<S, C, M>
where
    S: BrandStore + 'static,
    C: Cms + 'static,
    M: Messages,
{
    /// The handler on those. A message that is received `max_receives` times is not delivered again.
    pub const fn new(
        engine: Engine<App<S, C>>,
        app: App<S, C>,
        messages: M,
        max_receives: u32,
    ) -> Self {
        Self {
            engine,
            app,
            messages,
            max_receives,
        }
    }

    /// Works on a batch, and answers which of its messages are to be delivered again. `deadline` is when the
    /// invocation ends, in milliseconds since the Unix epoch.
    pub async fn handle(&self, batch: SqsEvent, deadline: Option<u64>) -> SqsBatchResponse {
        let deadline = deadline.map(|millis| Timestamp::from_millis(millis).minus(ANSWER));
        let worked_on = join_all(batch.records.iter().map(|message| {
            let (id, receives) = (message.message_id.as_deref(), receives(message));
            let span = info_span!("message", message = id, receive = receives);
            self.work_on(message, deadline, receives).instrument(span)
        }));
        let mut response = SqsBatchResponse::default();
        let mut counts = Counts::new();
        for (message, ended) in batch.records.iter().zip(worked_on.await) {
            counts.add(ended.counted_as());
            if ended == Ended::Postponed {
                // A message without an id cannot be named; naming none that is known fails the whole batch, and none is lost.
                response.add_failure(message.message_id.clone().unwrap_or_default());
            }
        }
        counts.emit("sync-brand");
        response
    }

    async fn work_on(
        &self,
        message: &SqsMessage,
        deadline: Option<Timestamp>,
        receives: u32,
    ) -> Ended {
        let invocation = Invocation {
            deadline,
            last_chance: receives >= self.max_receives,
        };
        let judged = AssertUnwindSafe(self.judge(message, invocation, receives))
            .catch_unwind()
            .await;
        let verdict = judged.unwrap_or_else(|_| Verdict::Postpone {
            wait: backoff(receives),
            reason: "the handler panicked".to_owned(),
        });
        match verdict {
            Verdict::Acknowledge => Ended::Acknowledged,
            Verdict::Postpone { wait, reason } => {
                warn!(reason, wait_ms = wait.as_millis(), "message postponed");
                self.postpone(message, wait).await
            }
            Verdict::Park { kind, reason } => {
                let parked = Parked {
                    message_id: message.message_id.as_deref().unwrap_or_default(),
                    body: message.body.as_deref().unwrap_or_default(),
                    kind,
                    reason: &reason,
                };
                match self.messages.park(&parked).await {
                    Ok(()) => {
                        error!(kind, reason, "message parked");
                        Ended::Parked
                    }
                    // It is acknowledged only once it is parked. If it was although we do not know, it is so twice.
                    Err(cause) => {
                        error!(
                            kind,
                            reason,
                            error = telemetry::chain(&cause),
                            "message could not be parked"
                        );
                        self.postpone(message, backoff(receives)).await
                    }
                }
            }
        }
    }

    async fn judge(&self, message: &SqsMessage, invocation: Invocation, receives: u32) -> Verdict {
        let parsed = event::parse(message.body.as_deref());
        let known = parsed.and_then(|event| Ok((event.event_type.parse::<EventType>()?, event)));
        let (event_type, event) = match known {
            Ok(known) => known,
            Err(poison) => return verdict(&poison.into(), receives),
        };
        let subscribers: Vec<_> = event_type.subscribers().collect();
        info!(
            event = event.id,
            "Processing {} which has {} subscribers",
            event.event_type,
            subscribers.len()
        );
        // Each may be called again for the same event, so the first that fails ends it.
        for subscriber in subscribers {
            if let Err(failure) = subscriber
                .call(&self.engine, &self.app, &event, invocation)
                .await
            {
                return verdict(&failure, receives);
            }
        }
        Verdict::Acknowledge
    }

    /// Tells the queue when to deliver the message again. If that fails, it does so when the visibility time-out ends.
    async fn postpone(&self, message: &SqsMessage, wait: Duration) -> Ended {
        if let Some(receipt) = message.receipt_handle.as_deref()
            && let Err(cause) = self.messages.postpone(receipt, wait).await
        {
            warn!(
                error = telemetry::chain(&cause),
                "message could not be postponed"
            );
        }
        Ended::Postponed
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Acknowledged,
    Postponed,
    Parked,
}

impl Ended {
    const fn counted_as(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Postponed => "postponed",
            Self::Parked => "parked",
        }
    }
}

/// The one place that maps what failed to what becomes of the message.
fn verdict(failure: &Failure, receives: u32) -> Verdict {
    let reason = telemetry::chain(failure);
    let park = |kind| Verdict::Park {
        kind,
        reason: reason.clone(),
    };
    let postpone = |wait| Verdict::Postpone {
        wait,
        reason: reason.clone(),
    };
    match failure {
        Failure::Poison(Poison::UnknownType(_)) => park("unknown_type"),
        Failure::Poison(_) => park("malformed"),
        Failure::Reverted(_) => park("reverted"),
        Failure::Failed { .. } => park("failed"),
        Failure::Suspended { retry_after, .. } => {
            postpone(retry_after.unwrap_or_default().max(backoff(receives)))
        }
        Failure::Running { until: Some(until) } => {
            let now = Timestamp::from_millis(brand::Timestamp::now().as_millis());
            postpone(now.until(*until).max(BACKOFF))
        }
        Failure::Running { until: None } | Failure::Engine(EngineError::Journal(_)) => {
            postpone(backoff(receives))
        }
        Failure::Engine(_) => park("engine"),
    }
}

/// A growing, jittered wait, by how often the message has been received: at least half of the exponential bound, so
/// that a run which waits for something gets away from it.
fn backoff(receives: u32) -> Duration {
    let doubled = 1_u32
        .checked_shl(receives.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let bound = BACKOFF.saturating_mul(doubled).min(MAX_BACKOFF);
    bound.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// How often the message has been received, this time included.
fn receives(message: &SqsMessage) -> u32 {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}
