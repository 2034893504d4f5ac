//! Who sends a request: tokens, and the layer that checks them.
//!
//! Signing in answers a token, as Medusa's does: a JWT, signed with HMAC-SHA-256. Whoever sends it back as `Authorization:
//! Bearer <token>` is the actor it names. To check it takes no request to anywhere.
//!
//! # A function that only admins may call
//!
//! In its `main.rs`: the secret is read once, at start; the layer stands behind [`admin_api::ErrorResponses`], which answers its
//! refusal, and before the handler, which finds the [`Actor`] in the request's extensions.
//!
//! ```
//! use admin_api::ApiError;
//! use auth::{Actor, Authenticate, Tokens};
//! use config::Secret;
//! use lambda_http::{Body, Request, Response};
//! use tower::{Service, ServiceBuilder, service_fn};
//!
//! # fn wire() -> Result<(), auth::InvalidSecret> {
//! // let secret = config::fetch_secret(&sdk, &config.auth_secret_id).await?;
//! let secret = Secret::new("0123456789abcdef0123456789abcdef");
//! let tokens = Tokens::signed_with(&secret)?;
//! let service = ServiceBuilder::new()
//!     .layer(admin_api::ErrorResponses)
//!     .layer(Authenticate::with(tokens))
//!     .service(service_fn(async |request: Request| {
//!         let actor = request.extensions().get::<Actor>().ok_or(ApiError::Unauthorized)?;
//!         Ok::<_, ApiError>(Response::new(Body::Text(actor.id().to_owned())))
//!     }));
//! // lambda_http::run(service).await
//! # fn runs(_: impl Service<Request>) {}
//! # runs(service);
//! # Ok(())
//! # }
//! ```
//!
//! The template gives such a function the variable `AUTH_SECRET_ID` and leave to read that secret.
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
