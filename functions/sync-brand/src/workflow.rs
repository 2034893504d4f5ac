//! The workflow `sync-brand-to-cms`: read the brand, bring the CMS to what it is; if the CMS refuses, bring it back.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use brand::{Brand, BrandId, CMS_WORKFLOW, Held};
use circuit::ProbeToken;
use cms::{Cms, CmsBrand, CmsEntry, CmsError, EntryRef};
use journal::{Projection, SyncInput};
use reconcile::Conflicts;
use serde::{Deserialize, Serialize};
use workflow::{
    Call, Flow, Query, Run, RunState, Step, StepError, StepResponse, StepResult, Steps, Workflow,
};

use crate::{
    CmsTarget,
    cms_subscriber::{CallError, Purpose, WHAT},
};

/// Why a run is refused that would overwrite what an editor wrote.
const EDITED: &str = "an editor has renamed the entry since";

/// How long a 403 is waited for to go away.
const FORBIDDEN_FOR: Duration = Duration::from_hours(1);

/// What a run of the workflow works on: one row, and the CMS.
pub struct SyncContext<C> {
    pub(crate) target: Arc<CmsTarget<C>>,
    /// The brand, as it was read at the beginning of this visit to its row.
    pub(crate) brand: Brand,
    /// What the CMS is known to hold of it.
    pub(crate) holds: Option<Held>,
    /// What follows where an editor has changed the entry, too.
    pub(crate) conflicts: Conflicts,
    /// The probe's token, if this run is a probe.
    pub(crate) probe: Option<ProbeToken>,
    /// What the CMS holds, where nothing that was sent since may have changed it.
    pub(crate) known: Mutex<Option<Known>>,
}

/// What the CMS is known to hold; none where it does not hold the brand.
#[derive(Clone, Debug)]
pub(crate) struct Known(Option<Held>);

/// The workflow.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncBrandToCmsWorkflow;

impl<C: Cms + 'static> Workflow<SyncContext<C>> for SyncBrandToCmsWorkflow {
    const NAME: &'static str = CMS_WORKFLOW;
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
            let found = flow.read(&ReadCms, &brand.id).await?;
            found.or(held.filter(|held| held.unlinked))
        } else {
            held
        };
        let to = brand.deleted_at.is_none().then(|| brand.name.to_string());
        let change = CmsChange {
            id: brand.id,
            from,
            to,
            in_doubt: input.in_doubt,
        };
        flow.step(&SyncBrandToCms, &change).await.map(drop)
    }
}

/// Reads the brand, and what the CMS is known to hold of it. A missing version is a permanent error.
#[derive(Clone, Copy, Debug, Default)]
pub struct RetrieveBrand;

impl<C: Cms + 'static> Query<SyncContext<C>> for RetrieveBrand {
    const NAME: &'static str = "retrieve-brand";
    type Input = u32;
    type Output = (Brand, Option<Held>);

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

/// Asks the CMS what it holds; none where it does not hold the brand.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadCms;

impl<C: Cms + 'static> Query<SyncContext<C>> for ReadCms {
    const NAME: &'static str = "read-cms";
    type Input = BrandId;
    type Output = Option<Held>;

    async fn fetch(
        &self,
        context: &SyncContext<C>,
        id: &BrandId,
    ) -> Result<Option<Held>, StepError> {
        Ok(context.ask(*id).await?)
    }
}

/// What [`SyncBrandToCms`] changes in the CMS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CmsChange {
    /// The brand.
    pub id: BrandId,
    /// What the CMS holds before; none where it does not hold the brand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Held>,
    /// The name that it holds afterwards; none where the brand goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whether an earlier run may have written what the CMS holds: then it is not known what an editor wrote.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
}

/// Brings the CMS to what the row says. The compensation brings it back to what it held.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncBrandToCms;

impl<C: Cms + 'static> Step<SyncContext<C>> for SyncBrandToCms {
    const NAME: &'static str = "sync-brand-to-cms";
    type Input = CmsChange;
    /// What the CMS holds afterwards.
    type Output = Option<Held>;
    type Undo = ();

    async fn invoke(
        &self,
        context: &SyncContext<C>,
        change: &CmsChange,
        call: &Call,
    ) -> StepResult<Self, SyncContext<C>> {
        let CmsChange {
            id,
            from,
            to,
            in_doubt,
        } = change;
        let overwrites = *in_doubt || context.conflicts == Conflicts::Ours;
        if call.attempt == 1 {
            *context.known() = Some(Known(from.clone()));
        }
        // A deletion asks the CMS, whatever it is known to hold.
        let Some(name) = to else {
            let held = context.bring(*id, None, None, (overwrites, call)).await?;
            return Ok(StepResponse::new(held));
        };
        let unlinked = || from.clone().filter(|held| held.unlinked);
        let held = context.held(*id, call).await?.or_else(unlinked);
        if is_as_wanted(held.as_ref(), Some(name)) {
            return Ok(StepResponse::new(held));
        }
        if held != *from {
            settled(call)?;
        }
        if !overwrites && is_edited(held.as_ref(), from.as_ref()) {
            return Err(StepError::permanent(EDITED));
        }
        let held = context
            .bring(*id, held, Some(name), (overwrites, call))
            .await?;
        Ok(StepResponse::new(held))
    }

    /// The input says what the CMS held before, so that is all it takes, also where the outcome is unknown. What an editor has
    /// written meanwhile stays; and an entry that bears the brand's id now loses nothing by that.
    async fn compensate(
        &self,
        context: &SyncContext<C>,
        change: &CmsChange,
        _: Option<&()>,
        call: &Call,
    ) -> Result<(), StepError> {
        let CmsChange { id, from, to, .. } = change;
        if from.as_ref().is_some_and(|held| held.unlinked) {
            return Ok(());
        }
        settled(call)?;
        let held = context.held(*id, call).await?;
        let written = |held: &Held| to.as_deref().is_some_and(|to| is_alike(held.shown(), to));
        let is_edited = held.as_ref().is_some_and(|held| !written(held));
        let name = name_of(from.as_ref());
        if is_edited || is_as_wanted(held.as_ref(), name) {
            return Ok(());
        }
        // What it finds changed meanwhile it looks at once more.
        context.bring(*id, held, name, (true, call)).await.map(drop)
    }
}

