//! Calls of the CMS: behind its circuit, at this process's share of the rate.

use std::{pin::pin, sync::Arc, time::Duration};

use circuit::{CallReports, Calls, CircuitGate, Failure, Pace, Permit};
use cms::{Cms, CmsError};
use futures::future::{Either, select};
use thiserror::Error;
use tracing::warn;
use workflow::{Environment, Timestamp};

/// The key under which failures count for the circuit: as those of one brand, so that they alone do not open it.
const FAILURES: &str = "reconciliation";
/// How often a call is made again that was beyond the limit of the CMS.
const LIMITED: usize = 3;

/// The CMS, for reads.
pub struct CmsCaller {
    /// The CMS.
    pub cms: Arc<dyn Cms>,
    /// Its circuit.
    pub gate: CircuitGate,
    /// This process's share of the rate.
    pub pace: Pace,
    /// Counts the calls.
    pub reports: Option<CallReports>,
    /// How long one call may take.
    pub timeout: Duration,
    /// The clock.
    pub environment: Arc<dyn Environment>,
}

/// Why a call came to nothing.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// The circuit is open: the CMS is away.
    #[error("the circuit of the CMS is open")]
    CircuitOpen,
    /// The rate leaves no call within this invocation.
    #[error("no call is left within the rate")]
    Paced,
    /// It failed.
    #[error("the call of the CMS failed")]
    Failed(#[source] CmsError),
}

impl CmsCaller {
    /// Makes a call, which has to begin by `latest`. One that the CMS refuses as beyond its limit is made again: a page takes
    /// two calls, which a limit of one a second would never let through in the same minute.
    pub(crate) async fn call<T, F>(
        &self,
        latest: Option<Timestamp>,
        request: impl Fn() -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CmsError>>,
    {
        for _ in 0..LIMITED {
            match self.try_call(latest, request()).await {
                Err(CallError::Failed(CmsError::Unavailable { status: 429, .. })) => {}
                answer => return answer,
            }
        }
        self.try_call(latest, request()).await
    }

    async fn try_call<T>(
        &self,
        latest: Option<Timestamp>,
        request: impl Future<Output = Result<T, CmsError>>,
    ) -> Result<T, CallError> {
        self.wait_for_turn(latest).await?;
        let made_at = self.environment.now();
        if let Permit::Open { .. } = self.gate.permit(made_at, None).await {
            return Err(CallError::CircuitOpen);
        }
        let answer = match select(pin!(request), self.environment.sleep(self.timeout)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(CmsError::TimedOut {
                source: "no answer within the time-out".into(),
            }),
        };
        self.report(&answer, made_at).await;
        answer.map_err(CallError::Failed)
    }

    async fn wait_for_turn(&self, latest: Option<Timestamp>) -> Result<(), CallError> {
        loop {
            let now = self.environment.now();
            let (wait, is_reserved) = match self.pace.reserve(now, latest) {
                Ok(at) => (now.until(at), true),
                Err(wait) => (wait, false),
            };
            if latest.is_some_and(|latest| now.plus(wait) > latest) {
                return Err(CallError::Paced);
            }
            if !wait.is_zero() {
                self.environment.sleep(wait).await;
            }
            if is_reserved {
                return Ok(());
            }
        }
    }

    /// Tells the circuit and the pace what came of a call.
    async fn report<T>(&self, answer: &Result<T, CmsError>, made_at: Timestamp) {
        let now = self.environment.now();
        let mut calls = Calls {
            calls: 1,
            latency_millis: u64::try_from(made_at.until(now).as_millis()).unwrap_or(u64::MAX),
            ..Calls::default()
        };
        match answer {
            Ok(_) => self.pace.accepted(),
            Err(CmsError::Unavailable {
                status: 429,
                retry_after,
            }) => {
                (calls.errors, calls.limited) = (1, 1);
                self.pace.limited(made_at, now, *retry_after);
            }
            Err(error) => {
                calls.errors = 1;
                if error.is_transient() {
                    // A wrong key is wrong for every brand.
                    let is_key_wrong = matches!(error, CmsError::Unauthorized { .. });
                    let failure = Failure {
                        key: (!is_key_wrong).then_some(FAILURES),
                        cause: &error.to_string(),
                        retry_after: error.retry_after(),
                        probe: None,
                    };
                    self.gate.failed(failure, now).await;
                }
            }
        }
        if let Some(reports) = &self.reports {
            reports.count(calls, now);
        }
    }

    /// Reports the calls, if that is due.
    pub(crate) async fn flush(&self) {
        if let Some(reports) = &self.reports
            && let Err(cause) = reports.report(self.environment.now()).await
        {
            let error = telemetry::chain(&cause);
            warn!(
                error,
                "the calls could not be reported; the next report has them"
            );
        }
    }
}
