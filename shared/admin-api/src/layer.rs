//! A layer around an HTTP function: whatever fails answers in Medusa's shape.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use lambda_http::{Body, Response};
use tower::{Layer, Service};
use tracing::error;

use crate::ApiError;

/// Answers an [`ApiError`] as HTTP, and a panic as [`ApiError::Unknown`]. The function itself never fails then: API
/// Gateway would answer for it, in a shape of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorResponses;

impl<S> Layer<S> for ErrorResponses {
    type Service = ErrorResponding<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ErrorResponding { inner }
    }
}

/// The service that [`ErrorResponses`] makes of another.
#[derive(Clone, Debug)]
pub struct ErrorResponding<S> {
    inner: S,
}

impl<S, R> Service<R> for ErrorResponding<S>
where
    S: Service<R, Response = Response<Body>, Error = ApiError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A service that is never ready again answers every request with its error.
        self.inner.poll_ready(context).map(|_| Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        async move {
            let answer = answer.await.unwrap_or_else(|_| {
                error!("the handler panicked");
                Err(ApiError::Unknown)
            });
            Ok(answer.unwrap_or_else(ApiError::into_response))
        }
        .boxed()
    }
}

#[cfg(test)]
#[expect(clippy::panic, reason = "tests")]
mod tests {
    use lambda_http::{Body, Response, http::StatusCode};
    use tower::{ServiceBuilder, ServiceExt};

    use super::ErrorResponses;
    use crate::ApiError;

    #[tokio::test]
    async fn an_error_answers_in_medusas_shape() {
        let failing =
            tower::service_fn(|()| async { Err::<Response<Body>, _>(ApiError::TooLarge) });
        let service = ServiceBuilder::new().layer(ErrorResponses).service(failing);
        let answer = service.oneshot(()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let expected = r#"{"message":"request entity too large","type":"unknown_error"}"#;
        assert_eq!(answer.body(), &Body::from(expected));
    }

    async fn panic_with_a_secret((): ()) -> Result<Response<Body>, ApiError> {
        panic!("secret")
    }

    #[tokio::test]
    async fn a_panic_answers_500_and_tells_nothing_of_itself() {
        let panicking = tower::service_fn(panic_with_a_secret);
        let service = ServiceBuilder::new()
            .layer(ErrorResponses)
            .service(panicking);
        let answer = service.oneshot(()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let expected = r#"{"code":"unknown_error","message":"An unknown error occurred.","type":"unknown_error"}"#;
        assert_eq!(answer.body(), &Body::from(expected));
    }
}
