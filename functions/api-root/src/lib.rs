//! What the API answers beside brands: GET /health, GET /openapi.json, and the route `$default`, to which all comes that has no route.
//!
//! As in Medusa, what is under /admin is told to nobody without a token, not even that it is not there.

use std::sync::Arc;

use admin_api::ApiError;
use auth::{Authenticate, Tokens};
use lambda_http::{
    Body, Request, Response,
    http::{HeaderValue, Method, header},
};
use tower::{Layer, ServiceExt, service_fn};

/// The handler, on the tokens that are good under /admin.
#[derive(Clone, Debug)]
pub struct ApiRoot {
    authenticate: Authenticate,
}

impl ApiRoot {
    /// The handler on those.
    pub fn new(tokens: impl Into<Arc<Tokens>>) -> Self {
        Self {
            authenticate: Authenticate::with(tokens),
        }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, ApiError> {
        // Where a GET is answered, a HEAD is (RFC 9110, 9.1); it has no route of its own and comes as everything else.
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match admin_api::path(&request)[..] {
            ["health"] if is_read => Ok(text("OK", "text/plain; charset=utf-8")),
            // It tells nothing that needs a token.
            ["openapi.json"] if is_read => {
                Ok(text(admin_api::OPENAPI, "application/json; charset=utf-8"))
            }
            // Capitals make no difference, as in Medusa's router.
            [first, ..] if first.eq_ignore_ascii_case("admin") => {
                let nothing = service_fn(async |request| Ok(admin_api::no_route(&request)));
                self.authenticate.layer(nothing).oneshot(request).await
            }
            _ => Ok(admin_api::no_route(&request)),
        }
    }
}

/// An answer of 200 with that text of that type.
fn text(text: &'static str, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
