//! The outermost layer of an HTTP function: everything that is logged for a request bears its trace.

use std::task::{Context, Poll};

use futures::{FutureExt, future::BoxFuture};
use lambda_http::{Request, RequestExt};
use telemetry::{Telemetry, Trace};
use tower::{Layer, Service};
use tracing::{Instrument, info_span};

const TRACEPARENT: &str = "traceparent";

/// The trace that a request belongs to: its client's, else Lambda's, else a new one.
#[must_use]
pub fn trace(request: &Request) -> Trace {
    if let Some(known) = request.extensions().get::<Trace>() {
        return known.clone();
    }
    let traceparent = request.headers().get(TRACEPARENT);
    let context = request.lambda_context_ref();
    Trace::of_request(
        traceparent.and_then(|value| value.to_str().ok()),
        context.and_then(|context| context.xray_trace_id.as_deref()),
    )
}

/// Works on each request within a span that bears its trace, and exports what was recorded before it is answered.
#[derive(Clone, Debug)]
pub struct Traced(Telemetry);

impl Traced {
    /// The layer that exports through `telemetry`.
    #[must_use]
    pub const fn with(telemetry: Telemetry) -> Self {
        Self(telemetry)
    }
}

impl<S> Layer<S> for Traced {
    type Service = Tracing<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let telemetry = self.0.clone();
        Tracing { inner, telemetry }
    }
}

/// The service that [`Traced`] makes of another.
#[derive(Clone, Debug)]
pub struct Tracing<S> {
    inner: S,
    telemetry: Telemetry,
}

impl<S> Service<Request> for Tracing<S>
where
    S: Service<Request>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let trace = trace(&request);
        let span = info_span!("request", trace_id = trace.id());
        trace.continue_in(&span);
        request.extensions_mut().insert(trace);
        let answer = span.in_scope(|| self.inner.call(request)).instrument(span);
        let telemetry = self.telemetry.clone();
        async move {
            let answer = answer.await;
            telemetry.flush();
            answer
        }
        .boxed()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::convert::Infallible;

    use lambda_http::{Context, Request, RequestExt};
    use telemetry::{Telemetry, Trace};
    use tower::{Service, ServiceBuilder, ServiceExt};

    use super::{Traced, trace};

    const CLIENTS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const LAMBDAS: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    async fn seen(request: Request) -> Result<Trace, Infallible> {
        assert!(request.extensions().get::<Trace>().is_some());
        Ok(trace(&request))
    }

    #[tokio::test]
    async fn a_request_is_handled_in_its_clients_trace_and_in_lambdas_where_it_has_none() {
        let service = tower::service_fn(seen);
        let mut service = ServiceBuilder::new()
            .layer(Traced::with(Telemetry::default()))
            .service(service);
        let mut context = Context::default();
        context.xray_trace_id = Some(LAMBDAS.to_owned());

        let mut request = Request::default().with_lambda_context(context.clone());
        let value = CLIENTS.parse().unwrap();
        request.headers_mut().insert("traceparent", value);
        let trace = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(trace.traceparent(), CLIENTS);
        assert_eq!(trace.xray_header(), LAMBDAS);

        let request = Request::default().with_lambda_context(context);
        let trace = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(trace.id(), "5759e988bd862e3fe1be46a994272793");
    }
}
