//! A second subscriber: a search index that holds which brands there are.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use brand::{BrandEvent, Held};
use circuit::ProbeToken;
use futures::{FutureExt, future::BoxFuture};
use journal::{Projection, SyncInput};
use sync_brand::{Admission, Subscriber, Work};
use tokio::time::sleep;
use workflow::{
    Call, EngineError, Flow, Invocation, Outcome, Run, Step, StepError, StepResponse, StepResult,
    Steps, Timestamp, Workflow,
};

use crate::{invariants, plan::Fault, world::World};

/// Its name in the rows.
pub(crate) const SEARCH: &str = "search";

#[derive(Default)]
pub(crate) struct SearchServer(Mutex<BTreeSet<String>>);

impl SearchServer {
    pub(crate) fn holds(&self, id: &str) -> bool {
        self.0.lock().unwrap().contains(id)
    }

    fn set(&self, id: &str, is_there: bool) {
        let mut held = self.0.lock().unwrap();
        if is_there {
            held.insert(id.to_owned());
        } else {
            held.remove(id);
        }
    }
}

/// The index, as one worker reaches it.
#[derive(Clone)]
pub(crate) struct SearchClient {
    pub(crate) world: Arc<World>,
    pub(crate) worker: Arc<str>,
}

impl SearchClient {
    async fn set(&self, (id, is_there): &(String, bool)) -> Result<(), StepError> {
        let world = &self.world;
        let verb = if *is_there { "add" } else { "remove" };
        let brand = world.of(id);
        world.tell(
            &self.worker,
            format_args!("asks the search index: {verb} {brand}"),
        );
        let fails = world.strikes(Fault::SearchFailed);
        if fails && world.chance.permille(300) {
            return Err(StepError::transient("the index is busy"));
        }
        if !fails || world.chance.permille(500) {
            world.search.set(id, *is_there);
            invariants::search_changed(world, id);
        }
        sleep(world.chance.millis(10..3_000)).await;
        if fails {
            return Err(StepError::unanswered("the index did not answer"));
        }
        Ok(())
    }
}

struct IndexBrand;

impl Step<SearchClient> for IndexBrand {
    const NAME: &'static str = "index-brand";
    type Input = (String, bool);
    type Output = ();
    type Undo = ();

    async fn invoke(
        &self,
        index: &SearchClient,
        entry: &(String, bool),
        _: &Call,
    ) -> StepResult<Self, SearchClient> {
        if index.world.strikes(Fault::SearchRefused) {
            return Err(StepError::permanent("the index refuses the brand"));
        }
        index.set(entry).await?;
        Ok(StepResponse::new(()))
    }

    async fn compensate(
        &self,
        index: &SearchClient,
        (id, is_there): &(String, bool),
        _: Option<&()>,
        _: &Call,
    ) -> Result<(), StepError> {
        if *is_there {
            index.set(&(id.clone(), false)).await?;
        }
        Ok(())
    }
}

/// Brings the entry to what the brand is.
struct IndexBrandWorkflow((String, bool));

impl Workflow<SearchClient> for IndexBrandWorkflow {
    const NAME: &'static str = "index-brand";
    type Input = SyncInput;
    type Output = ();

    fn steps(&self) -> Steps<SearchClient> {
        Steps::new().with(IndexBrand)
    }

    async fn run(&self, flow: &Flow<'_, SearchClient>, _: &SyncInput) -> Result<(), StepError> {
        flow.step(&IndexBrand, &self.0).await
    }
}

struct NothingKnown;

impl Projection for NothingKnown {
    fn holds(&self, _: &Run, held: Option<Held>) -> Option<Held> {
        held
    }
}

impl Subscriber for SearchClient {
    fn name(&self) -> &'static str {
        SEARCH
    }

    fn events(&self) -> &'static [BrandEvent] {
        &[BrandEvent::Created, BrandEvent::Deleted]
    }

    fn workflow(&self) -> &'static str {
        <IndexBrandWorkflow as Workflow<Self>>::NAME
    }

    fn workflow_version(&self) -> u32 {
        1
    }

    fn projection(&self) -> Arc<dyn Projection> {
        Arc::new(NothingKnown)
    }

    fn admit<'a>(
        &'a self,
        _: Option<&'a ProbeToken>,
        _: Option<Timestamp>,
    ) -> BoxFuture<'a, Admission> {
        std::future::ready(Admission::Granted).boxed()
    }

    fn run<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Result<Outcome<()>, EngineError>> {
        async move {
            let brand = &work.row.brand;
            let entry = (brand.id.to_string(), brand.deleted_at.is_none());
            let workflow = IndexBrandWorkflow(entry);
            let deadline = work.deadline;
            let invocation = Invocation { deadline };
            let run = work
                .engine
                .run(&workflow, self, &work.run, &work.input, invocation);
            run.await
        }
        .boxed()
    }

    fn probe<'a>(&'a self, _: &'a ProbeToken) -> BoxFuture<'a, ()> {
        std::future::ready(()).boxed()
    }
}
