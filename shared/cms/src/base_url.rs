//! Where the CMS is: its base URL, parsed at the edge.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::BoxError;

/// The URL that the CMS's paths start from, such as `https://cms.example/api/v1`. With or without a slash at its end.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why a text is no base URL. It does not quote the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum BaseUrlError {
    /// The text is no URL at all.
    #[error("it is no URL: {source}")]
    NotAUrl {
        /// What the parser says.
        source: BoxError,
    },
    /// The URL is of another scheme.
    #[error("its scheme is {0:?}, but it must be http or https")]
    Scheme(String),
    /// The URL holds a user name or a password, which would end up in logs.
    #[error("it holds a user name or a password; the api key is given on its own")]
    Credentials,
    /// The URL goes on after the path.
    #[error("it has a query or a fragment, which no path can follow")]
    QueryOrFragment,
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|error| BaseUrlError::NotAUrl {
            source: error.into(),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BaseUrlError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::QueryOrFragment);
        }
        Ok(Self(url))
    }
}

impl BaseUrl {
    /// Whether it is reached over TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL of what `segments` name under this one. They are percent-encoded: a slash in a segment does not end it.
    pub(crate) fn join(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        // Only a URL such as `mailto:` has no path segments, and its scheme is refused above.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({})", self.0)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_changes_nothing() {
        for base in ["http://cms.example/api", "http://cms.example/api/"] {
            let url = base.parse::<BaseUrl>().unwrap().join(&["brands"]);
            assert_eq!(url.as_str(), "http://cms.example/api/brands");
        }
        let url = "http://cms.example".parse::<BaseUrl>().unwrap();
        assert_eq!(url.join(&["brands"]).as_str(), "http://cms.example/brands");
    }

    #[test]
    fn a_segment_cannot_leave_its_place_in_the_path() {
        let url = "http://cms.example".parse::<BaseUrl>().unwrap();
        assert_eq!(
            url.join(&["brands", "../a?b#c"]).as_str(),
            "http://cms.example/brands/..%2Fa%3Fb%23c"
        );
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_the_reason() {
        for (text, reason) in [
            ("cms.example", "it is no URL: relative URL without a base"),
            ("http://", "it is no URL: empty host"),
            ("ftp://cms.example", "its scheme is \"ftp\""),
            ("http://a.example?x=1", "it has a query"),
            ("http://a.example/#x", "it has a query or a fragment"),
        ] {
            let error = text.parse::<BaseUrl>().unwrap_err().to_string();
            assert!(error.starts_with(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_quoted() {
        for text in [
            "http://admin:hunter2@cms.example",
            "http://hunter2@cms.example",
        ] {
            let error = text.parse::<BaseUrl>().unwrap_err();
            assert!(matches!(error, BaseUrlError::Credentials));
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
