//! The subscriber that syncs brands to the CMS.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use brand::{BrandEvent, BrandId, CMS_SUBSCRIBER};
use circuit::{Change, CircuitGate, Failure, LONGEST_PAUSE, Pace, Permit, ProbeToken, Turn};
use cms::{Cms, CmsError};
use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use journal::Projection;
use reconcile::Conflicts;
use workflow::{EngineError, Environment, Invocation, Outcome, StepError, Timestamp, Workflow};

use crate::{
    Admission, Subscriber, Work,
    record::{Answer, Record},
    workflow::{CmsProjection, SyncBrandToCmsWorkflow, SyncContext},
};

/// How soon a run looks again that found the circuit open, at the latest: a circuit whose first probe comes earlier may be closed by
/// then. The row stays due; the sweep decides.
const WHILE_OPEN: Duration = Duration::from_mins(1);

/// How much time a call has left at least. Less than the engine's margin would have the call dropped before it was made.
const FOR_A_CALL: Duration = Duration::from_secs(2);

/// The CMS behind its circuit, called at the pace of this process.
pub struct CmsTarget<C> {
    shared: Arc<Shared<C>>,
    /// When the run that calls it ends.
    deadline: Option<Timestamp>,
    /// Whether the next call has been paid for, by the run's wait to begin.
    is_paid: AtomicBool,
}

/// What the runs of a process have in common.
struct Shared<C> {
    cms: C,
    gate: CircuitGate,
    pace: Pace,
    environment: Arc<dyn Environment>,
    record: Arc<Record>,
    /// How long one call may take.
    timeout: Duration,
}

impl<C: Cms> CmsTarget<C> {
    /// The CMS behind that gate, called at that pace. A call takes at most `timeout`.
    pub fn new(
        cms: C,
        gate: CircuitGate,
        pace: Pace,
        environment: Arc<dyn Environment>,
        record: Arc<Record>,
        timeout: Duration,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                cms,
                gate,
                pace,
                environment,
                record,
                timeout,
            }),
            deadline: None,
            is_paid: AtomicBool::new(false),
        }
    }

    /// The CMS for a run that has been admitted.
    fn for_run(&self, deadline: Option<Timestamp>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            deadline,
            is_paid: AtomicBool::new(true),
        }
    }

    /// The CMS itself, to be called through [`call`](Self::call).
    pub(crate) fn cms(&self) -> &C {
        &self.shared.cms
    }

    /// Waits until a run may begin, whose first call is paid for then. A probe does not wait.
    async fn admit(&self, probe: Option<&ProbeToken>, latest: Option<Timestamp>) -> Admission {
        let shared = &*self.shared;
        if !shared.is_closed(probe).await {
            return Admission::CircuitOpen;
        }
        if probe.is_some() {
            return Admission::Granted;
        }
        let joined_at = shared.environment.now();
        let ticket = shared
            .pace
            .join_line(joined_at, shared.environment.random());
        loop {
            let now = shared.environment.now();
            match ticket.turn(now, latest) {
                Turn::Now if now == joined_at => return Admission::Granted,
                Turn::Now => {
                    shared.record.limit_wait(joined_at.until(now));
                    break;
                }
                Turn::At(at) => shared.environment.sleep(now.until(at)).await,
                Turn::TooLate => return Admission::Paced,
            }
        }
        // It may have opened meanwhile.
        if shared.is_closed(probe).await {
            Admission::Granted
        } else {
            Admission::CircuitOpen
        }
    }

    /// Makes one call, if the circuit and the pace permit it, and tells both how it went. Each attempt is a call,
    /// so that an outage is noticed before a second one is made.
    pub(crate) async fn call<T>(
        &self,
        purpose: Purpose<'_>,
        probe: Option<&ProbeToken>,
        request: impl Future<Output = Result<T, CmsError>>,
    ) -> Result<T, CallError> {
        let shared = &*self.shared;
        let is_paid = self.is_paid.swap(false, Relaxed);
        if !is_paid && probe.is_none() {
            let turn = shared.wait_for_call(self.deadline).await;
            turn.map_err(CallError::NotMade)?;
        }
        if !shared.is_closed(probe).await {
            let open = StepError::transient("the circuit of the CMS is open");
            let wait = shared.gate.first_probe_after().min(WHILE_OPEN);
            return Err(CallError::NotMade(open.with_retry_after(wait)));
        }
        let made_at = shared.environment.now();
        let mut asking = shared.record.ask_cms();
        let answer = match select(pin!(request), shared.environment.sleep(shared.timeout)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(CmsError::TimedOut {
                source: "no answer within the time-out".into(),
            }),
        };
        asking.answer = Answer::of(&answer);
        drop(asking);
        shared.report(purpose, probe, &answer, made_at).await;
        answer.map_err(CallError::Failed)
    }
}

impl<C> Shared<C> {
    async fn is_closed(&self, probe: Option<&ProbeToken>) -> bool {
        self.gate.permit(self.environment.now(), probe).await == Permit::Allowed
    }

