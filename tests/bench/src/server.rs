//! Serving HTTP over TLS, and counting.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{Counts, Error, Service};

/// What all servers share.
pub(crate) struct Shared {
    pub(crate) counts: Mutex<Counts>,
    pub(crate) secret: String,
    /// How long the CMS takes, in milliseconds.
    pub(crate) cms_takes: AtomicU64,
}

impl Shared {
    fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Begins to serve, and answers where.
pub(crate) async fn serve(
    service: Service,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
) -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind(("localhost", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.count(|counts| counts.connection(service));
            tokio::spawn(converse(service, stream, tls.clone(), Arc::clone(&shared)));
        }
    });
    Ok(address)
}

async fn converse(
    service: Service,
    stream: TcpStream,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let stream = tls.accept(stream).await?;
    let answer = service_fn(|request| answer(service, request, &shared));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answer)
        .await?;
    Ok(())
}

async fn answer(
    service: Service,
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let operation = service.operation(request.method(), request.headers());
    shared.count(|counts| counts.request(service, &operation));
    let body = request.into_body().collect().await;
    let body = body.map(http_body_util::Collected::to_bytes);
    let (status, text) = service.answer(&operation, &body.unwrap_or_default(), &shared.secret);
    let takes = shared.cms_takes.load(Ordering::Relaxed);
    if service == Service::Cms && takes > 0 {
        tokio::time::sleep(Duration::from_millis(takes)).await;
    }
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}
