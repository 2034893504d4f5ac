//! Spans over OTLP, as protobuf over HTTP, to the collector that the environment names.
//!
//! The SDK reads `OTEL_EXPORTER_OTLP_ENDPOINT`, `…_HEADERS`, `…_TIMEOUT`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`
//! and their like: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>. Lambda's collector
//! layer listens on `http://localhost:4318`.

use std::env;

use opentelemetry::{
    Context, KeyValue,
    trace::{
        SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
    },
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Span, Subscriber, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use crate::TraceContext;

/// The name of the instrumentation, as collectors show it.
const SCOPE: &str = "brand-sync";
/// Each of these asks for the export.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

/// Exports spans, from a thread of its own.
#[derive(Clone, Debug)]
pub(crate) struct Exporter(SdkTracerProvider);

/// The exporter, if the environment asks for one, and why there is none although it does.
pub(crate) fn exporter() -> (Option<Exporter>, Option<String>) {
    let is_set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if !ENDPOINTS.iter().any(is_set) {
        return (None, None);
    }
    match Exporter::new() {
        Ok(exporter) => (Some(exporter), None),
        Err(error) => (None, Some(crate::chain(&error))),
    }
}

impl Exporter {
    fn new() -> Result<Self, ExporterBuildError> {
        // Of the provider that everything else here takes; the exporter's client takes the process's. It is set once: a second
        // setting changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = SpanExporter::builder().with_http().build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource())
            .build();
        Ok(Self(provider))
    }

    /// What hands spans over. The runtime's own span about an invocation is left: the one of the request inside it
    /// continues the client's trace, and it would stand in another.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(SCOPE))
            .with_location(false)
            .with_threads(false)
            .with_filter(filter_fn(|about| {
                !about.target().starts_with("lambda_runtime")
            }))
    }

    pub(crate) fn flush(&self) {
        if let Err(error) = self.0.force_flush() {
            warn!(error = crate::chain(&error), "spans could not be exported");
        }
    }
}

/// What exports: the function, unless `OTEL_SERVICE_NAME` says otherwise.
fn resource() -> Resource {
    let name = env::var("AWS_LAMBDA_FUNCTION_NAME").ok();
    let of_lambda = name.map(|name| [KeyValue::new("faas.name", name.clone()), service(name)]);
    let named = env::var("OTEL_SERVICE_NAME").ok().map(service);
    Resource::builder()
        .with_attributes(of_lambda.into_iter().flatten())
        .with_attributes(named)
        .build()
}

fn service(name: String) -> KeyValue {
    KeyValue::new("service.name", name)
}

pub(crate) fn set_parent(span: &Span, parent: TraceContext) {
    let context = Context::new().with_remote_span_context(remote(parent));
    // It fails where nothing is exported.
    let _ = span.set_parent(context);
}

pub(crate) fn add_link(span: &Span, to: TraceContext) {
    span.add_link(remote(to));
}

pub(crate) fn context_of(span: &Span) -> Option<TraceContext> {
    let context = span.context();
    let span = context.span();
    let exported = span.span_context();
    TraceContext::of_ids(
        u128::from_be_bytes(exported.trace_id().to_bytes()),
        u64::from_be_bytes(exported.span_id().to_bytes()),
        exported.is_sampled(),
    )
}

fn remote(context: TraceContext) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(context.trace_id().to_be_bytes()),
        SpanId::from_bytes(context.parent_id().to_be_bytes()),
        TraceFlags::default().with_sampled(context.is_sampled()),
        true,
        TraceState::default(),
    )
}
