//! What the workflow acts on.

use brand::BrandStore;
use cms::Cms;
use workflow::Application;

/// The store of brands, and the CMS that they are synced to.
#[derive(Clone, Debug)]
pub struct App<S, C> {
    /// Where brands are kept.
    pub brands: S,
    /// Where brands are synced to.
    pub cms: C,
}

impl<S: BrandStore, C: Cms> Application for App<S, C> {
    type Write = S::Write;
}
