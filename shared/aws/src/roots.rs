//! Whose word is taken that a server is AWS.

use std::fs;

use aws_smithy_http_client::tls::TrustStore;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::sdk::Variables;

/// The roots of Amazon Trust Services, which all certificates of AWS go back to; <https://www.amazontrust.com/repository/>
/// lists them.
///
/// A set of its own, since to read the 140 roots of a system takes a millisecond of each cold start. A test keeps it current:
/// it compares the set with Mozilla's list, which comes with the updates of the dependencies, and fails when one of these
/// has been taken from that list, or when Amazon has a root there that is missing here.
const AMAZON: &str = include_str!("amazon-roots.pem");

/// Names a file of root certificates, as for the AWS command line and other SDKs.
const BUNDLE: &str = "AWS_CA_BUNDLE";

/// Root certificates.
#[derive(Clone, Debug)]
pub(crate) enum Roots {
    /// Those in a text of PEM sections.
    Pem(Vec<u8>),
    /// Those of the system.
    System,
}

impl Roots {
    /// Amazon's.
    pub(crate) fn amazon() -> Self {
        Self::Pem(AMAZON.into())
    }

    /// Those that `AWS_CA_BUNDLE` names, if it is set. An error says what is wrong with the file.
    pub(crate) fn of_bundle(variables: &Variables) -> Result<Option<Self>, String> {
        let Some(file) = variables.get(BUNDLE) else {
            return Ok(None);
        };
        match read(&file) {
            Ok(pem) => Ok(Some(Self::Pem(pem))),
            Err(reason) => Err(format!("{BUNDLE}: {file}: {reason}")),
        }
    }

    pub(crate) fn into_store(self) -> TrustStore {
        match self {
            Self::Pem(pem) => TrustStore::empty().with_pem_certificate(pem),
            Self::System => TrustStore::default(),
        }
    }
}

/// Reads a bundle. What the HTTP client cannot read it panics about.
fn read(file: &str) -> Result<Vec<u8>, String> {
    let pem = fs::read(file).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use rustls::pki_types::{CertificateDer, pem::PemObject};
    use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

    use super::{AMAZON, read};

    #[test]
    fn amazons_roots_are_those_that_mozilla_lists() {
        let ours: Vec<_> = CertificateDer::pem_slice_iter(AMAZON.as_bytes())
            .flatten()
            .collect();
        let is_amazons = |root: &&CertificateDer<'_>| {
            ["Amazon Root CA", "Starfield Services Root"]
                .iter()
                .any(|name| root.windows(name.len()).any(|part| part == name.as_bytes()))
        };
        let listed: Vec<_> = TLS_SERVER_ROOT_CERTS.iter().filter(is_amazons).collect();
        assert_eq!(ours.len(), 5);
        assert_eq!(listed.len(), ours.len());
        for root in listed {
            assert!(ours.contains(root), "a root of Amazon's is missing");
        }
    }

    #[test]
    fn a_bundle_without_certificates_is_refused_and_one_that_is_missing_is_too() {
        let file = env::temp_dir().join(format!("no-roots-{}.pem", std::process::id()));
        let bundle = file.display().to_string();
        assert!(read(&bundle).is_err());
        assert!(fs::write(&file, "nothing").is_ok());
        let refused = read(&bundle);
        assert!(fs::remove_file(&file).is_ok());
        assert_eq!(refused, Err("it holds no certificate".to_owned()));
    }
}
