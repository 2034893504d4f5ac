//! Which events there are, and who subscribes to them: one table.

use std::time::Duration;

use brand::{BrandEvent, BrandStore, BrandVersion};
use cms::Cms;
use thiserror::Error;
use workflow::{Engine, EngineError, Invocation, JournalError, Outcome, RunError, Timestamp};

use crate::{App, Event, Poison, SyncBrandToCmsWorkflow, run_id};

/// What subscribes to events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscriber {
    /// Runs the workflow `sync-brand-to-cms`.
    SyncBrandToCms,
}

/// That a subscriber is called for events of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The events.
    pub event: BrandEvent,
    /// The subscriber.
    pub subscriber: Subscriber,
}

/// Who subscribes to what.
pub const SUBSCRIPTIONS: &[Subscription] = &[
    Subscription {
        event: BrandEvent::Created,
        subscriber: Subscriber::SyncBrandToCms,
    },
    Subscription {
        event: BrandEvent::Updated,
        subscriber: Subscriber::SyncBrandToCms,
    },
    Subscription {
        event: BrandEvent::Deleted,
        subscriber: Subscriber::SyncBrandToCms,
    },
];

/// The known event of that type.
pub(crate) fn event_of_type(event_type: &str) -> Result<BrandEvent, Poison> {
    let found = BrandEvent::ALL
        .into_iter()
        .find(|event| event.event_type() == event_type);
    found.ok_or_else(|| Poison::UnknownType(event_type.to_owned()))
}

/// Why a subscriber has not done its work.
#[derive(Debug, Error)]
pub enum Failure {
    /// The event is not one that it can work on.
    #[error(transparent)]
    Poison(#[from] Poison),
    /// It waits; what was done is kept.
    #[error("the run is suspended: {cause}")]
    Suspended {
        /// What for.
        cause: RunError,
        /// When whoever it waits for said to come back.
        retry_after: Option<Duration>,
    },
    /// Another worker is at it.
    #[error("another worker is at the run")]
    Running {
        /// Until when, if that is known.
        until: Option<Timestamp>,
    },
    /// It failed, and what was done is taken back.
    #[error("the run was reverted: {cause}")]
    Reverted {
        /// What it was about.
        brand: BrandVersion,
        /// Why.
        cause: RunError,
    },
    /// It failed, and what was done could not be taken back.
    #[error("the run failed, and {} may still stand: {cause}", .leftovers.join(", "))]
    Failed {
        /// What it was about.
        brand: BrandVersion,
        /// Why.
        cause: RunError,
        /// The steps that may still stand.
        leftovers: Vec<String>,
    },
    /// The journal did not answer as it should.
    #[error(transparent)]
    Journal(JournalError),
    /// The engine cannot carry the run out.
    #[error("the run cannot be carried out")]
    Engine(#[source] EngineError),
}

impl Subscriber {
    pub(crate) async fn call<S, C>(
        self,
        engine: &Engine<App<S, C>>,
        app: &App<S, C>,
        event: &Event,
        invocation: Invocation,
    ) -> Result<(), Failure>
    where
        S: BrandStore + 'static,
        C: Cms + 'static,
    {
        match self {
            Self::SyncBrandToCms => {
                let brand: BrandVersion =
                    serde_json::from_value(event.data.clone()).map_err(Poison::Data)?;
                let run = run_id(brand.id);
                let outcome = engine
                    .run(&SyncBrandToCmsWorkflow, app, &run, &brand, invocation)
                    .await;
                done(brand, outcome)
            }
        }
    }
}

fn done(brand: BrandVersion, outcome: Result<Outcome<()>, EngineError>) -> Result<(), Failure> {
    Err(match outcome {
        Ok(Outcome::Done(())) => return Ok(()),
        Ok(Outcome::Suspended { cause, retry_after }) => Failure::Suspended { cause, retry_after },
        Ok(Outcome::Running { until }) => Failure::Running { until },
        Ok(Outcome::Reverted { cause }) => Failure::Reverted { brand, cause },
        Ok(Outcome::Failed { cause, leftovers }) => Failure::Failed {
            brand,
            cause,
            leftovers,
        },
        Err(EngineError::Journal(cause)) => Failure::Journal(cause),
        Err(cause) => Failure::Engine(cause),
    })
}