    /// Waits for a further call of a run that has begun. A long wait is the engine's: a future that was dropped in the midst of
    /// it would count as a call that was not answered.
    async fn wait_for_call(&self, deadline: Option<Timestamp>) -> Result<(), StepError> {
        const WHAT: &str = "the rate limit of the CMS";
        let begun = self.environment.now();
        let latest = deadline.map(|deadline| deadline.minus(FOR_A_CALL));
        let reserved = self.pace.reserve(begun, latest);
        let at = reserved.map_err(|wait| StepError::transient(WHAT).with_retry_after(wait))?;
        if at <= begun {
            return Ok(());
        }
        self.environment.sleep(begun.until(at)).await;
        let now = self.environment.now();
        self.record.limit_wait(begun.until(now));
        let pause = self.pace.pause(now);
        if pause.is_zero() {
            Ok(())
        } else {
            Err(StepError::transient(WHAT).with_retry_after(pause))
        }
    }

    /// Tells the circuit and the pace what came of a call.
    async fn report<T>(
        &self,
        purpose: Purpose<'_>,
        probe: Option<&ProbeToken>,
        answer: &Result<T, CmsError>,
        made_at: Timestamp,
    ) {
        let now = self.environment.now();
        let change = match answer {
            // A limit is not an outage: the CMS is there, and says when to come back.
            Err(CmsError::Unavailable {
                status: 429,
                retry_after,
            }) => {
                self.pace.limited(made_at, now, *retry_after);
                None
            }
            Err(error) if error.is_transient() => {
                let key = match (error, purpose) {
                    // Any other brand would have met the same.
                    (CmsError::Unauthorized { .. }, _) => None,
                    (_, Purpose::Read(brand) | Purpose::Write(brand)) => Some(brand),
                    (_, Purpose::Probe) => Some("probe"),
                };
                let failure = Failure {
                    key,
                    cause: &error.to_string(),
                    retry_after: error.retry_after(),
                    probe,
                };
                self.gate.failed(failure, now).await
            }
            Ok(_) if matches!(purpose, Purpose::Read(_)) => {
                self.pace.accepted();
                None
            }
            _ => {
                self.pace.accepted();
                self.gate.succeeded(now, probe).await
            }
        };
        match change {
            Some(Change::Opened) => self.record.add("circuit_opened"),
            Some(Change::Closed) => self.record.add("circuit_closed"),
            _ => {}
        }
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose<'a> {
    /// To see what the CMS holds of a brand. A success does not show that the CMS takes writes.
    Read(&'a str),
    /// To change what it holds of a brand.
    Write(&'a str),
    /// To see whether it is back.
    Probe,
}

/// Why a call came to nothing.
pub(crate) enum CallError {
    /// It was not made.
    NotMade(StepError),
    /// It failed.
    Failed(CmsError),
}

impl CallError {
    /// Whether the CMS may have done what it was asked to. A request beyond its limit (429) has not come through to it.
    pub(crate) const fn may_have_acted(&self) -> bool {
        !matches!(
            self,
            Self::NotMade(_) | Self::Failed(CmsError::Unavailable { status: 429, .. })
        )
    }
}

impl From<CallError> for StepError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotMade(error) => error,
            CallError::Failed(error) => step_error(error),
        }
    }
}

/// What a failed call means to the run, in a step's error.
pub(crate) const WHAT: &str = "the CMS call failed";

/// What a failed call means to the run. It waits for as long as `Retry-After` says, but for no more than 24 hours: a wild value
/// must not leave a row alone for years.
fn step_error(error: CmsError) -> StepError {
    if !error.is_transient() {
        return StepError::permanent(WHAT).with_source(error);
    }
    if error.is_unanswered() {
        return StepError::unanswered(WHAT).with_source(error);
    }
    let retry_after = error.retry_after().map(|wait| wait.min(LONGEST_PAUSE));
    let transient = StepError::transient(WHAT).with_source(error);
    match retry_after {
        Some(wait) => transient.with_retry_after(wait),
        None => transient,
    }
}

/// Syncs brands to the CMS by the workflow `sync-brand-to-cms`.
pub struct CmsSubscriber<C> {
    target: CmsTarget<C>,
    conflicts: Conflicts,
}

impl<C> CmsSubscriber<C> {
    /// The subscriber for that CMS. By `conflicts` it overwrites a name that an editor has changed, or else takes it for a
    /// refusal.
    pub const fn new(target: CmsTarget<C>, conflicts: Conflicts) -> Self {
        Self { target, conflicts }
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

    fn admit<'a>(
        &'a self,
        probe: Option<&'a ProbeToken>,
        latest: Option<Timestamp>,
    ) -> BoxFuture<'a, Admission> {
        self.target.admit(probe, latest).boxed()
    }

    fn run<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Result<Outcome<()>, EngineError>> {
        async move {
            let context = SyncContext {
                target: Arc::new(self.target.for_run(work.deadline)),
                brand: work.row.brand.clone(),
                holds: work.row.subscriber(CMS_SUBSCRIBER).holds,
                conflicts: self.conflicts,
                probe: work.probe.cloned(),
                known: Mutex::default(),
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
            if self.target.shared.is_closed(None).await {
                return;
            }
            // Any id does: that the CMS does not hold it is an answer.
            let id = BrandId::new(brand::Timestamp::from_millis(0)).to_string();
            let read = self.target.cms().get_brand(&id);
            // `call` reports the result to the circuit; nothing else depends on it.
            drop(self.target.call(Purpose::Probe, Some(token), read).await);
        }
        .boxed()
    }
}
