//! Whether an AWS request that failed may succeed later.

use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{SdkError, ServiceError},
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Errors that AWS answers with a status below 500 and that are gone a little later.
/// Source: the error tables of the DynamoDB and SQS developer guides.
const PASSING: [&str; 7] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "ThrottlingError",
];

/// Whether the same request may succeed later: no answer, an answer that cannot be read, a fault of the service, or
/// throttling. Whether the request has been carried out is unknown then.
pub fn is_transient<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            true
        }
        SdkError::ServiceError(error) => is_passing(error),
        _ => false,
    }
}

fn is_passing<E: ProvideErrorMetadata>(error: &ServiceError<E, HttpResponse>) -> bool {
    let code = error.err().code();
    is_passing_code(error.raw().status().as_u16(), code.unwrap_or_default())
}

/// Whether an answer of that status, with the error of that name, may be another one a little later.
pub(crate) fn is_passing_code(status: u16, code: &str) -> bool {
    status >= 500 || status == 429 || PASSING.contains(&code)
}
