//! An HTTP proxy that does with each request as it is told: passes it on, not at all, late or twice, and brings the
//! answer back or does not.
//!
//! It changes nothing of a request, its Host included: it is part of what AWS's clients sign.

use std::{error::Error, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client, header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// How long a request hangs, at most: no client waits for longer.
const HANG: Duration = Duration::from_secs(12);

type BoxError = Box<dyn Error + Send + Sync>;

/// What is done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Treatment {
    /// First, it waits for so long.
    pub(crate) wait: Duration,
    /// Then it is passed on so often.
    pub(crate) passed_on: u8,
    /// And this comes back.
    pub(crate) reply: Reply,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The answer.
    Answer,
    /// Another answer: status and JSON.
    Instead(u16, &'static str),
    /// Nothing: the connection is closed.
    Nothing,
    /// Nothing, and the connection stays open.
    Hangs,
    /// Nothing, since all processes of that function are killed.
    Killed(&'static str),
}

impl Treatment {
    /// It is passed on, and the answer comes back.
    pub(crate) const PASS: Self = Self::acting(Reply::Answer);

    /// It is not passed on.
    pub(crate) const fn not_acting(reply: Reply) -> Self {
        Self {
            wait: Duration::ZERO,
            passed_on: 0,
            reply,
        }
    }

    /// It is passed on once.
    pub(crate) const fn acting(reply: Reply) -> Self {
        Self {
            wait: Duration::ZERO,
            passed_on: 1,
            reply,
        }
    }
}

/// Tells what is done with each request.
pub(crate) trait Treat: Send + Sync + 'static {
    /// What is done with that request.
    fn treat(&self, request: &Request<Bytes>) -> Treatment;

    /// Kills all processes of that function.
    fn kill(&self, function: &'static str) -> impl Future<Output = ()> + Send;
}

/// Stands at `listener` in front of `upstream`, for as long as the process lives.
pub(crate) async fn serve(listener: TcpListener, upstream: String, treat: Arc<impl Treat>) {
    let upstream: Arc<str> = upstream.into();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (upstream, treat) = (Arc::clone(&upstream), Arc::clone(&treat));
        let service = service_fn(move |request| {
            let (upstream, treat) = (Arc::clone(&upstream), Arc::clone(&treat));
            async move { answer(request, upstream, &*treat).await }
        });
        // It ends with an error whenever a request is not answered: that closes the connection.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    upstream: Arc<str>,
    treat: &impl Treat,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, body.collect().await?.to_bytes());
    let treatment = treat.treat(&request);
    // In a task of its own: a request that was sent is carried out, though its sender dies meanwhile.
    let passed_on = tokio::spawn(pass_on(request, upstream, treatment.clone()));
    let answer = passed_on.await?;
    match treatment.reply {
        Reply::Answer => answer?.ok_or_else(|| "it was not passed on".into()),
        Reply::Instead(status, text) => {
            let mut instead = Response::new(Full::from(text));
            *instead.status_mut() = StatusCode::from_u16(status)?;
            let json = header::HeaderValue::from_static("application/x-amz-json-1.0");
            instead.headers_mut().insert(header::CONTENT_TYPE, json);
            Ok(instead)
        }
        Reply::Nothing => Err("the reply is lost".into()),
        Reply::Hangs => {
            sleep(HANG).await;
            Err("it hung".into())
        }
        Reply::Killed(function) => {
            treat.kill(function).await;
            Err("whoever asked is dead".into())
        }
    }
}

/// Passes a request on as often as it is to be, and answers the last answer.
async fn pass_on(
    request: Request<Bytes>,
    upstream: Arc<str>,
    treatment: Treatment,
) -> Result<Option<Response<Full<Bytes>>>, BoxError> {
    sleep(treatment.wait).await;
    let mut answer = None;
    for _ in 0..treatment.passed_on {
        answer = Some(send(request.clone(), &upstream).await?);
    }
    Ok(answer)
}

async fn send(request: Request<Bytes>, upstream: &str) -> Result<Response<Full<Bytes>>, BoxError> {
    let stream = TcpStream::connect(upstream).await?;
    let (mut sender, connection) =
        client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    remove_framing(&mut parts.headers);
    let sent = Request::from_parts(parts, Full::from(body));
    let (mut parts, body) = sender.send_request(sent).await?.into_parts();
    remove_framing(&mut parts.headers);
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(parts, Full::from(body)))
}

/// What belongs to one connection, and not to what is sent over it.
fn remove_framing(headers: &mut HeaderMap) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
}
