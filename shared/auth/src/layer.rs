//! The layer that checks tokens.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use admin_api::ApiError;
use futures::{
    FutureExt,
    future::{BoxFuture, Either, ready},
};
use lambda_http::http::{HeaderMap, Request, header::AUTHORIZATION};
use tower::{Layer, Service};
use tracing::info;

use crate::{Checked, InvalidToken, Revocations, Tokens, revocations::Standing};

/// Lets only requests through that carry a good token, with the [`Actor`](crate::Actor) in their extensions; any other is
/// [`ApiError::Unauthorized`].
///
/// It takes requests with a body of any type, so that it cannot look at it: whoever may not send a body does not learn what is
/// wrong with it.
#[derive(Clone, Debug)]
pub struct Authenticate {
    tokens: Arc<Tokens>,
    revocations: Option<Revocations>,
}

impl Authenticate {
    /// The layer that checks with those. A token is good until it expires, whatever its user's password is.
    pub fn with(tokens: impl Into<Arc<Tokens>>) -> Self {
        Self {
            tokens: tokens.into(),
            revocations: None,
        }
    }

    /// The layer that also refuses tokens of a password that the user no longer has.
    #[must_use]
    pub fn unless_revoked(self, revocations: Revocations) -> Self {
        Self {
            revocations: Some(revocations),
            ..self
        }
    }

    /// What the token of a request says, if it has not expired.
    fn checked(&self, headers: &HeaderMap, now: SystemTime) -> Result<Checked, ApiError> {
        let header = headers.get(AUTHORIZATION);
        let header = header.ok_or_else(|| refused("no authorization header"))?;
        let token = header.to_str().ok().and_then(bearer);
        let token = token.ok_or_else(|| refused("no bearer token"))?;
        let checked = self.tokens.check(token, now);
        checked.map_err(|invalid| refused(&invalid.to_string()))
    }

    fn standing(&self, token: &Checked, now: SystemTime) -> Standing {
        let revocations = self.revocations.as_ref();
        revocations.map_or(Standing::Good, |list| list.standing(token, now))
    }

    /// How it stands with a token once the list of changed passwords was read anew.
    async fn standing_anew(self, token: &Checked) -> Result<Standing, ApiError> {
        if let Some(revocations) = &self.revocations {
            revocations.refresh().await?;
        }
        Ok(self.standing(token, SystemTime::now()))
    }
}

fn refused(reason: &str) -> ApiError {
    info!(reason, "unauthorized");
    ApiError::Unauthorized
}

impl<S> Layer<S> for Authenticate {
    type Service = Authenticating<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticating {
            check: self.clone(),
            inner,
        }
    }
}

/// The service that [`Authenticate`] makes of another.
#[derive(Clone, Debug)]
pub struct Authenticating<S> {
    check: Authenticate,
    inner: S,
}

impl<S, B> Service<Request<B>> for Authenticating<S>
where
    S: Service<Request<B>, Error = ApiError> + Clone + Send + 'static,
    S::Response: Send,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = ApiError;
    type Future = Either<S::Future, BoxFuture<'static, Result<S::Response, ApiError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ApiError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let now = SystemTime::now();
        let token = match self.check.checked(request.headers(), now) {
            Ok(token) => token,
            Err(refused) => return Either::Right(ready(Err(refused)).boxed()),
        };
        match self.check.standing(&token, now) {
            Standing::Good => {
                request.extensions_mut().insert(token.actor);
                Either::Left(self.inner.call(request))
            }
            Standing::Revoked => Either::Right(ready(Err(revoked())).boxed()),
            Standing::Unknown => {
                let check = self.check.clone();
                // The one that is ready is taken, and a new one left.
                let inner = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, inner);
                Either::Right(
                    async move {
                        if check.standing_anew(&token).await? != Standing::Good {
                            return Err(revoked());
                        }
                        request.extensions_mut().insert(token.actor);
                        inner.call(request).await
                    }
                    .boxed(),
                )
            }
        }
    }
}

fn revoked() -> ApiError {
    refused(&InvalidToken::Revoked.to_string())
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
