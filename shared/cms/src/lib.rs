//! The CMS: the [port](Cms) through which a workflow reaches it, adapters for CMSes behind HTTP, and a [stub](StubCms) with
//! memory that fails by rules.
//!
//! This crate knows nothing of AWS, Lambda or the workflow engine. A function chooses its CMS by one URL:
//!
//! ```
//! use cms::{Cms, CmsBrand, CmsConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Or "stub:", "https://…", "strapi+https://…".
//! let url = "payload+http://127.0.0.1:3000".parse()?;
//! let cms = CmsConfig::new(url, "a-secret".parse()?).cms()?;
//! let brand = CmsBrand { id: "0198".into(), name: "Acme".into() };
//! let entry = cms.create_brand(&brand, "run-1/sync-brand-to-cms").await?;
//! assert_eq!(entry.brand, brand);
//! # Ok(())
//! # }
//! ```
//!
//! The README has the adapters, and what each answer means. With the feature `server` there is also the stub behind HTTP
//! (`server`, and the program `cms-stub`), for the local stack: its memory outlives the functions, so that one can ask it what
//! the CMS holds.

mod api_key;
mod base_url;
mod config;
#[cfg(feature = "contract")]
pub mod contract;
mod error;
mod http;
mod payload;
mod port;
mod request_log;
mod rest;
#[cfg(feature = "server")]
pub mod server;
mod strapi;
mod stub;

pub use api_key::{ApiKey, ApiKeyError};
pub use base_url::{BaseUrl, BaseUrlError};
pub use config::{
    CmsConfig, CmsConfigError, CmsKind, CmsModel, CmsUrl, CmsUrlError, EntryStatus, NotAChoice,
    OnDelete,
};
pub use error::{BoxError, CmsError};
pub use http::Transport;
pub use payload::PayloadCms;
pub use port::{Cms, CmsBrand, CmsEntry, CmsPage, EntryRef, UnlinkedEntry, UnlinkedPage};
pub use rest::RestCms;
pub use strapi::StrapiCms;
pub use stub::{Acts, Calls, Faults, FaultsError, Stats, StubCms};
