//! A second subscriber is independent of the first: its own run, its own waits, its own mark.

use std::sync::{Arc, Mutex};

use brand::{BrandEvent, Held, TakeUp};
use circuit::ProbeToken;
use cms::StubCms;
use futures::{FutureExt, future::BoxFuture};
use journal::{Projection, SyncInput};
use sync_brand::{Admission, Subscriber, Work};
use workflow::{
    Call, EngineError, Flow, Invocation, Outcome, Run, Step, StepError, StepResponse, StepResult,
    Steps, Timestamp, Workflow,
};

use crate::world::{BRAND, DeadLetters, World, acme};

/// A search index, which holds what it was told, or says why it does not.
#[derive(Clone, Default)]
struct SearchIndex {
    entries: Arc<Mutex<Vec<String>>>,
    failure: Arc<Mutex<Option<StepError>>>,
}

struct AddToIndex;

impl Step<SearchIndex> for AddToIndex {
    const NAME: &'static str = "add-to-index";
    type Input = String;
    type Output = ();
    type Undo = ();

    async fn invoke(
        &self,
        index: &SearchIndex,
        name: &String,
        _: &Call,
    ) -> StepResult<Self, SearchIndex> {
        if let Some(failure) = index.failure.lock().unwrap().clone() {
            return Err(failure);
        }
        index.entries.lock().unwrap().push(name.clone());
        Ok(StepResponse::new(()))
    }

    async fn compensate(
        &self,
        index: &SearchIndex,
        name: &String,
        _: Option<&()>,
        _: &Call,
    ) -> Result<(), StepError> {
        index.entries.lock().unwrap().retain(|held| held != name);
        Ok(())
    }
}

struct IndexBrand(String);

impl Workflow<SearchIndex> for IndexBrand {
    const NAME: &'static str = "index-brand";
    type Input = SyncInput;
    type Output = ();

    fn steps(&self) -> Steps<SearchIndex> {
        Steps::new().with(AddToIndex)
    }

    async fn run(&self, flow: &Flow<'_, SearchIndex>, _: &SyncInput) -> Result<(), StepError> {
        flow.step(&AddToIndex, &self.0).await
    }
}

struct NothingKnown;

impl Projection for NothingKnown {
    fn holds(&self, _: &Run, held: Option<Held>) -> Option<Held> {
        held
    }
}

impl Subscriber for SearchIndex {
    fn name(&self) -> &'static str {
        "search"
    }

    fn events(&self) -> &'static [BrandEvent] {
        &[BrandEvent::Created, BrandEvent::Deleted]
    }

    fn workflow(&self) -> &'static str {
        <IndexBrand as Workflow<Self>>::NAME
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
            let workflow = IndexBrand(work.row.brand.name.to_string());
            let invocation = Invocation {
                deadline: work.deadline,
            };
            work.engine
                .run(&workflow, self, &work.run, &work.input, invocation)
                .await
        }
        .boxed()
    }

    fn probe<'a>(&'a self, _: &'a ProbeToken) -> BoxFuture<'a, ()> {
        std::future::ready(()).boxed()
    }
}

fn world(faults: &str, index: &SearchIndex) -> World {
    let cms = StubCms::new(None, faults.parse().unwrap());
    let world = World::with(cms, vec![Arc::new(index.clone())], DeadLetters::default());
    world.brands.put(acme());
    world
}

#[tokio::test(start_paused = true)]
async fn both_are_called_and_the_row_is_due_for_neither() {
    let index = SearchIndex::default();
    let world = world("", &index);
    world.remind(None).await;
    assert_eq!(world.cms.creates(BRAND), 1);
    assert_eq!(*index.entries.lock().unwrap(), ["Acme"]);
    assert!(world.is_synced());
    assert_eq!(world.row().subscriber("search").reached, 1);

    // It has not subscribed to changes.
    world.rename("Globex").await;
    world.remind(None).await;
    assert_eq!(*index.entries.lock().unwrap(), ["Acme"]);
    assert!(world.is_synced());
    assert_eq!(world.row().due_at, None);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_is_marked_by_itself() {
    let index = SearchIndex::default();
    let refusal = StepError::permanent("no such language");
    *index.failure.lock().unwrap() = Some(refusal);
    let world = world("", &index);
    world.remind(None).await;
    assert!(world.is_synced(), "the CMS has it");
    let mark = world.row().subscriber("search").mark.unwrap();
    assert!(mark.cause.contains("no such language"), "{}", mark.cause);
    assert!(world.row().attention_since().is_some());

    *index.failure.lock().unwrap() = None;
    world.take_up(TakeUp::Marked).await;
    world.remind(None).await;
    assert_eq!(*index.entries.lock().unwrap(), ["Acme"]);
    assert_eq!(world.cms.calls().creates, 1, "the CMS is left alone");
    assert_eq!(world.row().attention_since(), None);
}

#[tokio::test(start_paused = true)]
async fn it_is_called_also_where_the_cms_refuses() {
    let index = SearchIndex::default();
    let refused = r#"[{"operation":"create","kind":"permanent","when":"before"}]"#;
    let world = world(refused, &index);
    world.remind(None).await;
    assert_eq!(world.mark(), Some("refused"));
    assert_eq!(*index.entries.lock().unwrap(), ["Acme"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_makes_the_row_due_and_the_other_is_done() {
    let index = SearchIndex::default();
    let away = StepError::transient("the index is away");
    *index.failure.lock().unwrap() = Some(away);
    let world = world("", &index);
    world.remind(None).await;
    assert_eq!(world.state().reached, 1);
    let due_at = world.row().due_at.unwrap();
    assert!(due_at > world.now());
    *index.failure.lock().unwrap() = None;
    tokio::time::sleep(due_at.since(world.now())).await;
    world.remind(None).await;
    assert_eq!(*index.entries.lock().unwrap(), ["Acme"]);
    assert_eq!(world.row().due_at, None);
    assert_eq!(world.cms.calls().creates, 1);
}
