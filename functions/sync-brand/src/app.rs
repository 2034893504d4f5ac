//! What the workflow acts on.

use std::sync::Arc;

use brand::BrandStore;
use cms::{Cms, CmsError};
use workflow::Application;

use crate::record::Record;

/// The store of brands, and the CMS that they are synced to.
#[derive(Clone, Debug)]
pub struct App<S, C> {
    /// Where brands are kept.
    pub(crate) brands: S,
    /// Where brands are synced to.
    pub(crate) cms: C,
    /// What is measured meanwhile.
    pub(crate) record: Arc<Record>,
}

impl<S, C> App<S, C> {
    /// An application of those.
    pub fn new(brands: S, cms: C) -> Self {
        let record = Arc::default();
        Self {
            brands,
            cms,
            record,
        }
    }

    /// Measures what is asked of the CMS.
    pub(crate) async fn measured(
        &self,
        request: impl Future<Output = Result<(), CmsError>>,
    ) -> Result<(), CmsError> {
        let mut asking = self.record.ask_cms();
        let answer = request.await;
        asking.answered = answer.is_ok();
        answer
    }
}

impl<S: BrandStore, C: Cms> Application for App<S, C> {
    type Write = S::Write;
}
