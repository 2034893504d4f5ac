//! The workflow `sync-brand-to-cms`: read the brand, bring the CMS to what it is; if the CMS refuses, bring it back.

use std::sync::Arc;

use brand::{Brand, BrandId};
use circuit::ProbeToken;
use cms::{Cms, CmsBrand};
use journal::{Projection, SyncInput};
use serde::{Deserialize, Serialize};
use workflow::{
    Call, Flow, Json, Query, Run, Step, StepError, StepResponse, StepResult, Steps, Workflow,
};

use crate::CmsTarget;

/// What a run of the workflow works on: one row, and the CMS.
pub struct SyncContext<C> {
    pub(crate) target: Arc<CmsTarget<C>>,
    /// The brand, as it was read at the beginning of this visit to its row.
    pub(crate) brand: Brand,
    /// The name under which the CMS is known to hold it.
    pub(crate) holds: Option<String>,
    /// The probe's token, if this run is a probe.
    pub(crate) probe: Option<ProbeToken>,
}

/// The workflow.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncBrandToCmsWorkflow;

impl<C: Cms + 'static> Workflow<SyncContext<C>> for SyncBrandToCmsWorkflow {
    const NAME: &'static str = "sync-brand-to-cms";
    type Input = SyncInput;
    type Output = ();

    fn steps(&self) -> Steps<SyncContext<C>> {
        Steps::new().with(SyncBrandToCms)
    }

    async fn run(
        &self,
        flow: &Flow<'_, SyncContext<C>>,
        input: &SyncInput,
    ) -> Result<(), StepError> {
        let (brand, held) = flow.read(&RetrieveBrand, &input.version).await?;
        let from = if input.in_doubt {
            flow.read(&ReadCms, &brand.id).await?
        } else {
            held
        };
        let to = brand.deleted_at.is_none().then(|| brand.name.to_string());
        let id = brand.id;
        flow.step(&SyncBrandToCms, &CmsChange { id, from, to })
            .await
    }
}

/// Reads the brand, and what the CMS is known to hold of it. A missing version is a permanent error.
#[derive(Clone, Copy, Debug, Default)]
pub struct RetrieveBrand;

impl<C: Cms + 'static> Query<SyncContext<C>> for RetrieveBrand {
    const NAME: &'static str = "retrieve-brand";
    type Input = u32;
    type Output = (Brand, Option<String>);

    async fn fetch(
        &self,
        context: &SyncContext<C>,
        version: &u32,
    ) -> Result<Self::Output, StepError> {
        let brand = &context.brand;
        if brand.version == *version {
            Ok((brand.clone(), context.holds.clone()))
        } else {
            let error = format!("version {version} of brand {} was not found", brand.id);
            Err(StepError::permanent(error))
        }
    }
}

/// Asks the CMS what it holds: the name; none where it does not hold the brand.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadCms;

impl<C: Cms + 'static> Query<SyncContext<C>> for ReadCms {
    const NAME: &'static str = "read-cms";
    type Input = BrandId;
    type Output = Option<String>;

    async fn fetch(
        &self,
        context: &SyncContext<C>,
        id: &BrandId,
    ) -> Result<Option<String>, StepError> {
        let id = id.to_string();
        let read = context.target.cms().get_brand(&id);
        let found = context.call(&id, read).await?;
        Ok(found.map(|brand| brand.name))
    }
}

/// What [`SyncBrandToCms`] changes in the CMS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CmsChange {
    /// The brand.
    pub id: BrandId,
    /// The name that the CMS holds before; none where it does not hold the brand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The name that it holds afterwards; none where the brand goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Brings the brand in the CMS to what it is here: creates, updates or deletes it. Its compensation brings it back to what the
/// CMS held before.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncBrandToCms;

impl<C: Cms + 'static> Step<SyncContext<C>> for SyncBrandToCms {
    const NAME: &'static str = "sync-brand-to-cms";
    type Input = CmsChange;
    type Output = ();
    type Undo = ();

    async fn invoke(
        &self,
        context: &SyncContext<C>,
        change: &CmsChange,
        call: &Call,
    ) -> StepResult<Self, SyncContext<C>> {
        let (id, from, to) = (change.id, change.from.as_deref(), change.to.as_deref());
        context.bring(id, (from, to), &call.idempotency_key).await?;
        Ok(StepResponse::new(()))
    }

    /// The input says what the CMS held before, so that is all it takes, also where the outcome is unknown.
    async fn compensate(
        &self,
        context: &SyncContext<C>,
        change: &CmsChange,
        _: Option<&()>,
        call: &Call,
    ) -> Result<(), StepError> {
        let (id, from, to) = (change.id, change.to.as_deref(), change.from.as_deref());
        context.bring(id, (from, to), &call.idempotency_key).await
    }
}

impl<C: Cms> SyncContext<C> {
    async fn call<T>(
        &self,
        brand: &str,
        request: impl Future<Output = Result<T, cms::CmsError>>,
    ) -> Result<T, StepError> {
        self.target.call(brand, self.probe.as_ref(), request).await
    }

    /// Changes the brand in the CMS from one name to another. A deletion always asks the CMS, whatever it is known to hold.
    async fn bring(
        &self,
        id: BrandId,
        (from, to): (Option<&str>, Option<&str>),
        key: &str,
    ) -> Result<(), StepError> {
        let (id, cms) = (id.to_string(), self.target.cms());
        let Some(name) = to else {
            return self.call(&id, cms.delete_brand(&id, key)).await;
        };
        let brand = CmsBrand {
            id: id.clone(),
            name: name.to_owned(),
        };
        if from.is_none() {
            self.call(&id, cms.create_brand(&brand, key)).await
        } else {
            self.call(&id, cms.update_brand(&brand, key)).await
        }
    }
}

/// What the CMS holds once a run has ended: what its step brought it to, or back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CmsProjection;

impl Projection for CmsProjection {
    fn holds(&self, run: &Run, held: Option<String>) -> Option<String> {
        let step = run.steps.first();
        let change: Option<CmsChange> = step.and_then(|step| Json::parse(&step.input).ok());
        match change {
            Some(change) if run.state == workflow::RunState::Done => change.to,
            Some(change) => change.from,
            // It was refused before it did anything.
            None => held,
        }
    }
}
