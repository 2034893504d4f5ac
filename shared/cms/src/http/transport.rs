//! How a CMS is reached: the connections, and whose word is taken that it is the CMS.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};

use crate::BaseUrl;

/// A connection that is not there by then will hardly come; the rest of the time is better spent on another try.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A pool of connections to one CMS.
///
/// To make it takes a processor half a millisecond, for the system's roots are read, as a CMS may have any certificate. A
/// function can do that while it waits for something else. Without TLS no roots are read: a bare machine may have none.
#[derive(Debug, Clone)]
pub struct Transport(pub(super) SharedHttpConnector);

impl Transport {
    /// The transport to the CMS of that URL. Does not connect yet.
    #[must_use]
    pub fn to(base_url: &BaseUrl) -> Self {
        let roots = if base_url.is_https() {
            TrustStore::default()
        } else {
            TrustStore::empty()
        };
        let tls = TlsContext::builder().with_trust_store(roots);
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT);
        let connector = Connector::builder()
            .connector_settings(settings.build())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            // It has nothing that could be wrong.
            .tls_context(tls.build().unwrap_or_default());
        Self(SharedHttpConnector::new(connector.build()))
    }
}