impl<C: Cms> SyncContext<C> {
    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the CMS holds of the brand. It is asked only where that is not known: a write that got no call within the rate is
    /// tried again without another read, which would take its call each time.
    async fn held(&self, id: BrandId, call: &Call) -> Result<Option<Held>, CallError> {
        let known = self.known().clone();
        match known {
            Some(Known(held)) => Ok(held),
            None => self.read(id, call).await,
        }
    }

    /// Asks the CMS.
    async fn ask(&self, id: BrandId) -> Result<Option<Held>, CallError> {
        let id = id.to_string();
        let read = self.target.cms().get_brand(&id);
        let found = self.call(Purpose::Read(&id), read).await?.map(held);
        // A CMS may spell a name in another way.
        let agreed = self.holds.as_ref();
        Ok(found.map(|found| match agreed {
            Some(agreed) if agreed.spelled.as_ref() == Some(&found.name) => Held {
                name: agreed.name.clone(),
                spelled: Some(found.name),
                ..found
            },
            _ => found,
        }))
    }

    /// Asks the CMS, and remembers the answer unless an earlier call may still make it wrong.
    async fn read(&self, id: BrandId, call: &Call) -> Result<Option<Held>, CallError> {
        let held = self.ask(id).await?;
        let is_settled = call.unsettled_until.is_none();
        *self.known() = is_settled.then(|| Known(held.clone()));
        Ok(held)
    }

    async fn call<T>(
        &self,
        purpose: Purpose<'_>,
        request: impl Future<Output = Result<T, CmsError>>,
    ) -> Result<T, CallError> {
        self.target
            .call(purpose, self.probe.as_ref(), request)
            .await
    }

    /// Changes the brand in the CMS from what it is supposed to hold to that name, or deletes it. Where an editor has changed it
    /// meanwhile, it `overwrites` that at the next attempt, or takes it for a refusal.
    async fn bring(
        &self,
        id: BrandId,
        supposed: Option<Held>,
        to: Option<&str>,
        (overwrites, call): (bool, &Call),
    ) -> Result<Option<Held>, StepError> {
        let refusal = match self.write(id, supposed.as_ref(), to, call).await {
            Ok(entry) => {
                let Some((held, name)) = entry.map(held).zip(to) else {
                    return Ok(None);
                };
                return self.written(held, supposed.as_ref(), name);
            }
            Err(CallError::Failed(error @ CmsError::Conflict { .. })) => error,
            Err(CallError::Failed(error @ CmsError::Forbidden { .. })) if self.is_final(call) => {
                error
            }
            Err(error) => return Err(error.into()),
        };
        // What a conflict means shows in what the CMS holds.
        let found = self.read(id, call).await?;
        if is_as_wanted(found.as_ref(), to) {
            return Ok(found);
        }
        if to.is_some() && found != supposed {
            let was_edited = is_edited(found.as_ref(), supposed.as_ref());
            let is_entry_gone = found.is_none() && supposed.is_some_and(|held| held.unlinked);
            if is_entry_gone || !overwrites && was_edited {
                // An earlier call that may still take effect could have been the reason.
                settled(call)?;
            }
            return Err(if is_entry_gone {
                let message = "the CMS no longer has the entry as an editor made it";
                StepError::permanent(message).with_source(refusal)
            } else if !overwrites && was_edited {
                StepError::permanent(EDITED).with_source(refusal)
            } else {
                let message = "the CMS holds another state than was known";
                StepError::transient(message).with_source(refusal)
            });
        }
        // It may refuse a request because it is still at work on an earlier one with the same key.
        settled(call)?;
        Err(StepError::permanent(WHAT).with_source(refusal))
    }

