//! Spans, as a collector receives them.

#![expect(clippy::expect_used, reason = "tests fail by panicking")]

use std::{
    env,
    fmt::Write as _,
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    thread,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span,
};
use prost::Message;
use telemetry::Trace;
use tracing::{info, info_span};

const CLIENTS: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// Set in the process that plays the function.
const PLAYED: &str = "TELEMETRY_TEST_PLAYS_A_FUNCTION";

/// A request that sends a message, and the message worked on, in one process. What goes along is printed.
fn play_a_function() {
    let telemetry = telemetry::init();
    let trace = Trace::of_request(Some(CLIENTS), None);
    let request = info_span!("request");
    trace.continue_in(&request);
    let traceparent = request.in_scope(|| {
        info!("sent");
        trace.traceparent()
    });
    drop(request);
    let sent_in = Trace::of_message(Some(&traceparent), None).expect("it is a traceparent");
    let message = info_span!("message", message = "m1");
    sent_in.link_to(&message);
    message.in_scope(|| info_span!("step", attempt = 1).in_scope(|| info!("worked on")));
    drop(message);
    telemetry.flush();
    println!("traceparent={traceparent}");
}

/// Answers the first export, and returns what was in it.
fn collect(listener: &TcpListener) -> ExportTraceServiceRequest {
    let (mut connection, _) = listener.accept().expect("somebody exports");
    let (mut received, mut some) = (Vec::new(), [0; 4096]);
    loop {
        let many = connection.read(&mut some).expect("a request is sent");
        received.extend_from_slice(some.get(..many).unwrap_or_default());
        let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(received.get(..end).unwrap_or_default()).to_lowercase();
        assert!(head.starts_with("post /v1/traces "), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).expect(&head);
        if let Some(body) = received.get(end + 4..end + 4 + length) {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            connection.write_all(answer).expect("it is answered");
            return ExportTraceServiceRequest::decode(body).expect("it is OTLP");
        }
        assert_ne!(many, 0, "the request was cut off");
    }
}

#[test]
fn the_request_continues_its_clients_trace_and_the_message_is_linked_to_the_request() {
    if env::var_os(PLAYED).is_some() {
        return play_a_function();
    }
    let collector = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = collector.local_addr().expect("it has an address");
    let collected = thread::spawn(move || collect(&collector));
    let name = "the_request_continues_its_clients_trace_and_the_message_is_linked_to_the_request";
    let played = Command::new(env::current_exe().expect("this is a program"))
        .args([name, "--exact", "--nocapture"])
        .env(PLAYED, "1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", "stack-SyncBrandFunction-1")
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("it runs");
    let output = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{output}");
    let traceparent = output
        .lines()
        .find_map(|line| line.strip_prefix("traceparent="))
        .expect("it says what went along");

    let exported = collected.join().expect("it was collected");
    let of_function = exported.resource_spans.first().expect("there are spans");
    let resource = format!("{:?}", of_function.resource);
    assert!(resource.contains("stack-SyncBrandFunction-1"), "{resource}");
    let spans: Vec<&Span> = of_function
        .scope_spans
        .iter()
        .flat_map(|scope| &scope.spans)
        .collect();
    let span = |name| *spans.iter().find(|span| span.name == name).expect(name);
    let (request, message, step) = (span("request"), span("message"), span("step"));

    assert_eq!(hex(&request.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&request.parent_span_id), "b7ad6b7169203331");
    let (trace_id, span_id) = (hex(&request.trace_id), hex(&request.span_id));
    assert_eq!(traceparent, format!("00-{trace_id}-{span_id}-01"));

    assert_ne!(message.trace_id, request.trace_id);
    assert_eq!(message.parent_span_id, Vec::<u8>::new());
    let links: Vec<_> = message
        .links
        .iter()
        .map(|link| (&link.trace_id, &link.span_id))
        .collect();
    assert_eq!(links, [(&request.trace_id, &request.span_id)]);
    assert_eq!(step.parent_span_id, message.span_id);
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
