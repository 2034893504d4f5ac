//! The subscriber that syncs brands to the CMS.

use std::{pin::pin, sync::Arc, time::Duration};

use brand::{BrandEvent, BrandId, CMS_SUBSCRIBER};
use circuit::{Change, CircuitGate, Permit, ProbeToken};
use cms::{Cms, CmsError};
use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use journal::Projection;
use workflow::{EngineError, Environment, Invocation, Outcome, StepError, Workflow};

use crate::{
    Subscriber, Work,
    record::Record,
    workflow::{CmsProjection, SyncBrandToCmsWorkflow, SyncContext},
};

/// How soon a run looks again that found the circuit open. The row stays due; the sweep decides.
const WHILE_OPEN: Duration = Duration::from_mins(1);

/// The CMS behind its circuit.
pub struct CmsTarget<C> {
    cms: C,
    gate: CircuitGate,
    environment: Arc<dyn Environment>,
    record: Arc<Record>,
    /// How long one call may take.
    timeout: Duration,
}

impl<C: Cms> CmsTarget<C> {
    /// The CMS behind that gate. A call takes at most `timeout`.
    pub const fn new(
        cms: C,
        gate: CircuitGate,
        environment: Arc<dyn Environment>,
        record: Arc<Record>,
        timeout: Duration,
    ) -> Self {
        Self {
            cms,
            gate,
            environment,
            record,
            timeout,
        }
    }

    /// The CMS itself, to be called through [`call`](Self::call).
    pub(crate) const fn cms(&self) -> &C {
        &self.cms
    }

    /// Makes one call about a brand, if the circuit permits it, and tells the circuit how it went. Each attempt is a call, so
    /// that an outage is noticed before a second one is made.
    pub(crate) async fn call<T>(
        &self,
        brand: &str,
        probe: Option<&ProbeToken>,
        request: impl Future<Output = Result<T, CmsError>>,
    ) -> Result<T, StepError> {
        if let Permit::Open { .. } = self.gate.permit(self.environment.now(), probe).await {
            return Err(
                StepError::transient("the circuit of the CMS is open").with_retry_after(WHILE_OPEN)
            );
        }
        let mut asking = self.record.ask_cms();
        let answer = match select(pin!(request), self.environment.sleep(self.timeout)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(CmsError::TimedOut {
                source: "no answer within the time-out".into(),
            }),
        };
        asking.answered = answer.is_ok();
        drop(asking);
        let now = self.environment.now();
        let change = match &answer {
            Err(error @ CmsError::Unauthorized { .. }) => {
                self.gate.unauthorized(now, &error.to_string(), probe).await
            }
            // A limit is not an outage: the CMS is there, and says when to come back.
            Err(CmsError::Unavailable { status: 429, .. }) => None,
            Err(error) if error.is_transient() => {
                let cause = error.to_string();
                self.gate.failed(brand, now, &cause, probe).await
            }
            _ => self.gate.succeeded(now, probe).await,
        };
        match change {
            Some(Change::Opened) => self.record.add("circuit_opened"),
            Some(Change::Closed) => self.record.add("circuit_closed"),
            _ => {}
        }
        answer.map_err(step_error)
    }
}

/// What a failed call means to the run.
fn step_error(error: CmsError) -> StepError {
    const WHAT: &str = "the CMS call failed";
    if !error.is_transient() {
        return StepError::permanent(WHAT).with_source(error);
    }
    if error.is_unanswered() {
        return StepError::unanswered(WHAT).with_source(error);
    }
    let retry_after = error.retry_after();
    let transient = StepError::transient(WHAT).with_source(error);
    match retry_after {
        Some(wait) => transient.with_retry_after(wait),
        None => transient,
    }
}

/// Syncs brands to the CMS by the workflow `sync-brand-to-cms`.
pub struct CmsSubscriber<C>(Arc<CmsTarget<C>>);

impl<C> CmsSubscriber<C> {
    /// The subscriber for that CMS.
    pub const fn new(target: Arc<CmsTarget<C>>) -> Self {
        Self(target)
    }
}

impl<C: Cms + 'static> Subscriber for CmsSubscriber<C> {
    fn name(&self) -> &'static str {
        CMS_SUBSCRIBER
    }

    fn events(&self) -> &'static [BrandEvent] {
        &BrandEvent::ALL
    }

    fn workflow(&self) -> &'static str {
        <SyncBrandToCmsWorkflow as Workflow<SyncContext<C>>>::NAME
    }

    fn workflow_version(&self) -> u32 {
        <SyncBrandToCmsWorkflow as Workflow<SyncContext<C>>>::VERSION
    }

    fn projection(&self) -> Arc<dyn Projection> {
        Arc::new(CmsProjection)
    }

    fn permits<'a>(&'a self, probe: Option<&'a ProbeToken>) -> BoxFuture<'a, bool> {
        let target = &self.0;
        async move {
            let permit = target.gate.permit(target.environment.now(), probe).await;
            permit == Permit::Allowed
        }
        .boxed()
    }

    fn run<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Result<Outcome<()>, EngineError>> {
        async move {
            let context = SyncContext {
                target: Arc::clone(&self.0),
                brand: work.row.brand.clone(),
                holds: work.row.subscriber(CMS_SUBSCRIBER).holds,
                probe: work.probe.cloned(),
            };
            let invocation = Invocation {
                deadline: work.deadline,
            };
            let workflow = &SyncBrandToCmsWorkflow;
            let Work { run, input, .. } = &work;
            work.engine
                .run(workflow, &context, run, input, invocation)
                .await
        }
        .boxed()
    }

    fn probe<'a>(&'a self, token: &'a ProbeToken) -> BoxFuture<'a, ()> {
        async move {
            // Any id does: that the CMS does not hold it is an answer.
            let id = BrandId::new(brand::Timestamp::from_millis(0)).to_string();
            let read = self.0.cms().get_brand(&id);
            // `call` reports the result to the circuit; nothing else depends on it.
            let _ = self.0.call("probe", Some(token), read).await;
        }
        .boxed()
    }
}
