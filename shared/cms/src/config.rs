//! Which CMS is used: chosen by the scheme of one URL.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::http::{Client, TIMEOUT};
use crate::payload::PayloadCms;
use crate::rest::RestCms;
use crate::strapi::StrapiCms;
use crate::{ApiKey, BaseUrl, BaseUrlError, Cms, Faults, StubCms, Transport};

/// Which CMS to use, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CmsUrl {
    /// `stub:`, the stub in this process. What it holds ends with the process.
    Stub,
    /// A CMS behind HTTP.
    Http(CmsKind, BaseUrl),
}

/// What a CMS behind HTTP speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CmsKind {
    /// `http://` and `https://`: the protocol of `openapi.json`.
    Rest,
    /// `payload+http://` and `payload+https://`: Payload's REST API, at `/api` below the URL.
    Payload,
    /// `strapi+http://` and `strapi+https://`: Strapi 5's REST API, at `/api` below the URL.
    Strapi,
}

impl CmsUrl {
    /// How that CMS is reached; none for the stub.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        match self {
            Self::Stub => None,
            Self::Http(_, base_url) => Some(Transport::to(base_url)),
        }
    }
}

/// Why a text names no CMS. It does not quote the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is neither `stub:` nor the URL of a cms (http, https, and both behind payload+ or strapi+): {0}"
)]
pub struct CmsUrlError(#[from] BaseUrlError);

impl FromStr for CmsUrl {
    type Err = CmsUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "stub:" {
            return Ok(Self::Stub);
        }
        let (kind, url) = if let Some(url) = text.strip_prefix("payload+") {
            (CmsKind::Payload, url)
        } else if let Some(url) = text.strip_prefix("strapi+") {
            (CmsKind::Strapi, url)
        } else {
            (CmsKind::Rest, text)
        };
        Ok(Self::Http(kind, url.parse()?))
    }
}

/// Where in a CMS brands are kept, and how. The CMS of `openapi.json` and the stub have no such choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CmsModel {
    /// The collection's name in the URL: Payload's slug, Strapi's plural API id.
    pub collection: String,
    /// The field that bears the brand's id. None: `id` with Payload, which takes ids from a client where the collection has a
    /// text field of that name; `external_id` with Strapi, which takes none.
    pub id_field: Option<String>,
    /// The field that bears the name.
    pub name_field: String,
    /// Whether entries are published or left to an editor.
    pub status: EntryStatus,
    /// What becomes of the entry of a deleted brand.
    pub on_delete: OnDelete,
    /// Payload's collection of the user whose API key is used.
    pub users_collection: String,
}

impl Default for CmsModel {
    fn default() -> Self {
        Self {
            collection: "brands".to_owned(),
            id_field: None,
            name_field: "name".to_owned(),
            status: EntryStatus::Published,
            on_delete: OnDelete::Delete,
            users_collection: "users".to_owned(),
        }
    }
}

/// Whether entries are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryStatus {
    /// Entries are published at once.
    Published,
    /// Entries are drafts, which an editor publishes.
    Draft,
}

/// What becomes of the entry of a deleted brand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// It is deleted.
    Delete,
    /// It is kept as a draft, with all that editors have added. Payload only.
    Unpublish,
}

/// Why a text is not one of the choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is neither {0:?} nor {1:?}")]
pub struct NotAChoice(&'static str, &'static str);

impl FromStr for EntryStatus {
    type Err = NotAChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "published" => Ok(Self::Published),
            "draft" => Ok(Self::Draft),
            _ => Err(NotAChoice("published", "draft")),
        }
    }
}

impl FromStr for OnDelete {
    type Err = NotAChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "delete" => Ok(Self::Delete),
            "unpublish" => Ok(Self::Unpublish),
            _ => Err(NotAChoice("delete", "unpublish")),
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
    /// Where in it brands are kept.
    pub model: CmsModel,
    /// How long one request may take, from the connection to the end of the answer. The stub takes no time, unless a rule has
    /// it hang.
    pub timeout: Duration,
    /// What the stub fails at.
    pub faults: Faults,
}

impl CmsConfig {
    /// The CMS at that URL with that key, and all else as usual.
    #[must_use]
    pub fn new(url: CmsUrl, api_key: ApiKey) -> Self {
        Self {
            url,
            api_key: Some(api_key),
            model: CmsModel::default(),
            timeout: TIMEOUT,
            faults: Faults::default(),
        }
    }
}

/// Why a configuration makes no CMS.
#[derive(Debug, thiserror::Error)]
pub enum CmsConfigError {
    /// A CMS over HTTP is not used without a key.
    #[error("a cms over HTTP needs an api key")]
    ApiKeyMissing,
    /// A real CMS does not fail by rules.
    #[error(
        "fault rules are for the stub in this process (stub:) only; give a stub server its own"
    )]
    FaultsWithoutStub,
    /// The other CMSes know no drafts.
    #[error("only Payload and Strapi can leave entries as drafts")]
    NoDrafts,
    /// Strapi's REST API publishes, and has no request that undoes it.
    #[error("only Payload can unpublish entries: Strapi's REST API cannot")]
    CannotUnpublish,
    /// A deleted brand could not be told from one that waits for an editor.
    #[error("entries that are never published cannot be unpublished")]
    UnpublishedDrafts,
}

