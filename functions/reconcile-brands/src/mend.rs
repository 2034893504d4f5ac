//! Mending what differs: by the row, so that the sync does it, or by the workflow that takes in what an editor has written.

use std::sync::Arc;

use brand::{
    Brand, BrandId, BrandName, BrandRow, BrandWriter, CMS_SUBSCRIBER, Created, Held, Inventory,
    SubscriberState, SyncStore, take_up_seen,
};
use reconcile::{Repair, Standing};
use tracing::{info, warn};
use workflow::{Engine, Invocation, MemoryJournal, Outcome, RunId};

use crate::{
    compare::{BRAND_DELETED, Both, Entry, Finding, NO_BRANDS_ID},
    halt::Halt,
    intake::{Intake, IntakeContext, Renaming, Seen, SyncBrandsFromCms, WORKFLOW},
};

/// What became of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mended {
    /// It is made.
    Made,
    /// It is not, for that reason; where a change was faster, the next reconciliation sees what came of it.
    NotMade(String),
}

impl<S> Both<'_, S>
where
    S: Inventory + SyncStore + BrandWriter + Clone + 'static,
{
    /// Makes a repair, if the brand stands as it was seen.
    pub(crate) async fn mend(&self, finding: &Finding, repair: Repair) -> Result<Mended, Halt> {
        let Finding { id, class, .. } = finding;
        let mended = match (repair, &finding.row, &finding.entry) {
            (Repair::Sync | Repair::Remove, Some(row), _) => self.make_due(row).await?,
            (Repair::Remove, None, Some(entry)) => self.disown(*id, entry).await?,
            (Repair::Rename, Some(row), Some(entry)) => match rename(row, finding, entry) {
                Ok(renaming) => self.take_in(*id, Intake::Rename(renaming)).await?,
                Err(reason) => Mended::NotMade(reason),
            },
            (Repair::Delete, Some(row), _) => self.take_in(*id, Intake::Delete(seen(row))).await?,
            (Repair::Create, _, Some(entry)) => match self.create(finding, entry) {
                Ok(intake) => self.take_in(*id, intake).await?,
                Err(reason) => Mended::NotMade(reason),
            },
            _ => Mended::NotMade("there is nothing to mend".to_owned()),
        };
        match &mended {
            Mended::Made => info!(brand.id = %id, %class, "mended: {repair:?}"),
            Mended::NotMade(reason) => warn!(brand.id = %id, %class, reason, "not mended"),
        }
        Ok(mended)
    }

    async fn make_due(&self, row: &BrandRow) -> Result<Mended, Halt> {
        let token = self.moment.environment.token();
        let now = self.moment.now();
        let is_due = take_up_seen(self.brands, row, CMS_SUBSCRIBER, &token, now).await?;
        Ok(made_or(is_due, "the brand has changed meanwhile"))
    }

    /// The entry of a brand that has no row: it gets the row of a deleted brand, so that the sync deletes the entry.
    async fn disown(&self, id: BrandId, entry: &Entry) -> Result<Mended, Halt> {
        let now = self.moment.now();
        let brand = Brand {
            id,
            deleted_at: Some(now),
            request: None,
            ..Brand::new(BrandName::stored(&*entry.name), now)
        };
        let state = SubscriberState {
            holds: Some(held(entry)),
            in_doubt: true,
            ..SubscriberState::default()
        };
        let inserted = self.brands.insert(&brand, (CMS_SUBSCRIBER, &state)).await?;
        let is_made = match inserted {
            Created::New => true,
            // It was repeated, since the reply was lost.
            Created::Existing(found) => *found == brand,
        };
        Ok(made_or(is_made, "there is a brand with this id now"))
    }

    fn create(&self, finding: &Finding, entry: &Entry) -> Result<Intake, String> {
        if let Some(row) = &finding.row {
            return again(row, finding, entry);
        }
        if entry.id.is_none() || entry.bears.is_some() {
            return Err(NO_BRANDS_ID.to_owned());
        }
        let name = BrandName::parse(&entry.name).map_err(|invalid| invalid.to_string())?;
        let brand = Brand {
            id: finding.id,
            request: None,
            ..Brand::new(name, self.moment.now())
        };
        let holds = Held {
            unlinked: true,
            ..held(entry)
        };
        Ok(Intake::Create { brand, holds })
    }

    /// Runs the workflow that takes in what an editor has written.
    async fn take_in(&self, id: BrandId, intake: Intake) -> Result<Mended, Halt> {
        let environment = Arc::clone(&self.caller.environment);
        let engine = Engine::new(Arc::new(MemoryJournal::default())).with_environment(environment);
        let context = IntakeContext {
            brands: self.brands.clone(),
        };
        let run = RunId::new(format!("{WORKFLOW}:{id}"));
        let invocation = Invocation {
            deadline: self.moment.latest(),
        };
        let outcome = engine
            .run(&SyncBrandsFromCms, &context, &run, &intake, invocation)
            .await;
        Ok(match outcome {
            Ok(Outcome::Done(())) => Mended::Made,
            Ok(Outcome::Reverted { cause } | Outcome::Failed { cause, .. }) => {
                Mended::NotMade(cause.message)
            }
            Ok(Outcome::Suspended { .. } | Outcome::Leased { .. } | Outcome::Paused { .. }) => {
                return Err(Halt::NoTime);
            }
            Err(error) => Mended::NotMade(error.to_string()),
        })
    }
}

/// An entry that was taken in before, and renamed before the sync could give it the brand's id.
fn again(row: &BrandRow, finding: &Finding, entry: &Entry) -> Result<Intake, String> {
    if row.brand.deleted_at.is_some() {
        return Err(BRAND_DELETED.to_owned());
    }
    let held = finding.state().holds.filter(|held| held.unlinked);
    let is_renamed = held.is_some_and(|held| held.entry == entry.id && held.shown() != entry.name);
    if !is_renamed {
        return Err("the entry has had a brand before".to_owned());
    }
    let mut renaming = rename(row, finding, entry)?;
    renaming.holds.unlinked = true;
    Ok(Intake::Rename(renaming))
}

fn rename(row: &BrandRow, finding: &Finding, entry: &Entry) -> Result<Renaming, String> {
    let to = BrandName::parse(&entry.name).map_err(|invalid| invalid.to_string())?;
    if finding.standing == Standing::InFlight {
        return Err("the sync is at work on it".to_owned());
    }
    let holds = Held {
        // The name is stored in its composed form; the CMS may show another.
        spelled: (to.as_str() != entry.name).then(|| entry.name.clone()),
        ..Held::named(to.as_str())
    };
    Ok(Renaming {
        seen: seen(row),
        from: row.brand.name.clone(),
        to,
        holds: Held {
            entry: entry.id.clone(),
            revision: entry.revision.clone(),
            ..holds
        },
    })
}

fn seen(row: &BrandRow) -> Seen {
    Seen {
        id: row.brand.id,
        version: row.brand.version,
        lease: row.lease.clone(),
    }
}

fn held(entry: &Entry) -> Held {
    Held {
        entry: entry.id.clone(),
        revision: entry.revision.clone(),
        ..Held::named(&*entry.name)
    }
}

fn made_or(is_made: bool, reason: &str) -> Mended {
    if is_made {
        Mended::Made
    } else {
        Mended::NotMade(reason.to_owned())
    }
}
