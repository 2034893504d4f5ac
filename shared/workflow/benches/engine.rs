//! The engine's own cost: a run of `n` steps on a journal without I/O, beside the same `n` async calls made directly; and
//! how many bytes such a run writes.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use futures::executor::block_on;
use workflow::{
    Call, Committed, Engine, Expected, Flow, Invocation, Journal, JournalError, Outcome, Run,
    RunId, Step, StepError, StepResponse, StepResult, Steps, Workflow,
};

struct App;

struct Add;

#[expect(clippy::unused_async, reason = "as the work of a step is")]
async fn add(number: u64) -> u64 {
    black_box(number) + 1
}

impl Step<App> for Add {
    const NAME: &'static str = "add";
    type Input = u64;
    type Output = u64;
    type Undo = u64;

    async fn invoke(&self, _: &App, number: &u64, _: &Call) -> StepResult<Self, App> {
        Ok(StepResponse::new(add(*number).await).undo(*number))
    }

    async fn compensate(
        &self,
        _: &App,
        _: &u64,
        _: Option<&u64>,
        _: &Call,
    ) -> Result<(), StepError> {
        Ok(())
    }
}

struct AddUp {
    names: Vec<String>,
}

impl Workflow<App> for AddUp {
    const NAME: &'static str = "add-up";
    type Input = u64;
    type Output = u64;

    fn steps(&self) -> Steps<App> {
        Steps::new().with(Add)
    }

    async fn run(&self, flow: &Flow<'_, App>, number: &u64) -> Result<u64, StepError> {
        let mut number = *number;
        for name in &self.names {
            number = flow.step(&Add, &number).named(name).await?;
        }
        Ok(number)
    }
}

/// Takes every write, and keeps only the sum of their sizes.
#[derive(Default)]
struct Sink {
    writes: AtomicUsize,
    bytes: AtomicUsize,
}

#[async_trait]
impl Journal for Sink {
    async fn commit(&self, run: &Run, _: Expected) -> Result<Committed, JournalError> {
        // The least that a journal on a database does: serialise the record.
        let bytes = serde_json::to_vec(run).unwrap().len();
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(Committed::Applied)
    }

    async fn load(&self, _: &RunId) -> Result<Option<Run>, JournalError> {
        Ok(None)
    }
}

fn run_once(engine: &Engine, workflow: &AddUp, id: u64) -> Outcome<u64> {
    let id = RunId::new(format!("add-up:{id}"));
    block_on(engine.run(workflow, &App, &id, &0, Invocation::default())).unwrap()
}

fn engine(criterion: &mut Criterion) {
    // Attempts have a time-out, for which the engine asks tokio's timer.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let ids = AtomicU64::new(0);
    let mut group = criterion.benchmark_group("run");
    for steps in [1, 3, 10] {
        let workflow = AddUp {
            names: (0..steps).map(|step| format!("add-{step}")).collect(),
        };
        let sink = Arc::new(Sink::default());
        let engine = Engine::new(sink.clone());
        assert_eq!(run_once(&engine, &workflow, 0), Outcome::Done(steps));
        let (writes, bytes) = (
            sink.writes.load(Ordering::Relaxed),
            sink.bytes.load(Ordering::Relaxed),
        );
        println!("run of {steps} steps: {writes} writes, {bytes} bytes");
        group.bench_with_input(
            BenchmarkId::new("engine", steps),
            &workflow,
            |bencher, workflow| {
                bencher.iter(|| run_once(&engine, workflow, ids.fetch_add(1, Ordering::Relaxed)));
            },
        );
        group.bench_with_input(
            BenchmarkId::new("direct", steps),
            &steps,
            |bencher, steps| {
                bencher.iter(|| {
                    block_on(async {
                        let mut number = 0;
                        for _ in 0..*steps {
                            number = add(number).await;
                        }
                        number
                    })
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
