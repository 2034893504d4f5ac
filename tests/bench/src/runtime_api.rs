//! Lambda's runtime API, as one process of a function meets it.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{Mutex, mpsc::UnboundedReceiver, mpsc::UnboundedSender, mpsc::unbounded_channel},
    task::{AbortHandle, JoinSet},
};

use crate::Error;

/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a function did, and when.
pub(crate) enum Signal {
    /// It asked for an event.
    Asked(Instant),
    /// It answered one.
    Answered(Instant, Bytes),
    /// It said that it failed.
    Failed(Bytes),
}

/// The API. It ends where this is dropped, and the function with it.
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    events: UnboundedSender<String>,
    signals: mpsc::Receiver<Signal>,
    serving: AbortHandle,
}

impl RuntimeApi {
    pub(crate) fn start(handle: &Handle) -> Result<Self, Error> {
        let (started, starting) = mpsc::channel();
        let (signal, signals) = mpsc::channel();
        let (events, queue) = unbounded_channel();
        let invocations = Arc::new(Invocations {
            queue: Mutex::new(queue),
            count: AtomicU64::new(0),
            signal,
        });
        let serving = handle.spawn(async move {
            let Ok(listener) = TcpListener::bind(("127.0.0.1", 0)).await else {
                return;
            };
            let _ = started.send(listener.local_addr());
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, Arc::clone(&invocations)));
            }
        });
        Ok(Self {
            address: starting.recv()??,
            events,
            signals,
            serving: serving.abort_handle(),
        })
    }

    /// Lays out an event for the function to take.
    pub(crate) fn send(&self, event: String) -> Result<(), Error> {
        Ok(self.events.send(event)?)
    }

    /// What the function does next; none if it does nothing for so long.
    pub(crate) fn next(&self, wait: Duration) -> Result<Option<Signal>, Error> {
        match self.signals.recv_timeout(wait) {
            Ok(signal) => Ok(Some(signal)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Invocations {
    queue: Mutex<UnboundedReceiver<String>>,
    /// How many there were.
    count: AtomicU64,
    signal: mpsc::Sender<Signal>,
}

async fn converse(stream: TcpStream, invocations: Arc<Invocations>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let answer = service_fn(|request| answer(request, &invocations));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answer)
        .await?;
    Ok(())
}

async fn answer(
    request: Request<Incoming>,
    invocations: &Invocations,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    if path.ends_with("/next") {
        let _ = invocations.signal.send(Signal::Asked(Instant::now()));
        let event = invocations.queue.lock().await.recv().await;
        let number = invocations.count.fetch_add(1, Ordering::Relaxed);
        return Ok(invocation(event.unwrap_or_default(), number));
    }
    let body = request.into_body().collect().await;
    let body = body
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let _ = invocations.signal.send(if path.ends_with("/response") {
        Signal::Answered(Instant::now(), body)
    } else {
        Signal::Failed(body)
    });
    let mut accepted = Response::new(Full::from(r#"{"status":"OK"}"#));
    *accepted.status_mut() = StatusCode::ACCEPTED;
    Ok(accepted)
}

/// An invocation with a trace of its own, as on Lambda.
fn invocation(event: String, number: u64) -> Response<Full<Bytes>> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let deadline = (now + TIMEOUT).as_millis().to_string();
    let trace = format!("Root=1-5bef4de7-{number:024x};Parent={number:016x};Sampled=1");
    let headers = [
        (
            "lambda-runtime-aws-request-id",
            "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        ),
        ("lambda-runtime-deadline-ms", &deadline),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:function",
        ),
        ("lambda-runtime-trace-id", &trace),
        ("content-type", "application/json"),
    ];
    let mut response = Response::new(Full::from(event));
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
