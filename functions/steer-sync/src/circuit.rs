//! POST /admin/cms/circuit: an admin opens or closes the circuit of the CMS.

use std::sync::Arc;

use admin_api::{ApiError, Deadline, Fields, shown};
use circuit::{CallStore, CircuitBreaker, CircuitError, ServiceStatus};
use lambda_http::Request;
use tokio::time::timeout;
use tracing::error;
use workflow::Timestamp;

use crate::{check_reason, operator};

/// The circuit of the CMS, and what is known of the calls.
pub struct SteerCircuit {
    breaker: CircuitBreaker,
    calls: Arc<dyn CallStore>,
}

impl SteerCircuit {
    /// The handler for that circuit.
    #[must_use]
    pub fn new(breaker: CircuitBreaker, calls: Arc<dyn CallStore>) -> Self {
        Self { breaker, calls }
    }

    /// Opens or closes the circuit as the request says, in the name of its sender. Answers how it stands then: the parts `circuit` and
    /// `calls` of the CMS.
    pub async fn change(&self, request: &Request) -> Result<ServiceStatus, ApiError> {
        let CircuitRequest { opens, reason } = CircuitRequest::parse(admin_api::body(request)?)?;
        let (operator, now) = (operator(request), now());
        let change = async {
            if opens {
                self.breaker.open(operator, &reason, now).await?;
            } else {
                self.breaker.close(operator, &reason, now).await?;
            }
            ServiceStatus::read(&self.breaker, &*self.calls, now).await
        };
        let left = Deadline::of(request).time_left();
        match timeout(left, Box::pin(change)).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(CircuitError::Contended)) => Err(ApiError::Conflict(
                "The circuit kept changing: try again".to_owned(),
            )),
            Ok(Err(cause)) => {
                error!(
                    error = telemetry::chain(&cause),
                    "the circuit could not be changed or read"
                );
                Err(ApiError::Unknown)
            }
            Err(_) => {
                error!("the circuit was not changed and read in time");
                Err(ApiError::Unknown)
            }
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(brand::Timestamp::now().as_millis())
}

/// The body.
#[derive(Debug)]
struct CircuitRequest {
    opens: bool,
    reason: String,
}

impl CircuitRequest {
    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let state = fields.optional_text("state");
        let opens = match state.as_deref() {
            Some("open") => true,
            Some("closed") => false,
            Some(other) => {
                let other = shown(other);
                fields.problem(format!(
                    "Expected: 'open, closed' for field 'state', but got: '{other}'"
                ));
                false
            }
            None => {
                fields.problem("Field 'state' is required".to_owned());
                false
            }
        };
        let reason = fields.optional_text("reason");
        match &reason {
            Some(reason) => check_reason(reason, &mut fields),
            None => fields.problem("Field 'reason' is required".to_owned()),
        }
        fields.finish()?;
        Ok(Self {
            opens,
            reason: reason.unwrap_or_default(),
        })
    }
}
