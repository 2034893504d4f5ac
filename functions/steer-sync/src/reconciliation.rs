//! POST /admin/cms/reconciliation: an admin asks for a reconciliation.

use std::sync::Arc;

use admin_api::{ApiError, Deadline, Fields};
use brand::{CMS_SUBSCRIBER, Timestamp};
use lambda_http::Request;
use reconcile::{ReconciliationError, ReconciliationView, Reconciliations};
use tokio::time::timeout;
use tracing::{error, info};

use crate::operator;

/// Asks for reconciliations.
#[derive(Clone)]
pub struct SteerReconciliation(Arc<dyn Reconciliations>);

impl SteerReconciliation {
    /// The handler on that store.
    #[must_use]
    pub fn new(store: Arc<dyn Reconciliations>) -> Self {
        Self(store)
    }

    /// Where they are kept.
    pub(crate) fn store(&self) -> &dyn Reconciliations {
        &*self.0
    }

    /// Asks for one in the name of the request's sender. It begins within a minute. Answers how it stands then.
    pub async fn ask(&self, request: &Request) -> Result<ReconciliationView, ApiError> {
        let body = admin_api::body(request)?;
        let dry_run = if body.is_empty() {
            false
        } else {
            let mut fields = Fields::parse(body)?;
            let dry_run = fields.flag("dry_run");
            fields.finish()?;
            dry_run
        };
        let asked = reconcile::Request {
            by: operator(request).to_owned(),
            at: Timestamp::now(),
            dry_run,
        };
        info!(by = asked.by, dry_run, "a reconciliation is asked for");
        let ask = async {
            self.0.ask(CMS_SUBSCRIBER, &asked).await?;
            ReconciliationView::read(&*self.0).await
        };
        in_time(request, ask).await
    }
}

/// Waits for the table until the request has to be answered.
pub(crate) async fn in_time<T>(
    request: &Request,
    work: impl Future<Output = Result<T, ReconciliationError>>,
) -> Result<T, ApiError> {
    match timeout(Deadline::of(request).time_left(), Box::pin(work)).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(cause)) => {
            let error = telemetry::chain(&cause);
            error!(error, "the reconciliation could not be asked for or read");
        }
        Err(_) => error!("the reconciliation was not asked for and read in time"),
    }
    Err(ApiError::Unknown)
}
