//! GET /app: the console, one page with its style sheet and its module, embedded in the executable.

use admin_api::ApiError;
use lambda_http::{
    Body, Request, Response,
    http::{HeaderValue, header},
};

const PAGE: &str = include_str!("../page/console.html");

/// Answers one request.
pub fn answer(request: &Request) -> Result<Response<Body>, ApiError> {
    match admin_api::path(request)[..] {
        ["app"] => {
            let mut response = Response::new(Body::from(PAGE));
            let content_type = HeaderValue::from_static("text/html; charset=utf-8");
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, content_type);
            Ok(response)
        }
        _ => Ok(admin_api::no_route(request)),
    }
}
