//! The Lambda function `console`: wiring.

use lambda_http::{Error, Request};
use tower::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = telemetry::init();
    let handler = service_fn(async |request: Request| console::answer(&request));
    admin_api::serve(telemetry, handler).await
}
