//! The Lambda function `reconcile-brands`: configuration, clients, wiring.

use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = telemetry::init();
    let handle = async |_: LambdaEvent<Value>| {
        telemetry.flush();
        Ok::<_, Error>(json!({}))
    };
    aws::run(Runtime::new(service_fn(handle))).await
}
