//! The layer that checks tokens.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use admin_api::ApiError;
use futures::future::{Either, Ready, ready};
use lambda_http::http::{HeaderMap, Request, header::AUTHORIZATION};
use tower::{Layer, Service};
use tracing::info;

use crate::{Actor, InvalidToken, Tokens};

/// Lets only requests through that carry a good token, with the [`Actor`] in their extensions; any other is
/// [`ApiError::Unauthorized`].
///
/// It takes requests with a body of any type, so that it cannot look at it: whoever may not send a body does not learn what is
/// wrong with it.
#[derive(Clone, Debug)]
pub struct Authenticate {
    tokens: Arc<Tokens>,
}

impl Authenticate {
    /// The layer that checks with those.
    pub fn with(tokens: impl Into<Arc<Tokens>>) -> Self {
        Self {
            tokens: tokens.into(),
        }
    }
}

impl<S> Layer<S> for Authenticate {
    type Service = Authenticating<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticating {
            tokens: Arc::clone(&self.tokens),
            inner,
        }
    }
}

/// The service that [`Authenticate`] makes of another.
#[derive(Clone, Debug)]
pub struct Authenticating<S> {
    tokens: Arc<Tokens>,
    inner: S,
}

impl<S, B> Service<Request<B>> for Authenticating<S>
where
    S: Service<Request<B>, Error = ApiError>,
{
    type Response = S::Response;
    type Error = ApiError;
    type Future = Either<S::Future, Ready<Result<S::Response, ApiError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match actor(&self.tokens, request.headers()) {
            Ok(actor) => {
                request.extensions_mut().insert(actor);
                Either::Left(self.inner.call(request))
            }
            Err(reason) => {
                info!(reason, "unauthorized");
                Either::Right(ready(Err(ApiError::Unauthorized)))
            }
        }
    }
}

fn actor(tokens: &Tokens, headers: &HeaderMap) -> Result<Actor, String> {
    let header = headers
        .get(AUTHORIZATION)
        .ok_or("no authorization header")?;
    let token = header
        .to_str()
        .ok()
        .and_then(bearer)
        .ok_or("no bearer token")?;
    let checked = tokens.check(token, SystemTime::now());
    checked.map_err(|invalid: InvalidToken| invalid.to_string())
}

/// The token behind the scheme, which may be written in either case (RFC 9110, 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests;
