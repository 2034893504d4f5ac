//! The HTTP client.

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, TlsContext, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};

use crate::roots::Roots;

/// A pool of connections. How long one may take to be made is limited by whoever waits for it.
pub(crate) fn connector(roots: Roots) -> SharedHttpConnector {
    let tls = TlsContext::builder().with_trust_store(roots.into_store());
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        // It has nothing that could be wrong.
        .tls_context(tls.build().unwrap_or_default());
    SharedHttpConnector::new(connector.build())
}

/// That pool for all SDK clients.
///
/// The SDK's own HTTP client sets TLS up anew for each SDK client that is made and once more for the first request, each
/// time with all roots: here it is done once.
pub(crate) fn client(connector: SharedHttpConnector) -> SharedHttpClient {
    http_client_fn(move |_, _| connector.clone())
}