impl CmsConfig {
    /// The CMS. Does not connect yet.
    pub fn cms(self) -> Result<Arc<dyn Cms>, CmsConfigError> {
        let transport = self.url.transport();
        self.cms_over(transport)
    }

    /// The same over the URL's transport, which is there already.
    pub fn cms_over(self, transport: Option<Transport>) -> Result<Arc<dyn Cms>, CmsConfigError> {
        let model = self.model;
        let has_drafts = matches!(
            self.url,
            CmsUrl::Http(CmsKind::Payload | CmsKind::Strapi, _)
        );
        let is_draft = model.status == EntryStatus::Draft;
        let unpublishes = model.on_delete == OnDelete::Unpublish;
        if is_draft && !has_drafts {
            return Err(CmsConfigError::NoDrafts);
        }
        if unpublishes && !matches!(self.url, CmsUrl::Http(CmsKind::Payload, _)) {
            return Err(CmsConfigError::CannotUnpublish);
        }
        if is_draft && unpublishes {
            return Err(CmsConfigError::UnpublishedDrafts);
        }
        let (kind, base_url) = match self.url {
            CmsUrl::Stub => return Ok(Arc::new(StubCms::new(self.api_key, self.faults))),
            CmsUrl::Http(_, _) if !self.faults.is_empty() => {
                return Err(CmsConfigError::FaultsWithoutStub);
            }
            CmsUrl::Http(kind, base_url) => (kind, base_url),
        };
        let transport = transport.unwrap_or_else(|| Transport::to(&base_url));
        let key = self.api_key.ok_or(CmsConfigError::ApiKeyMissing)?;
        let client = |scheme: &str| Client::new(transport, base_url, scheme, key, self.timeout);
        Ok(match kind {
            CmsKind::Rest => Arc::new(RestCms::new(client("Bearer "))),
            CmsKind::Payload => {
                let scheme = format!("{} API-Key ", model.users_collection);
                Arc::new(PayloadCms::new(client(&scheme), model))
            }
            CmsKind::Strapi => Arc::new(StrapiCms::new(client("Bearer "), model)),
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn config(url: &str) -> CmsConfig {
        CmsConfig::new(url.parse().unwrap(), "k3y".parse().unwrap())
    }

    #[test]
    fn the_scheme_chooses_the_cms() {
        let kind = |url: &str| match url.parse().unwrap() {
            CmsUrl::Stub => None,
            CmsUrl::Http(kind, _) => Some(kind),
        };
        assert_eq!(kind("stub:"), None);
        for url in ["http://127.0.0.1:4600", "https://cms.example/api/"] {
            assert_eq!(kind(url), Some(CmsKind::Rest));
            assert_eq!(kind(&format!("payload+{url}")), Some(CmsKind::Payload));
            assert_eq!(kind(&format!("strapi+{url}")), Some(CmsKind::Strapi));
        }
    }

    #[test]
    fn another_scheme_is_refused_with_the_ones_there_are() {
        let error = "stub:x".parse::<CmsUrl>().unwrap_err().to_string();
        assert!(error.starts_with("it is neither `stub:` nor"), "{error}");
        assert!(error.ends_with("must be http or https"), "{error}");
        assert!("contentful+https://cms.example".parse::<CmsUrl>().is_err());
    }

    #[test]
    fn a_cms_over_http_needs_a_key_and_the_stub_does_not() {
        let without_key = |url| CmsConfig {
            api_key: None,
            ..config(url)
        };
        assert!(without_key("stub:").cms().is_ok());
        let error = without_key("http://127.0.0.1:4600").cms().err();
        assert!(matches!(error, Some(CmsConfigError::ApiKeyMissing)));
    }

    #[test]
    fn fault_rules_without_a_stub_are_refused() {
        let faults: Faults = r#"[{"operation":"create","kind":"hang","when":"before"}]"#
            .parse()
            .unwrap();
        let with_faults = |url| CmsConfig {
            faults: faults.clone(),
            ..config(url)
        };
        assert!(with_faults("stub:").cms().is_ok());
        let error = with_faults("http://127.0.0.1:4600").cms().err();
        assert!(matches!(error, Some(CmsConfigError::FaultsWithoutStub)));
    }

    #[test]
    fn drafts_are_for_a_cms_that_has_them_and_are_not_unpublished() {
        let error = |url: &str, status, on_delete| {
            let model = CmsModel {
                status,
                on_delete,
                ..CmsModel::default()
            };
            let config = CmsConfig {
                model,
                ..config(url)
            };
            config.cms().err().map(|error| error.to_string())
        };
        let (published, draft) = (EntryStatus::Published, EntryStatus::Draft);
        let (delete, unpublish) = (OnDelete::Delete, OnDelete::Unpublish);
        let [payload, strapi] = ["payload+http://127.0.0.1", "strapi+http://127.0.0.1"];
        for url in [payload, strapi] {
            assert_eq!(error(url, draft, delete), None);
        }
        assert_eq!(error(payload, published, unpublish), None);
        let never = error(payload, draft, unpublish).unwrap();
        assert!(never.contains("never published"), "{never}");
        for url in ["stub:", "http://127.0.0.1"] {
            let error = error(url, draft, delete).unwrap();
            assert!(error.contains("only Payload and Strapi"), "{error}");
        }
        for url in [strapi, "stub:", "http://127.0.0.1"] {
            let error = error(url, published, unpublish).unwrap();
            assert!(error.contains("only Payload can unpublish"), "{error}");
        }
    }
}
