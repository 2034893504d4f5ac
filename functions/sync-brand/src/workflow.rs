//! The workflow `sync-brand-to-cms`: retrieve the brand, bring the CMS to what it is, mark it as synced.

use brand::{Brand, BrandId, BrandName, BrandStore, BrandVersion, SyncFailure, Timestamp};
use cms::{Cms, CmsBrand, CmsError};
use dead_letters::FailureKind;
use workflow::{
    Call, Effect, Flow, GivenUp, Query, RunId, RunState, Step, StepError, StepResponse, StepResult,
    Steps, Workflow,
};

use crate::App;

/// The id of the run that syncs a brand: every event about it finds the same run, so that the versions of a brand are
/// synced one after the other.
#[must_use]
pub fn run_id(brand: BrandId) -> RunId {
    RunId::new(format!("sync-brand-to-cms:{brand}"))
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
    const SERIAL: bool = true;
    type Input = BrandVersion;
    type Output = ();

    fn steps(&self) -> Steps<App<S, C>> {
        Steps::new().with(SyncBrandToCms)
    }

    fn given_up(
        &self,
        app: &App<S, C>,
        brand: &BrandVersion,
        given_up: &GivenUp<'_>,
    ) -> Option<S::Write> {
        let kind = match given_up.state {
            RunState::Failed => FailureKind::Failed,
            _ => FailureKind::Reverted,
        };
        let since = Timestamp::from_millis(given_up.at.as_millis());
        let failure = SyncFailure::new(kind.as_str(), &given_up.cause.to_string(), since);
        Some(app.brands.give_up_sync(*brand, &failure))
    }

    fn taken_up(&self, app: &App<S, C>, brand: &BrandVersion) -> Option<S::Write> {
        Some(app.brands.take_up_sync(*brand, Timestamp::now()))
    }

    async fn run(&self, flow: &Flow<'_, App<S, C>>, event: &BrandVersion) -> Result<(), StepError> {
        let brand = flow.query(&RetrieveBrand, &event.id).await?;
        // Only the end of this very run marks that version as synced; a later one is announced by itself.
        if brand.version > event.version || brand.synced_at.is_some() {
            return flow.already_done();
        }
        if brand.version < event.version {
            // The table was restored to a time before the event.
            let error = format!("version {} of the brand is not there", event.version);
            return Err(StepError::permanent(error));
        }
        if brand.sync_failure.is_some() {
            flow.alongside(flow.app().brands.take_up_sync(*event, Timestamp::now()));
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

/// Brings the brand in the CMS from what it was to what it is to be: creates, updates or deletes it there. Its
/// compensation brings it back: deletes, restores or creates it again.
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
    type Undo = ();

    async fn invoke(
        &self,
        app: &App<S, C>,
        brand: &Brand,
        call: &Call,
    ) -> StepResult<Self, App<S, C>> {
        let key = &call.idempotency_key;
        let done = match brand.wanted_in_cms() {
            // A first version is new to the CMS as well; of a later one it may know whatever became of those before.
            Some(name) if brand.version == Brand::FIRST_VERSION => {
                app.measured(app.cms.create_brand(&in_cms(brand, name), key))
                    .await
            }
            Some(name) => {
                app.measured(app.cms.update_brand(&in_cms(brand, name), key))
                    .await
            }
            None => {
                app.measured(app.cms.delete_brand(&brand.id.to_string(), key))
                    .await
            }
        };
        done.map_err(|error| step_error("the brand could not be synced to the CMS", error))?;
        Ok(StepResponse::new(()))
    }

    /// The brand has the same id there and here, and tells what the CMS held before: so the input is all that is needed,
    /// also where the outcome is unknown.
    async fn compensate(
        &self,
        app: &App<S, C>,
        brand: &Brand,
        _: Option<&()>,
        call: &Call,
    ) -> Result<(), StepError> {
        let key = &call.idempotency_key;
        let undone = match &brand.in_cms {
            Some(before) => {
                app.measured(app.cms.update_brand(&in_cms(brand, before), key))
                    .await
            }
            None => {
                app.measured(app.cms.delete_brand(&brand.id.to_string(), key))
                    .await
            }
        };
        undone.map_err(|error| step_error("the brand could not be restored in the CMS", error))
    }
}

fn in_cms(brand: &Brand, name: &BrandName) -> CmsBrand {
    CmsBrand {
        id: brand.id.to_string(),
        name: name.to_string(),
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
