//! The CMS that a configuration names.

use std::str::FromStr;
use std::time::Duration;

use crate::{
    ApiKey, BaseUrl, BaseUrlError, Cms, CmsBrand, CmsError, Faults, HttpCms, HttpCmsConfig,
    HttpCmsError, StubCms, Transport,
};

/// Which CMS to use, and where it is: `stub:` for the one in memory, `http://…` or `https://…` for one that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CmsUrl {
    /// The stub in this process. What it holds ends with the process.
    Stub,
    /// A CMS that speaks HTTP.
    Http(BaseUrl),
}

impl CmsUrl {
    /// How that CMS is reached; none for the stub.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        match self {
            Self::Stub => None,
            Self::Http(base_url) => Some(Transport::to(base_url)),
        }
    }
}

/// Why a text names no CMS. It does not quote the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("it is neither `stub:` nor the URL of a cms: {0}")]
pub struct CmsUrlError(#[from] BaseUrlError);

impl FromStr for CmsUrl {
    type Err = CmsUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "stub:" {
            Ok(Self::Stub)
        } else {
            Ok(Self::Http(text.parse()?))
        }
    }
}

/// What has to be known to use a CMS, whichever it is.
#[derive(Debug, Clone)]
pub struct CmsConfig {
    /// Which CMS.
    pub url: CmsUrl,
    /// Its key. A CMS over HTTP needs one.
    pub api_key: Option<ApiKey>,
    /// How long one request may take. The stub takes no time, unless it is told to hang; then it hangs.
    pub timeout: Duration,
    /// What the stub fails at.
    pub faults: Faults,
}

/// Why a configuration makes no CMS.
#[derive(Debug, thiserror::Error)]
pub enum CmsConfigError {
    /// A CMS over HTTP is not used without a key.
    #[error("a cms over HTTP needs an api key")]
    ApiKeyMissing,
    /// Somebody believes that a real CMS will fail at their word.
    #[error(
        "fault rules are for the stub in this process (stub:) only; give a stub server its own"
    )]
    FaultsWithoutStub,
    /// The client cannot be built.
    #[error(transparent)]
    Http(#[from] HttpCmsError),
}

/// The CMS that the configuration names.
#[derive(Debug, Clone)]
pub enum AnyCms {
    /// The stub in this process.
    Stub(StubCms),
    /// A CMS that speaks HTTP.
    Http(HttpCms),
}

impl AnyCms {
    /// The CMS that `config` names. Does not connect yet.
    pub fn new(config: CmsConfig) -> Result<Self, CmsConfigError> {
        let transport = config.url.transport();
        Self::over(transport, config)
    }

    /// The same over the URL's transport, which is there already.
    pub fn over(transport: Option<Transport>, config: CmsConfig) -> Result<Self, CmsConfigError> {
        let CmsConfig {
            url,
            api_key,
            timeout,
            faults,
        } = config;
        match url {
            CmsUrl::Stub => Ok(Self::Stub(StubCms::new(api_key, faults))),
            CmsUrl::Http(_) if !faults.is_empty() => Err(CmsConfigError::FaultsWithoutStub),
            CmsUrl::Http(base_url) => {
                let transport = transport.unwrap_or_else(|| Transport::to(&base_url));
                let config = HttpCmsConfig {
                    base_url,
                    api_key: api_key.ok_or(CmsConfigError::ApiKeyMissing)?,
                    timeout,
                };
                Ok(Self::Http(HttpCms::over(transport, config)?))
            }
        }
    }
}

impl Cms for AnyCms {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsBrand>, CmsError> {
        match self {
            Self::Stub(stub) => stub.get_brand(id).await,
            Self::Http(http) => http.get_brand(id).await,
        }
    }

    async fn create_brand(&self, brand: &CmsBrand, idempotency_key: &str) -> Result<(), CmsError> {
        match self {
            Self::Stub(stub) => stub.create_brand(brand, idempotency_key).await,
            Self::Http(http) => http.create_brand(brand, idempotency_key).await,
        }
    }

    async fn update_brand(&self, brand: &CmsBrand, idempotency_key: &str) -> Result<(), CmsError> {
        match self {
            Self::Stub(stub) => stub.update_brand(brand, idempotency_key).await,
            Self::Http(http) => http.update_brand(brand, idempotency_key).await,
        }
    }

    async fn delete_brand(&self, id: &str, idempotency_key: &str) -> Result<(), CmsError> {
        match self {
            Self::Stub(stub) => stub.delete_brand(id, idempotency_key).await,
            Self::Http(http) => http.delete_brand(id, idempotency_key).await,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn config(url: &str) -> CmsConfig {
        CmsConfig {
            url: url.parse().unwrap(),
            api_key: Some("k3y".parse().unwrap()),
            timeout: Duration::from_secs(1),
            faults: Faults::default(),
        }
    }

    #[test]
    fn the_url_chooses_the_cms() {
        assert!(matches!(AnyCms::new(config("stub:")), Ok(AnyCms::Stub(_))));
        for url in ["http://127.0.0.1:4600", "https://cms.example/api/"] {
            assert!(matches!(AnyCms::new(config(url)), Ok(AnyCms::Http(_))));
        }
    }

    #[test]
    fn another_scheme_is_refused_with_the_ones_there_are() {
        let error = "stub:x".parse::<CmsUrl>().unwrap_err().to_string();
        assert!(error.starts_with("it is neither `stub:` nor"), "{error}");
        assert!(error.ends_with("must be http or https"), "{error}");
    }

    #[test]
    fn a_cms_over_http_needs_a_key_and_the_stub_does_not() {
        let without_key = |url| CmsConfig {
            api_key: None,
            ..config(url)
        };
        assert!(AnyCms::new(without_key("stub:")).is_ok());
        assert!(matches!(
            AnyCms::new(without_key("http://127.0.0.1:4600")),
            Err(CmsConfigError::ApiKeyMissing)
        ));
    }

    #[test]
    fn fault_rules_that_nobody_would_obey_are_refused() {
        let faults: Faults = r#"[{"operation":"create","kind":"hang","when":"before"}]"#
            .parse()
            .unwrap();
        let with_faults = |url| CmsConfig {
            faults: faults.clone(),
            ..config(url)
        };
        assert!(AnyCms::new(with_faults("stub:")).is_ok());
        assert!(matches!(
            AnyCms::new(with_faults("http://127.0.0.1:4600")),
            Err(CmsConfigError::FaultsWithoutStub)
        ));
    }
}
