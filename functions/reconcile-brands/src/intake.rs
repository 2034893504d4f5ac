//! The workflow `sync-brands-from-cms`: what an editor has written becomes the brand's.
//!
//! Each step is a conditional write, the same as the API's; creating and renaming have their undo. The conditions name what was seen, so
//! a brand that is changed meanwhile stays as it is. Only what is known to be made is undone: what may have been made says what the CMS
//! says, and a client may have made the same change. A run lives as long as its invocation: where that dies, the reconciliation comes
//! by again, finds what is done and goes on.

use std::{collections::BTreeMap, time::Duration};

use brand::{
    Brand, BrandId, BrandName, BrandWriter, CMS_SUBSCRIBER, Changed, Created, Held, Inventory,
    Lease, StoreError, SubscriberState, SyncStore, SyncWrite, SyncWritten, Timestamp, WriteScope,
};
use serde::{Deserialize, Serialize};
use workflow::{
    Call, Flow, IrreversibleStep, Step, StepError, StepResponse, StepResult, Steps, Workflow,
};

/// The name of the workflow.
pub const WORKFLOW: &str = "sync-brands-from-cms";

/// What a run works on.
pub struct IntakeContext<S> {
    /// The brands.
    pub brands: S,
}

/// What is taken in from the CMS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intake {
    /// An entry that an editor made becomes a brand. The entry bears no id yet: the sync gives it the brand's.
    Create {
        /// The brand.
        brand: Brand,
        /// The entry.
        holds: Held,
    },
    /// The brand gets the name of its entry.
    Rename(Renaming),
    /// The brand is deleted, as its entry is.
    Delete(Seen),
}

/// A brand's row, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The brand.
    pub id: BrandId,
    /// Its version.
    pub version: u32,
    /// Who wrote its sync state last.
    pub lease: Option<Lease>,
}

/// A brand that gets the name of its entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renaming {
    /// The brand's row.
    pub seen: Seen,
    /// Its name in that version.
    pub from: BrandName,
    /// Its next name.
    pub to: BrandName,
    /// The entry.
    pub holds: Held,
}

/// The workflow.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncBrandsFromCms;

impl<S> Workflow<IntakeContext<S>> for SyncBrandsFromCms
where
    S: BrandWriter + SyncStore + Inventory + 'static,
{
    const NAME: &'static str = WORKFLOW;
    type Input = Intake;
    type Output = ();

    fn steps(&self) -> Steps<IntakeContext<S>> {
        Steps::new().with(CreateBrand).with(RenameBrand)
    }

    async fn run(
        &self,
        flow: &Flow<'_, IntakeContext<S>>,
        intake: &Intake,
    ) -> Result<(), StepError> {
        match intake {
            Intake::Create { brand, holds } => {
                let new = (brand.clone(), holds.clone());
                flow.step(&CreateBrand, &new).await
            }
            Intake::Rename(renaming) => {
                let lease = flow.irreversible_step(&HoldRow, &renaming.seen).await?;
                let version = flow.step(&RenameBrand, renaming).await?;
                let seen = Seen {
                    version,
                    lease: Some(lease),
                    ..renaming.seen.clone()
                };
                let agreed = (seen, renaming.holds.clone());
                flow.irreversible_step(&Agree, &agreed).await
            }
            Intake::Delete(seen) => {
                flow.irreversible_step(&HoldRow, seen).await?;
                flow.irreversible_step(&DeleteBrand, seen).await
            }
        }
    }
}

/// Stores the brand of an entry, with the entry. One write: otherwise the sync could make a second entry before it knew of the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct CreateBrand;

impl<S: BrandWriter + Inventory + 'static> Step<IntakeContext<S>> for CreateBrand {
    const NAME: &'static str = "create-brand";
    type Input = (Brand, Held);
    type Output = ();
    type Undo = ();

    async fn invoke(
        &self,
        context: &IntakeContext<S>,
        (brand, holds): &(Brand, Held),
        _: &Call,
    ) -> StepResult<Self, IntakeContext<S>> {
        let state = SubscriberState {
            holds: Some(holds.clone()),
            ..SubscriberState::default()
        };
        let created = context.brands.insert(brand, (CMS_SUBSCRIBER, &state));
        match created.await.map_err(step_error)? {
            Created::New => Ok(StepResponse::new(()).undo(())),
            // An earlier attempt, or an earlier run.
            Created::Existing(found) if found.created_at == brand.created_at => {
                Ok(StepResponse::new(()).undo(()))
            }
            Created::Existing(_) => Err(StepError::permanent("the entry has had a brand before")),
        }
    }

    async fn compensate(
        &self,
        context: &IntakeContext<S>,
        (brand, _): &(Brand, Held),
        undo: Option<&()>,
        call: &Call,
    ) -> Result<(), StepError> {
        if undo.is_none() {
            return Ok(());
        }
        let seen = Some(brand.version);
        let deleted = context.brands.delete(brand.id, seen, now(call));
        deleted.await.map_err(step_error).map(drop)
    }
}

/// Takes the row's lease, if the row stands as it was seen: so no sync begins before the brand is changed. It is given back with the
/// change, or runs out.
///
/// ```text
/// reconciliation: read the CMS, the row (A, 3) ───────────► hold, seen (A, 3): refused
/// operator, sync:              └──► sync again ──► CMS (B, 5) ──┘
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HoldRow;

