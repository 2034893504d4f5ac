//! The stage's own certificate authority, and the certificate of `localhost`.

use std::{fs, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    CipherSuite, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::Error;

/// What a function trusts beside the stage, so that it has as many roots to read as on AWS.
const AMAZON: &str = include_str!("../../../shared/aws/src/amazon-roots.pem");
/// Where systems keep their roots.
const SYSTEM: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

/// An authority, and a server that it vouches for.
pub(crate) struct Certificate {
    /// How to serve under the certificate.
    pub(crate) server: Arc<ServerConfig>,
    authority: String,
}

impl Certificate {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut of_authority = CertificateParams::new([])?;
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate()?;
        let authority = of_authority.self_signed(&authority_key)?.pem();
        let issuer = Issuer::new(of_authority, authority_key);
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // As AWS's servers do, this one chooses, and AES with 128 bits first.
        let mut provider = rustls::crypto::ring::default_provider();
        let suites = &mut provider.cipher_suites;
        suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        let mut server = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        server.ignore_client_order = true;
        // As DynamoDB and SQS, which do not offer HTTP/2.
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            server: Arc::new(server),
            authority,
        })
    }

    /// Writes the authority's certificate beside Amazon's roots.
    pub(crate) fn write_amazon(&self, to: &Path) -> Result<(), Error> {
        Ok(fs::write(to, format!("{AMAZON}{}", self.authority))?)
    }

    /// Writes the authority's certificate beside the system's roots.
    pub(crate) fn write_system(&self, to: &Path) -> Result<(), Error> {
        let system = SYSTEM.iter().find_map(|file| fs::read_to_string(file).ok());
        let system = system.unwrap_or_default();
        Ok(fs::write(to, format!("{system}{}", self.authority))?)
    }
}
