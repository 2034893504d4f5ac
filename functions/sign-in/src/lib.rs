//! POST /auth/user/emailpass: a token for an email and a password.
//!
//! Whoever tries learns as little as can be: a wrong password and an unknown email have the same answer after the same work. How
//! often one may try is in [`attempts`].

pub mod attempts;
mod route;

use std::time::{Duration, SystemTime};

use admin_api::{ApiError, Deadline, SignInRequest, TokenResponse};
use attempts::{Attempt, Attempts, Begun, Limiter};
use auth::{Actor, Identity, Tokens};
use lambda_http::{Body, Request, RequestExt, Response, request::RequestContext, tracing};
use telemetry::Metrics;
use tokio::time::timeout;
use tracing::{error, info, warn};
use users::{Email, PasswordHash, Passwords, User, Users};

/// How long an attempt waits for others that are in flight, unless the request's deadline leaves less.
const PATIENCE: Duration = Duration::from_secs(2);
/// When to try again after that.
const BUSY: Duration = Duration::from_secs(1);

/// The handler, on the users, the count of attempts, a way to check passwords, and the tokens it answers with.
#[derive(Debug)]
pub struct SignIn<U, A, P> {
    users: U,
    limiter: Limiter<A>,
    passwords: P,
    tokens: Tokens,
    /// What a password is checked against where there is no user.
    nobody: PasswordHash,
    now: fn() -> SystemTime,
}

impl<U: Users, A: Attempts, P: Passwords> SignIn<U, A, P> {
    /// The handler on those.
    pub fn new(users: U, attempts: A, passwords: P, tokens: Tokens) -> Self {
        Self {
            users,
            limiter: Limiter::new(attempts),
            passwords,
            tokens,
            nobody: PasswordHash::of_nobody(),
            now: SystemTime::now,
        }
    }

    /// The same, with another clock.
    #[must_use]
    pub fn with_clock(self, now: fn() -> SystemTime) -> Self {
        Self { now, ..self }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, ApiError> {
        let mut metrics = Metrics::new();
        let left = Deadline::of(&request).time_left();
        // On the heap, since what the SDK keeps of its requests makes it large.
        let work = Box::pin(self.sign_in(&request, left, &mut metrics));
        let answer = timeout(left, work).await;
        metrics.emit("sign-in");
        answer.unwrap_or_else(|_| {
            error!("not signed in in time");
            Err(ApiError::Unknown)
        })
    }

    async fn sign_in(
        &self,
        request: &Request,
        left: Duration,
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        route::check(request)?;
        let SignInRequest { email, password } = SignInRequest::parse(admin_api::body(request)?)?;
        // A text that is not an email has no user: it goes the same way, without a lookup.
        let email = Email::parse(&email).ok();
        let attempt = Attempt::of(source_ip(request), email.as_ref(), (self.now)());
        // Three quarters are left to the work.
        let patience = PATIENCE.min(left / 4);
        self.begin(&attempt, patience, metrics).await?;
        let user = match self.find(email.as_ref()).await {
            Ok(user) => user,
            Err(error) => {
                // No password is checked, so no guess is made.
                self.give_back(&attempt).await;
                return Err(error);
            }
        };
        let hash = user
            .as_ref()
            .map_or(&self.nobody, |user| &user.password_hash);
        let fits = self.passwords.verify(&password, hash);
        let Some(user) = user.filter(|_| fits) else {
            self.fail(&attempt).await;
            metrics.add("refused");
            info!("sign-in refused");
            return Err(ApiError::SignInRefused(
                "Invalid email or password".to_owned(),
            ));
        };
        self.give_back(&attempt).await;
        let token = self.token(&user)?;
        metrics.add("signed_in");
        info!(user.id = %user.user_id, "signed in");
        admin_api::json(&TokenResponse { token })
    }

    async fn begin(
        &self,
        attempt: &Attempt,
        patience: Duration,
        metrics: &mut Metrics,
    ) -> Result<(), ApiError> {
        match self.limiter.begin(attempt, patience).await {
            Ok(Begun::Allowed) => Ok(()),
            Ok(Begun::Busy) => {
                metrics.add("limited");
                warn!("too many attempts to sign in are in flight");
                Err(ApiError::TooManyRequests { retry_after: BUSY })
            }
            Ok(Begun::TooMany) => {
                metrics.add("limited");
                warn!("too many attempts to sign in have failed");
                let retry_after = attempt.window_left();
                Err(ApiError::TooManyRequests { retry_after })
            }
            // An attempt that cannot be counted is not made: otherwise, disturbing the count would allow any number of guesses.
            Err(cause) => {
                error!(
                    error = telemetry::chain(&cause),
                    "an attempt could not be counted"
                );
                Err(ApiError::Unknown)
            }
        }
    }

    /// If that fails, the attempt stays in flight, and counts as a failed one does when its time is over.
    async fn give_back(&self, attempt: &Attempt) {
        if let Err(cause) = self.limiter.give_back(attempt).await {
            warn!(
                error = telemetry::chain(&cause),
                "an attempt that did not fail stays counted"
            );
        }
    }

    /// If that fails, the attempt stays in flight until its time is over, and then counts as failed all the same.
    async fn fail(&self, attempt: &Attempt) {
        if let Err(cause) = self.limiter.fail(attempt).await {
            warn!(
                error = telemetry::chain(&cause),
                "an attempt that failed counts as one in flight"
            );
        }
    }

    async fn find(&self, email: Option<&Email>) -> Result<Option<User>, ApiError> {
        let Some(email) = email else {
            return Ok(None);
        };
        self.users.find(email).await.map_err(|cause| {
            error!(
                error = telemetry::chain(&cause),
                "a user could not be looked up"
            );
            ApiError::Unknown
        })
    }

    fn token(&self, user: &User) -> Result<String, ApiError> {
        let actor = Actor::of(user.user_id.as_str()).ok_or_else(|| {
            error!("a user has no id");
            ApiError::Unknown
        })?;
        let auth_identity_id = user.auth_identity_id.as_str().to_owned();
        let identity = Identity {
            actor,
            auth_identity_id,
            password_version: user.password_version,
        };
        self.tokens.issue(&identity, (self.now)()).map_err(|cause| {
            error!(%cause, "a token could not be written");
            ApiError::Unknown
        })
    }
}

/// Where the request comes from, as API Gateway has seen it. The header X-Forwarded-For is the client's to write.
fn source_ip(request: &Request) -> Option<&str> {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        _ => None,
    }
}
