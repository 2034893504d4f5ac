//! A batch of messages: each is worked on by itself, all at once.

use std::{panic::AssertUnwindSafe, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use brand::{BrandStore, BrandVersion, StoreError};
use cms::Cms;
use dead_letters::{DeadLetter, FailureKind};
use futures::{FutureExt, future::join_all};
use tracing::{Instrument, error, info, warn};
use workflow::{Engine, Invocation, Timestamp};

use crate::{
    App, Failure, Messages, SUBSCRIPTIONS, Subscription, event,
    received::Received,
    subscribers::event_of_type,
    verdict::{Verdict, backoff},
};

/// What is kept of an invocation's time for parking and postponing, once the runs have come to their end.
const ANSWER: Duration = Duration::from_secs(2);

/// The handler, on the engine, what workflows act on, and the queues.
pub struct SyncBrand<S: BrandStore, C: Cms, M> {
    engine: Engine<App<S, C>>,
    app: App<S, C>,
    messages: M,
    subscriptions: &'static [Subscription],
    max_receives: u32,
}

impl<S, C, M> SyncBrand<S, C, M>
where
    S: BrandStore + 'static,
    C: Cms + 'static,
    M: Messages,
{
    /// The handler on those, for the subscribers in [`SUBSCRIPTIONS`]. A message that is received `max_receives` times is
    /// not delivered again.
    pub fn new(engine: Engine<App<S, C>>, app: App<S, C>, messages: M, max_receives: u32) -> Self {
        Self {
            engine: engine.with_observer(app.record.clone()),
            app,
            messages,
            subscriptions: SUBSCRIPTIONS,
            max_receives,
        }
    }

    /// The handler for these subscribers instead.
    #[must_use]
    pub fn with_subscriptions(self, subscriptions: &'static [Subscription]) -> Self {
        Self {
            subscriptions,
            ..self
        }
    }

    /// Works on a batch, and answers which of its messages are to be delivered again. `deadline` is when the
    /// invocation ends, in milliseconds since the Unix epoch.
    pub async fn handle(&self, batch: SqsEvent, deadline: Option<u64>) -> SqsBatchResponse {
        let deadline = deadline.map(|millis| Timestamp::from_millis(millis).minus(ANSWER));
        let worked_on = join_all(batch.records.iter().map(|message| {
            let message = Received::of(message);
            let span = message.span();
            async move { self.work_on(&message, deadline).await }.instrument(span)
        }));
        let mut response = SqsBatchResponse::default();
        let worked_on = worked_on.await;
        let mut metrics = self.app.record.take();
        for (message, ended) in batch.records.iter().zip(worked_on) {
            metrics.add(ended.counted_as());
            if ended == Ended::Postponed {
                // A message without an id cannot be named; naming none that is known fails the whole batch, and none is lost.
                response.add_failure(message.message_id.clone().unwrap_or_default());
            }
        }
        metrics.emit("sync-brand");
        response
    }

    async fn work_on(&self, message: &Received<'_>, deadline: Option<Timestamp>) -> Ended {
        let receives = message.receives;
        let invocation = Invocation {
            deadline,
            last_chance: receives >= self.max_receives,
        };
        let judged = AssertUnwindSafe(self.judge(message, invocation))
            .catch_unwind()
            .await;
        let verdict = judged.unwrap_or_else(|_| {
            let reason = "the handler panicked".to_owned();
            Verdict::again(backoff(receives), reason, receives >= self.max_receives)
        });
        self.carry_out(message, verdict).await
    }

    async fn judge(&self, message: &Received<'_>, invocation: Invocation) -> Verdict {
        match self.call_subscribers(message, invocation).await {
            Ok(()) => Verdict::Acknowledge,
            Err(failure) => Verdict::on(&failure, message.receives, self.max_receives),
        }
    }

    async fn call_subscribers(
        &self,
        message: &Received<'_>,
        invocation: Invocation,
    ) -> Result<(), Failure> {
        let event = event::parse(message.body)?;
        let known = event_of_type(&event.event_type)?;
        let subscribers: Vec<_> = self
            .subscriptions
            .iter()
            .filter(|subscription| subscription.event == known)
            .map(|subscription| subscription.subscriber)
            .collect();
        info!(
            event = event.id,
            "Processing {} which has {} subscribers",
            event.event_type,
            subscribers.len()
        );
        // Each may be called again for the same event, so the first that fails ends it.
        for subscriber in subscribers {
            subscriber
                .call(&self.engine, &self.app, &event, invocation)
                .await?;
        }
        Ok(())
    }

    async fn carry_out(&self, message: &Received<'_>, verdict: Verdict) -> Ended {
        let receives = message.receives;
        match verdict {
            Verdict::Acknowledge => Ended::Acknowledged,
            Verdict::Postpone { wait, reason } => {
                warn!(reason, wait_ms = wait.as_millis(), "message postponed");
                self.postpone(message, wait).await
            }
            Verdict::SendAnew { wait, reason } => {
                let body = message.body.unwrap_or_default();
                let trace = message.trace.as_ref();
                match self.messages.send_anew(body, trace, wait).await {
                    Ok(()) => {
                        warn!(reason, wait_ms = wait.as_millis(), "message sent anew");
                        Ended::SentAnew
                    }
                    Err(cause) => {
                        error!(
                            reason,
                            error = telemetry::chain(&cause),
                            "message could not be sent anew"
                        );
                        self.postpone(message, backoff(receives)).await
                    }
                }
            }
            Verdict::Park { kind, reason } => self.park(message, kind, &reason).await,
            Verdict::GiveUp {
                brand,
                kind,
                reason,
            } => {
                match self.is_given_up(brand).await {
                    Ok(true) => {}
                    Ok(false) => {
                        info!(%kind, reason, "overtaken: the brand is synced, or has changed");
                        return Ended::Acknowledged;
                    }
                    Err(cause) => {
                        error!(%kind, reason, error = telemetry::chain(&cause), "the brand could not be read");
                        if cause.is_transient() && receives < self.max_receives {
                            return self.postpone(message, backoff(receives)).await;
                        }
                    }
                }
                self.park(message, kind, &reason).await
            }
        }
    }

    /// Whether the sync of that version is given up, which was decided in the transaction that ended its run. If it is not,
    /// another worker has taken the run up again, or a later version has taken its place: its own event sees to it. A brand
    /// that is not there is given up as well.
    async fn is_given_up(&self, brand: BrandVersion) -> Result<bool, StoreError> {
        let found = self.app.brands.get(brand.id).await?;
        Ok(
            found
                .is_none_or(|found| found.version == brand.version && found.sync_failure.is_some()),
        )
    }

    async fn park(&self, message: &Received<'_>, kind: FailureKind, reason: &str) -> Ended {
        let letter = DeadLetter {
            message_id: message.id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            kind,
            reason,
            trace: message.trace.as_ref(),
        };
        match self.messages.park(&letter).await {
            Ok(()) => {
                error!(%kind, reason, "message parked");
                Ended::Parked
            }
            // It is acknowledged only once it is parked. If it was although we do not know, it is so twice.
            Err(cause) => {
                error!(%kind, reason, error = telemetry::chain(&cause), "message could not be parked");
                self.postpone(message, backoff(message.receives)).await
            }
        }
    }

    /// Tells the queue when to deliver the message again. If that fails, it does so when the visibility time-out ends.
    async fn postpone(&self, message: &Received<'_>, wait: Duration) -> Ended {
        if let Some(receipt) = message.receipt
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
    SentAnew,
    Parked,
}

impl Ended {
    const fn counted_as(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Postponed => "postponed",
            Self::SentAnew => "sent_anew",
            Self::Parked => "parked",
        }
    }
}
