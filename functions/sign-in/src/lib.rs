//! POST /auth/user/emailpass: a token for an email and a password.
//!
//! Whoever tries learns as little as can be: a wrong password and an unknown email have the same answer after the same work. How
//! often one may try is in [`attempts`].

pub mod attempts;
mod route;

use std::time::SystemTime;

use admin_api::{ApiError, Deadline, SignInRequest, TokenResponse};
use attempts::{Attempt, Attempts, Counted};
use auth::{Actor, Identity, Tokens};
use lambda_http::{Body, Request, RequestExt, Response, request::RequestContext, tracing};
use telemetry::Metrics;
use tokio::time::timeout;
use tracing::{error, info, warn};
use users::{Email, PasswordHash, Passwords, User, Users};

/// The handler, on the users, the count of attempts, a way to check passwords, and the tokens it answers with.
#[derive(Debug)]
pub struct SignIn<U, A, P> {
    users: U,
    attempts: A,
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
            attempts,
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
        let work = Box::pin(self.sign_in(&request, &mut metrics));
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
        metrics: &mut Metrics,
    ) -> Result<Response<Body>, ApiError> {
        route::check(request)?;
        let SignInRequest { email, password } = SignInRequest::parse(request.body())?;
        // What is no email is nobody's: it goes the same way, without being looked up.
        let email = Email::parse(&email).ok();
        let attempt = Attempt::of(source_ip(request), email.as_ref(), (self.now)());
        self.begin(&attempt, metrics).await?;
        let user = self.find(email.as_ref()).await?;
        let hash = user
            .as_ref()
            .map_or(&self.nobody, |user| &user.password_hash);
        let fits = self.passwords.verify(&password, hash);
        let Some(user) = user.filter(|_| fits) else {
            metrics.add("refused");
            info!("sign-in refused");
            return Err(ApiError::SignInRefused(
                "Invalid email or password".to_owned(),
            ));
        };
        // It succeeds, and so it need not be counted. If that fails, it counts as a failed one does.
        if let Err(cause) = self.attempts.give_back(&attempt).await {
            warn!(
                error = telemetry::chain(&cause),
                "an attempt that succeeded stays counted"
            );
        }
        let token = self.token(&user)?;
        metrics.add("signed_in");
        info!(user.id = %user.user_id, "signed in");
        admin_api::json(&TokenResponse { token })
    }

    async fn begin(&self, attempt: &Attempt, metrics: &mut Metrics) -> Result<(), ApiError> {
        match self.attempts.begin(attempt).await {
            Ok(Counted::Allowed) => Ok(()),
            Ok(Counted::TooMany) => {
                metrics.add("limited");
                warn!("too many attempts to sign in");
                let retry_after = attempt.retry_after();
                Err(ApiError::TooManyRequests { retry_after })
            }
            // What cannot be counted is not tried: else whoever disturbs the counting may guess without end.
            Err(cause) => {
                error!(
                    error = telemetry::chain(&cause),
                    "an attempt could not be counted"
                );
                Err(ApiError::Unknown)
            }
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
