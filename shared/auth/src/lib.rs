//! Who sends a request: tokens, and the layer that checks them.
//!
//! Signing in answers a token, as Medusa's does: a JWT, signed with HMAC-SHA-256. A request that bears it as `Authorization:
//! Bearer <token>` is made by the user it names. Checking it takes no request, but for the list of changed passwords, which a process
//! reads once a minute: see [`Revocations`].
//!
//! # A function that only admins may call
//!
//! In its `main.rs`: the secret and the list are read at the start; the layer stands around the handler, which finds the [`Actor`] in
//! the request's extensions, and [`admin_api::serve`] answers its refusal.
//!
//! ```
//! use admin_api::ApiError;
//! use auth::{Actor, Authenticate, Revocations, Tokens};
//! use config::Secret;
//! use lambda_http::{Body, Error, Request, Response};
//! use tower::{Layer, service_fn};
//!
//! # async fn wire(telemetry: telemetry::Telemetry, users: users::DynamoDbUsers) -> Result<(), Error> {
//! // let secret = config::fetch_secret(&sdk, &config.auth_secret_id).await?;
//! let secret = Secret::new("0123456789abcdef0123456789abcdef");
//! let revocations = Revocations::read_from(users);
//! revocations.prime().await;
//! let authenticate = Authenticate::with(Tokens::signed_with(&secret)?).unless_revoked(revocations);
//! let handler = authenticate.layer(service_fn(async |request: Request| {
//!     let actor = request.extensions().get::<Actor>().ok_or(ApiError::Unauthorized)?;
//!     Ok(Response::new(Body::Text(actor.id().to_owned())))
//! }));
//! admin_api::serve(telemetry, handler).await
//! # }
//! ```
//!
//! The template gives such a function the variables `AUTH_SECRET_ID` and `ADMIN_USERS_TABLE`, and allows it to read that secret and, of
//! that table, the list.
//!
//! # Changing the secret
//!
//! Functions read the secret when they start, and old ones live on beside new ones. So that nobody is signed out, the new
//! secret is made known before it is used; between the steps all functions have to start anew (a deployment does it):
//!
//! 1. `old`, line break, `new`: signed with the old one, both are accepted;
//! 2. `new`, line break, `old`: signed with the new one, both are accepted;
//! 3. a day later, when the last token of the old one has expired: `new`.
//!
//! Secrets Manager's own stages (AWSCURRENT, AWSPREVIOUS) lack the first step: a function that started before the change would
//! refuse what one that started after it has signed. Where a secret has leaked, step 3 is taken at once, and everybody signs in again.

mod actor;
mod claims;
mod jws;
mod layer;
mod revocations;
mod tokens;

pub use actor::Actor;
pub use claims::{Checked, Identity};
pub use layer::{Authenticate, Authenticating};
pub use revocations::Revocations;
pub use tokens::{InvalidSecret, InvalidToken, Tokens};
