//! The workflow `sync-brand-to-cms`: retrieve the brand, create it in the CMS, mark it as synced.

use brand::{Brand, BrandId, BrandStore, BrandVersion, Timestamp};
use cms::{Cms, CmsBrand, CmsError};
use workflow::{
    Call, Effect, Flow, Query, RunId, Step, StepError, StepResponse, StepResult, Steps, Workflow,
};

use crate::App;

/// The id of the run that syncs that version of a brand: every event about it finds the same run.
#[must_use]
pub fn run_id(brand: BrandVersion) -> RunId {
    RunId::new(format!("sync-brand-to-cms:{}:{}", brand.id, brand.version))
}

/// The workflow.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncBrandToCmsWorkflow;

impl<S, C> Workflow<App<S, C>> for SyncBrandToCmsWorkflow
where
    S: BrandStore + 'static,
    C: Cms + 'static,
{
    const NAME: &'static str = "sync-brand-to-cms";
    type Input = BrandVersion;
    type Output = ();

    fn steps(&self) -> Steps<App<S, C>> {
        Steps::new().with(SyncBrandToCms)
    }

    async fn run(&self, flow: &Flow<'_, App<S, C>>, event: &BrandVersion) -> Result<(), StepError> {
        let brand = flow.query(&RetrieveBrand, &event.id).await?;
        if brand.synced_at.is_some() {
            // Only the end of this very run marks it so.
            flow.already_done()?;
            return Ok(());
        }
        flow.step(&SyncBrandToCms, &brand).await?;
        flow.step(&MarkBrandSynced, &brand).await
    }
}

/// Reads the brand. That it is missing is an error which no repetition cures.
#[derive(Clone, Copy, Debug, Default)]
pub struct RetrieveBrand;

impl<S: BrandStore, C: Cms> Query<App<S, C>> for RetrieveBrand {
    const NAME: &'static str = "retrieve-brand";
    type Input = BrandId;
    type Output = Brand;

    async fn fetch(&self, app: &App<S, C>, id: &BrandId) -> Result<Brand, StepError> {
        let brand = app.brands.get(*id).await.map_err(|error| {
            let error_of = if error.is_transient() {
                StepError::transient
            } else {
                StepError::permanent
            };
            error_of("the brand could not be read").with_source(error)
        })?;
        brand.ok_or_else(|| StepError::permanent(format!("brand with id {id} was not found")))
    }
}

/// Creates the brand in the CMS; its compensation deletes it there.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncBrandToCms;

impl<S, C> Step<App<S, C>> for SyncBrandToCms
where
    S: BrandStore + 'static,
    C: Cms + 'static,
{
    const NAME: &'static str = "sync-brand-to-cms";
    type Input = Brand;
    type Output = ();
    type Undo = BrandId;

    async fn invoke(
        &self,
        app: &App<S, C>,
        brand: &Brand,
        call: &Call,
    ) -> StepResult<Self, App<S, C>> {
        let in_cms = CmsBrand {
            id: brand.id.to_string(),
            name: brand.name.to_string(),
        };
        app.cms
            .create_brand(&in_cms, &call.idempotency_key)
            .await
            .map_err(|error| step_error("the brand could not be created in the CMS", error))?;
        Ok(StepResponse::new(()).undo(brand.id))
    }

    /// The brand has the same id there and here, so that the input tells what to delete where the outcome is unknown.
    async fn compensate(
        &self,
        app: &App<S, C>,
        brand: &Brand,
        undo: Option<&BrandId>,
        call: &Call,
    ) -> Result<(), StepError> {
        let id = undo.unwrap_or(&brand.id).to_string();
        app.cms
            .delete_brand(&id, &call.idempotency_key)
            .await
            .map_err(|error| step_error("the brand could not be deleted from the CMS", error))
    }
}

/// Marks the brand as synced, in the transaction that ends the run. If the brand is gone or has changed since it was
/// read, this fails for good, and what was created in the CMS goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct MarkBrandSynced;

impl<S, C> Step<App<S, C>> for MarkBrandSynced
where
    S: BrandStore + 'static,
    C: Cms + 'static,
{
    const NAME: &'static str = "mark-brand-synced";
    const EFFECT: Effect = Effect::Journalled;
    type Input = Brand;
    type Output = ();
    type Undo = ();

    async fn invoke(
        &self,
        app: &App<S, C>,
        brand: &Brand,
        call: &Call,
    ) -> StepResult<Self, App<S, C>> {
        let now = Timestamp::from_millis(call.now.as_millis());
        Ok(StepResponse::new(()).write(app.brands.mark_synced(brand, now)))
    }
}

fn step_error(what: &str, error: CmsError) -> StepError {
    if !error.is_transient() {
        return StepError::permanent(what).with_source(error);
    }
    let retry_after = error.retry_after();
    let transient = StepError::transient(what).with_source(error);
    match retry_after {
        Some(wait) => transient.with_retry_after(wait),
        None => transient,
    }
}