impl<S: SyncStore + 'static> IrreversibleStep<IntakeContext<S>> for HoldRow {
    const NAME: &'static str = "hold-row";
    type Input = Seen;
    type Output = Lease;

    async fn invoke(
        &self,
        context: &IntakeContext<S>,
        seen: &Seen,
        call: &Call,
    ) -> Result<Lease, StepError> {
        let until = Some(now(call).plus(HOLD));
        let lease = Lease::following(seen.lease.as_ref(), &call.idempotency_key, until);
        let write = SyncWrite {
            id: seen.id,
            seen: seen.lease.clone(),
            lease: lease.clone(),
            subscribers: BTreeMap::new(),
            scope: WriteScope::Version(seen.version),
        };
        match context.brands.write(&write).await.map_err(step_error)? {
            SyncWritten::Applied => Ok(lease),
            SyncWritten::Refused(Some(found)) => match found.lease {
                // An earlier attempt, whose answer was lost.
                Some(found) if Lease::is_same_write(Some(&found), Some(&lease)) => Ok(found),
                _ => Err(StepError::permanent(CHANGED)),
            },
            SyncWritten::Refused(None) => Err(StepError::permanent(CHANGED)),
        }
    }
}

/// Renames the brand. The output is the new version.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenameBrand;

impl<S: BrandWriter + 'static> Step<IntakeContext<S>> for RenameBrand {
    const NAME: &'static str = "rename-brand";
    type Input = Renaming;
    type Output = u32;
    type Undo = u32;

    async fn invoke(
        &self,
        context: &IntakeContext<S>,
        renaming: &Renaming,
        call: &Call,
    ) -> StepResult<Self, IntakeContext<S>> {
        let Renaming { seen, to, .. } = renaming;
        let Seen { id, version, .. } = seen;
        let changed = context.brands.update(*id, to, Some(*version), now(call));
        match changed.await.map_err(step_error)? {
            Changed::Done(brand) => Ok(StepResponse::new(brand.version).undo(brand.version)),
            // An earlier attempt, whose answer was lost.
            Changed::Conflict(found)
                if call.attempt > 1
                    && Some(found.version) == version.checked_add(1)
                    && found.name == *to =>
            {
                Ok(StepResponse::new(found.version).undo(found.version))
            }
            _ => Err(StepError::permanent(CHANGED)),
        }
    }

    async fn compensate(
        &self,
        context: &IntakeContext<S>,
        renaming: &Renaming,
        undo: Option<&u32>,
        call: &Call,
    ) -> Result<(), StepError> {
        let Some(made) = undo else {
            return Ok(());
        };
        let (id, from) = (renaming.seen.id, &renaming.from);
        let restored = context.brands.update(id, from, Some(*made), now(call));
        restored.await.map_err(step_error).map(drop)
    }
}

/// Notes in the brand's row that both sides agree on the name, so that the sync finds nothing to do, and gives the lease back. A change
/// since leaves nothing to note: the sync finds out by itself.
///
/// ```text
/// rename ──► version 2, holds the old name ──► agree, about version 2: holds the new one
/// client:                    └──► version 3 ───┘ refused, and version 3 is synced
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Agree;

impl<S: SyncStore + 'static> IrreversibleStep<IntakeContext<S>> for Agree {
    const NAME: &'static str = "agree";
    type Input = (Seen, Held);
    type Output = ();

    async fn invoke(
        &self,
        context: &IntakeContext<S>,
        (seen, holds): &(Seen, Held),
        call: &Call,
    ) -> Result<(), StepError> {
        let loaded = context.brands.load(seen.id).await.map_err(step_error)?;
        let Some(row) = loaded else {
            return Ok(());
        };
        let state = SubscriberState {
            holds: Some(holds.clone()),
            ..row.subscriber(CMS_SUBSCRIBER)
        };
        let write = SyncWrite {
            id: seen.id,
            seen: seen.lease.clone(),
            lease: Lease::following(seen.lease.as_ref(), &call.idempotency_key, None),
            subscribers: [(CMS_SUBSCRIBER.to_owned(), state)].into(),
            scope: WriteScope::Version(seen.version),
        };
        let written = context.brands.write(&write).await;
        written.map_err(step_error).map(drop)
    }
}

/// Deletes the brand: the last step of its run.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeleteBrand;

impl<S: BrandWriter + 'static> IrreversibleStep<IntakeContext<S>> for DeleteBrand {
    const NAME: &'static str = "delete-brand";
    type Input = Seen;
    type Output = ();

    async fn invoke(
        &self,
        context: &IntakeContext<S>,
        seen: &Seen,
        call: &Call,
    ) -> Result<(), StepError> {
        let deleted = context
            .brands
            .delete(seen.id, Some(seen.version), now(call));
        match deleted.await.map_err(step_error)? {
            Changed::Done(_) | Changed::Deleted { .. } => Ok(()),
            Changed::Missing | Changed::Conflict(_) => Err(StepError::permanent(CHANGED)),
        }
    }
}

/// How long a row is held at most. Nothing is lost while it is: a sync that is due begins afterwards.
const HOLD: Duration = Duration::from_secs(30);

const CHANGED: &str = "the brand has changed meanwhile";

fn now(call: &Call) -> Timestamp {
    Timestamp::from_millis(call.now.as_millis())
}

fn step_error(error: StoreError) -> StepError {
    let made = if error.is_transient() {
        StepError::transient("the table of brands is away")
    } else {
        StepError::permanent("the table of brands refused the write")
    };
    made.with_source(error)
}
