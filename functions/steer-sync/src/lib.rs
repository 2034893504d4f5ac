//! What an admin does about the sync: takes brands up again, cancels runs, moves parked messages, opens and closes the circuit, asks for
//! a reconciliation. And what the CMS's webhooks ask for: a look at an entry.

mod brands;
mod circuit;
mod hook;
mod parked;
mod reconciliation;

use admin_api::{ApiError, Fields};
use auth::Actor;
use brand::{BrandEvents, Intervention, SyncReader, SyncStore, Timestamp};
use lambda_http::{Body, Request, Response, http::Method};
use serde_json::json;
use telemetry::Metrics;

pub use self::{
    brands::SteerBrands,
    circuit::SteerCircuit,
    parked::{LIMIT, MAX_LIMIT, Parked, SteerParked},
    reconciliation::SteerReconciliation,
};

/// The most characters of a reason: a row keeps all of it.
const MAX_REASON: usize = Intervention::MAX_REASON;

/// The handler.
pub struct SteerSync<S, E, P> {
    brands: SteerBrands<S, E>,
    circuit: SteerCircuit,
    parked: SteerParked<P>,
    reconciliation: SteerReconciliation,
}

impl<S, E, P> SteerSync<S, E, P>
where
    S: SyncStore + SyncReader,
    E: BrandEvents,
    P: Parked,
{
    /// The handler on those.
    pub const fn new(
        brands: SteerBrands<S, E>,
        circuit: SteerCircuit,
        parked: SteerParked<P>,
        reconciliation: SteerReconciliation,
    ) -> Self {
        Self {
            brands,
            circuit,
            parked,
            reconciliation,
        }
    }

    /// Whether a request is a webhook's, which has a signature in place of a token.
    #[must_use]
    pub fn is_hook(request: &Request) -> bool {
        admin_api::path(request)[..] == ["hooks", "cms"]
    }

    /// Answers a webhook of the CMS, which has to be signed under that secret.
    pub async fn hear(&self, request: Request, secret: &str) -> Result<Response<Body>, ApiError> {
        if request.method() != Method::POST {
            return Ok(admin_api::no_route(&request));
        }
        hook::check(&request, secret, Timestamp::now())?;
        let mut metrics = Metrics::new();
        let inbox = self.reconciliation.store();
        let heard = hook::hear(&request, self.brands.store(), inbox, &mut metrics);
        let heard = Box::pin(heard).await;
        metrics.emit("steer-sync");
        admin_api::json(&heard?)
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, ApiError> {
        let mut metrics = Metrics::new();
        // On the heap, since what the SDK keeps of its requests makes it large.
        let answer = Box::pin(self.answer(&request, &mut metrics)).await;
        metrics.emit("steer-sync");
        answer
    }

    async fn answer(
        &self,
        request: &Request,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        let path = admin_api::path(request);
        let brands = &self.brands;
        match (request.method(), &path[..]) {
            (&Method::POST, ["admin", "brands", "sync"]) => {
                brands.sync_many(request, metrics).await
            }
            (&Method::POST, ["admin", "brands", id, "sync"]) => {
                brands.sync_one(id, request, metrics).await
            }
            (&Method::POST, ["admin", "workflows-executions", parts @ .., "cancel"])
                if matches!(parts.len(), 1 | 2) =>
            {
                brands.cancel(parts, request, metrics).await
            }
            (&Method::POST, ["admin", "cms", "circuit"]) => {
                let status = self.circuit.change(request).await?;
                admin_api::json(&json!({ "cms": status }))
            }
            (&Method::POST, ["admin", "cms", "reconciliation"]) => {
                let view = self.reconciliation.ask(request).await?;
                admin_api::json(&json!({ "reconciliation": view }))
            }
            (&Method::GET | &Method::HEAD, ["admin", "parked"]) => self.parked.list(request).await,
            (&Method::POST, ["admin", "parked", "redrive"]) => self.parked.redrive(request).await,
            (&Method::DELETE, ["admin", "parked", id]) => self.parked.delete(id, request).await,
            _ => Ok(admin_api::no_route(request)),
        }
    }
}

/// The id of the user who sent the request. The token check rejects requests without one.
fn operator(request: &Request) -> &str {
    let caller = request.extensions().get::<Actor>();
    caller.map_or("unknown", Actor::id)
}

/// Notes what is wrong with a reason.
fn check_reason(reason: &str, fields: &mut Fields) {
    if reason.trim().is_empty() {
        fields.problem("Value for field 'reason' too small, expected at least: '1'".to_owned());
    } else if reason.chars().nth(MAX_REASON).is_some() {
        fields.problem(format!(
            "Value for field 'reason' too big, expected at most: '{MAX_REASON}'"
        ));
    } else if reason.chars().any(char::is_control) {
        fields.problem("Value for field 'reason' must not contain control characters".to_owned());
    }
}
