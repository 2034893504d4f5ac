//! The loop over a function's invocations.

use std::{cell::Cell, sync::Arc};

use http::StatusCode;
use http_body_util::BodyExt;
use lambda_runtime::{Config, Context, Error, LambdaInvocation, Runtime, layers::TracingLayer};
use lambda_runtime_api_client::{Client, body::Body, build_request};
use tower::{Layer, Service, ServiceExt, layer::layer_fn, service_fn};

const NEXT: &str = "/2018-06-01/runtime/invocation/next";
const REQUEST_ID: &str = "lambda-runtime-aws-request-id";

/// Answers invocations one after the other, for as long as the process lives.
///
/// It does what `lambda_runtime::run` does, with its services, but for one thing: that sets the environment variable
/// `_X_AMZN_TRACE_ID` for each invocation, and glibc never frees the value that was there before (`setenv` keeps each
/// value, since `getenv` may have handed it out). That is 112 bytes an invocation: 100 MB of a process that answers a million,
/// and holes in the heap where nothing large fits any more. Nothing here reads the variable: the trace is in each
/// invocation's context. `lambda_runtime` 1.5 has no switch for it; once it has, this loop can go.
///
/// Source: `process_invocation` in `lambda_runtime`'s `src/runtime.rs`.
pub async fn run<S>(runtime: Runtime<S>) -> Result<(), Error>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
{
    let client = Client::builder().build()?;
    let config = Arc::new(Config::from_env());
    let service = service_of(runtime).ok_or("the runtime has no service")?;
    let mut service = TracingLayer::new().layer(service);
    loop {
        let next = build_request().uri(NEXT).body(Body::empty())?;
        let (parts, body) = client.call(next).await?.into_parts();
        // `cargo lambda watch` answers so where there is nothing to do yet.
        if parts.status == StatusCode::NO_CONTENT {
            continue;
        }
        let body = body.collect().await?.to_bytes();
        let id = parts.headers.get(REQUEST_ID);
        let id = id.ok_or("an invocation has no request id")?.to_str()?;
        let context = Context::new(id, Arc::clone(&config), &parts.headers)?;
        let invocation = LambdaInvocation {
            parts,
            body,
            context,
        };
        service.ready().await?.call(invocation).await?;
    }
}

/// The service that a runtime would call: it reads the event, calls the handler, catches its panics, and sends the answer.
fn service_of<S>(runtime: Runtime<S>) -> Option<S> {
    let taken = Cell::new(None);
    let _ = runtime.layer(layer_fn(|service| {
        taken.set(Some(service));
        service_fn(async |_: LambdaInvocation| Ok::<(), Error>(()))
    }));
    taken.into_inner()
}
