//! The CMS: the [port](Cms) through which a workflow reaches it, a [stub](StubCms) with memory that can be told to fail,
//! and the [client](HttpCms) of a CMS that speaks HTTP.
//!
//! This crate knows nothing of AWS, Lambda or the workflow engine. A function chooses its CMS by one URL:
//!
//! ```
//! # use std::time::Duration;
//! use cms::{AnyCms, Cms, CmsBrand, CmsConfig, Faults};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let cms = AnyCms::new(CmsConfig {
//!     url: "http://127.0.0.1:4600".parse()?, // or "stub:"
//!     api_key: Some("a-secret".parse()?),
//!     timeout: Duration::from_secs(5),
//!     faults: Faults::default(),
//! })?;
//! let brand = CmsBrand { id: "0198".into(), name: "Acme".into() };
//! cms.create_brand(&brand, "run-1/sync-brand-to-cms").await?;
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `server` there is also the stub behind HTTP (`server`, and the program `cms-stub`), for the local stack:
//! its memory outlives the functions, so that one can ask it what the CMS holds.

mod any;
mod api_key;
mod base_url;
mod error;
mod faults;
mod http;
mod port;
mod request_log;
#[cfg(feature = "server")]
pub mod server;
mod stub;

pub use any::{AnyCms, CmsConfig, CmsConfigError, CmsUrl, CmsUrlError};
pub use api_key::{ApiKey, ApiKeyError};
pub use base_url::{BaseUrl, BaseUrlError};
pub use error::{BoxError, CmsError};
pub use faults::{Faults, FaultsError};
pub use http::{HttpCms, HttpCmsConfig, HttpCmsError, Transport};
pub use port::{Cms, CmsBrand};
pub use stub::{Acts, Calls, CreateOutcome, DeleteOutcome, Stats, StubCms, UpdateOutcome};
