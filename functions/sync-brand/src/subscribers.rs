//! Which events there are, and who subscribes to them: one table.

use std::{str::FromStr, time::Duration};

use brand::{Brand, BrandCreated, BrandStore};
use cms::Cms;
use thiserror::Error;
use workflow::{Engine, EngineError, Invocation, Outcome, RunError, Timestamp};

use crate::{App, Event, Poison, SyncBrandToCmsWorkflow, run_id};

/// The types of events that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// A brand was created.
    BrandCreated,
}

impl FromStr for EventType {
    type Err = Poison;

    fn from_str(text: &str) -> Result<Self, Poison> {
        match text {
            BrandCreated::TYPE => Ok(Self::BrandCreated),
            other => Err(Poison::UnknownType(other.to_owned())),
        }
    }
}

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
    pub event: EventType,
    /// The subscriber.
    pub subscriber: Subscriber,
}

/// Who subscribes to what.
pub const SUBSCRIPTIONS: &[Subscription] = &[Subscription {
    event: EventType::BrandCreated,
    subscriber: Subscriber::SyncBrandToCms,
}];

impl EventType {
    /// Who subscribes to events of this type.
    pub fn subscribers(self) -> impl Iterator<Item = Subscriber> {
        SUBSCRIPTIONS
            .iter()
            .filter(move |subscription| subscription.event == self)
            .map(|found| found.subscriber)
    }
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
    #[error("the run was reverted: {0}")]
    Reverted(RunError),
    /// It failed, and what was done could not be taken back.
    #[error("the run failed, and {} may still stand: {cause}", .leftovers.join(", "))]
    Failed {
        /// Why.
        cause: RunError,
        /// The steps that may still stand.
        leftovers: Vec<String>,
    },
    /// The engine could not say.
    #[error(transparent)]
    Engine(#[from] EngineError),
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
                let created: BrandCreated =
                    serde_json::from_value(event.data.clone()).map_err(Poison::Data)?;
                let run = run_id(created.id, Brand::FIRST_VERSION);
                let outcome = engine
                    .run(&SyncBrandToCmsWorkflow, app, &run, &created, invocation)
                    .await?;
                done(outcome)
            }
        }
    }
}

fn done(outcome: Outcome<()>) -> Result<(), Failure> {
    match outcome {
        Outcome::Done(()) => Ok(()),
        Outcome::Suspended { cause, retry_after } => Err(Failure::Suspended { cause, retry_after }),
        Outcome::Running { until } => Err(Failure::Running { until }),
        Outcome::Reverted { cause } => Err(Failure::Reverted(cause)),
        Outcome::Failed { cause, leftovers } => Err(Failure::Failed { cause, leftovers }),
    }
}