    /// What the CMS holds now that it has answered a write with its entry.
    fn written(
        &self,
        held: Held,
        supposed: Option<&Held>,
        name: &str,
    ) -> Result<Option<Held>, StepError> {
        let is_alike = is_alike(&held.name, name);
        if let Some(supposed) = supposed.filter(|_| !is_alike) {
            if supposed.unlinked {
                // An earlier call has given it the brand's id, and its name as it was then.
                *self.known() = Some(Known(Some(held)));
                return Err(StepError::transient(
                    "the entry has the brand's former name",
                ));
            }
            if held.name == supposed.shown() {
                return Err(StepError::permanent("the CMS has kept the former name"));
            }
        }
        Ok(Some(Held {
            // What was written is what the next version is compared with. A CMS may spell it in another way.
            name: name.to_owned(),
            spelled: (held.name != name).then_some(held.name),
            ..held
        }))
    }

    /// Sends the request. After it nothing is known, unless it has not come through to the CMS.
    async fn write(
        &self,
        id: BrandId,
        supposed: Option<&Held>,
        to: Option<&str>,
        call: &Call,
    ) -> Result<Option<CmsEntry>, CallError> {
        let known = self.known().take();
        let answer = self.send(id, supposed, to, &call.idempotency_key).await;
        if answer.as_ref().is_err_and(|error| !error.may_have_acted()) {
            *self.known() = known;
        }
        answer
    }

    async fn send(
        &self,
        id: BrandId,
        supposed: Option<&Held>,
        to: Option<&str>,
        key: &str,
    ) -> Result<Option<CmsEntry>, CallError> {
        let (id, cms) = (id.to_string(), self.target.cms());
        let purpose = Purpose::Write(&id);
        let Some(name) = to else {
            let key = format!("{key}/delete");
            let delete = cms.delete_brand(&id, &key);
            return self.call(purpose, delete).await.map(|()| None);
        };
        let brand = CmsBrand {
            id: id.clone(),
            name: name.to_owned(),
        };
        let entry = if let Some(held) = supposed {
            let mut entry = EntryRef {
                id: held.entry.clone(),
                revision: held.revision.clone(),
                name: Some(held.shown().to_owned()),
            };
            if held.unlinked {
                // An editor may have changed other fields since; it is still the same entry.
                entry.revision = None;
                let key = format!("{key}/link");
                let link = cms.link_brand(&brand, &entry, &key);
                self.call(purpose, link).await
            } else {
                // The same change of another state is another request.
                let state = entry.revision.clone();
                let state = state.unwrap_or_else(|| checksum(held.shown()));
                let key = format!("{key}/update/{state}");
                let update = cms.update_brand(&brand, &entry, &key);
                self.call(purpose, update).await
            }
        } else {
            let key = format!("{key}/create");
            self.call(purpose, cms.create_brand(&brand, &key)).await
        };
        entry.map(Some)
    }

    /// Whether a 403 is about this brand. For an hour it may be about all of them, since the permissions of the key are wrong;
    /// while the circuit is open, it is.
    fn is_final(&self, call: &Call) -> bool {
        self.probe.is_none() && call.run_since.until(call.now) >= FORBIDDEN_FOR
    }
}

/// Waits until no earlier call can take effect any more, before another request is made.
fn settled(call: &Call) -> Result<(), StepError> {
    let Some(until) = call.unsettled_until else {
        return Ok(());
    };
    let wait = call.now.until(until);
    Err(StepError::transient("an earlier call may still take effect").with_retry_after(wait))
}

/// A short text that stands for a name: FNV-1a, which is the same in each build.
fn checksum(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn held(CmsEntry { brand, entry }: CmsEntry) -> Held {
    Held {
        entry: entry.id,
        revision: entry.revision,
        ..Held::named(brand.name)
    }
}

/// Whether the CMS holds the brand by that name, in an entry that bears its id; where no name is wanted, whether it does not hold
/// the brand.
fn is_as_wanted(held: Option<&Held>, name: Option<&str>) -> bool {
    name_of(held) == name && held.is_none_or(|held| !held.unlinked)
}

/// Whether the entry has another name than it is supposed to have, and so one that an editor gave it. One that is gone is created
/// anew.
fn is_edited(found: Option<&Held>, supposed: Option<&Held>) -> bool {
    found.is_some() && found.map(Held::shown) != supposed.map(Held::shown)
}

/// Whether a CMS may have made the one name of the other: it may change the case, and the white space around it.
fn is_alike(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

fn name_of(held: Option<&Held>) -> Option<&str> {
    held.map(|held| held.name.as_str())
}

/// What the CMS holds once a run has ended: what its step brought it to, or back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CmsProjection;

impl Projection for CmsProjection {
    fn holds(&self, run: &Run, before: Option<Held>) -> Option<Held> {
        // Without a step it was refused before it did anything.
        let Some(step) = run.steps.first() else {
            return before;
        };
        if run.state == RunState::Done {
            return step.output.as_ref().and_then(|held| held.parse().ok()?);
        }
        let change: Option<CmsChange> = step.input.parse().ok();
        // The undo may have made another entry, or another revision of it.
        let from = change.and_then(|change| change.from);
        from.map(|held| {
            if held.unlinked {
                held
            } else {
                Held {
                    spelled: held.spelled,
                    ..Held::named(held.name)
                }
            }
        })
    }
}
