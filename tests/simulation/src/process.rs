//! Processes: workers that the queue invokes, and the sweep. They die at any await, or stand still and go on later.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use brand::CMS_SUBSCRIBER;
use circuit::{CallReports, CircuitGate, Pace};
use futures::future::{Either, select};
use republish_brands::{Limits, RepublishBrands};
use sync_brand::{CmsSubscriber, CmsTarget, Record, Subscriber, SyncBrand};
use telemetry::Trace;
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};
use workflow::{Engine, Environment, MemoryJournal};

use crate::{
    cms::CmsClient,
    dynamodb::DynamoDb,
    plan::Fault,
    queue::{Message, POISON, Sqs},
    search::SearchClient,
    world::{Clock, World},
};

/// As in the template.
const INVOCATION: Duration = Duration::from_secs(30);
const SWEEP: Duration = Duration::from_secs(50);
pub(crate) const CMS_TIMEOUT: Duration = Duration::from_secs(5);

/// A process of sync-brand.
struct Worker {
    name: Arc<str>,
    clock: Arc<Clock>,
    last_moment: Arc<Mutex<Instant>>,
    handler: SyncBrand<DynamoDb, Sqs>,
}

impl Worker {
    fn start(world: &Arc<World>, number: usize) -> Arc<Self> {
        let name: Arc<str> = format!("worker {number}").into();
        let clock = Arc::new(Clock::new(world));
        let last_moment = Arc::new(Mutex::new(Instant::now()));
        let (table, record) = (DynamoDb::new(world, &name), Arc::new(Record::default()));
        let gate = CircuitGate::new(world.breaker(Arc::new(table.clone())));
        let reports = CallReports::new(Arc::new(table.clone()), CMS_SUBSCRIBER);
        let cms = CmsClient {
            world: Arc::clone(world),
            worker: Arc::clone(&name),
            last_moment: Arc::clone(&last_moment),
        };
        let pace = Pace::new(world.plan.share_of_rate());
        let target = CmsTarget::new(cms, gate, pace, clock.clone(), record.clone(), CMS_TIMEOUT);
        let cms = CmsSubscriber::new(target, world.policies().conflicts);
        let mut subscribers: Vec<Arc<dyn Subscriber>> = vec![Arc::new(cms)];
        if world.plan.has_second_subscriber {
            subscribers.push(Arc::new(SearchClient {
                world: Arc::clone(world),
                worker: Arc::clone(&name),
            }));
        }
        let engine = Engine::new(Arc::new(MemoryJournal::default()));
        let sqs = Sqs(Arc::clone(world));
        Arc::new(Self {
            handler: SyncBrand::new(table, sqs, subscribers, engine, clock.clone(), record)
                .with_reports(reports),
            name,
            clock,
            last_moment,
        })
    }
}

/// What the queue's mapping does: hands batches to workers that have nothing to do.
pub(crate) async fn deliver(world: Arc<World>) {
    let started = Arc::new(AtomicUsize::new(0));
    let start = {
        let world = Arc::clone(&world);
        move || Worker::start(&world, 1 + started.fetch_add(1, Relaxed))
    };
    let mut idle: Vec<Arc<Worker>> = (0..world.plan.workers).map(|_| start()).collect();
    let (returns, mut returned) = mpsc::unbounded_channel();
    loop {
        if idle.is_empty() {
            idle.extend(returned.recv().await);
        }
        while let Ok(worker) = returned.try_recv() {
            idle.push(worker);
        }
        let batch = world.queue.receive(&world);
        if batch.is_empty() {
            let wait = std::pin::pin!(world.queue.wait());
            if let Either::Left((worker, _)) = select(std::pin::pin!(returned.recv()), wait).await {
                idle.extend(worker);
            }
            continue;
        }
        let worker = idle.swap_remove(world.chance.below(idle.len()));
        let (world, start, returns) = (Arc::clone(&world), start.clone(), returns.clone());
        tokio::spawn(async move {
            let survives = invoke(&world, &worker, batch).await;
            let _ = returns.send(if survives { worker } else { start() });
        });
    }
}

/// Lets a worker work on a batch. Answers whether it survives.
async fn invoke(world: &World, worker: &Arc<Worker>, batch: Vec<Message>) -> bool {
    let ids: Vec<&str> = batch.iter().map(|message| message.id.as_str()).collect();
    world.tell(&worker.name, format_args!("gets {}", ids.join(", ")));
    let (deadline, handler) = (worker.clock.now().plus(INVOCATION), Arc::clone(worker));
    *worker.last_moment.lock().unwrap() = Instant::now() + INVOCATION - Duration::from_secs(1);
    let mut event = SqsEvent::default();
    for message in &batch {
        let mut record = SqsMessage::default();
        record.message_id = Some(message.id.clone());
        record.body = Some(message.body.clone());
        event.records.push(record);
    }
    let freeze = world.strikes(Fault::ProcessStoodStill).then(|| {
        let at = Instant::now() + world.chance.millis(0..10_000);
        (at, at + world.chance.millis(20_000..120_000))
    });
    let some_time = world.chance.one_of(&[30, 300, 3_000, 25_000]);
    let dies = freeze.is_none() && world.strikes(Fault::ProcessKilled);
    let lifetime = match freeze {
        Some((_, until)) => until - Instant::now() + INVOCATION,
        None if dies => world.chance.millis(0..some_time),
        // Lambda ends what takes longer.
        None => INVOCATION,
    };
    let work = async move {
        handler
            .handler
            .handle(event, Some(deadline.as_millis()))
            .await
    };
    let mut task = tokio::spawn(Freezable::new(work, freeze));
    let Ok(response) = timeout(lifetime, &mut task).await else {
        task.abort();
        let _ = task.await;
        world.tell(&worker.name, "dies");
        return false;
    };
    let Ok(response) = response else {
        world.break_promise(format_args!("{} panicked", worker.name));
        return false;
    };
    for message in &batch {
        let failures = &response.batch_item_failures;
        let has_failed = failures
            .iter()
            .any(|failed| failed.item_identifier == message.id);
        if !has_failed {
            world.queue.delete(world, &message.id);
        } else if message.body != POISON {
            world.break_promise(format_args!("{} does not acknowledge", worker.name));
        }
    }
    true
}

/// Work that stands still for a while: nothing of it runs, whatever happens meanwhile.
pub(crate) struct Freezable<F> {
    work: Pin<Box<F>>,
    freeze: Option<(Instant, Instant)>,
    timer: Pin<Box<Sleep>>,
}

impl<F> Freezable<F> {
    pub(crate) fn new(work: F, freeze: Option<(Instant, Instant)>) -> Self {
        Self {
            work: Box::pin(work),
            freeze,
            timer: Box::pin(sleep(Duration::ZERO)),
        }
    }
}

impl<F: Future> Future for Freezable<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if let Some((from, until)) = self.freeze
            && (from..until).contains(&Instant::now())
        {
            self.timer.as_mut().reset(until);
            if self.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        self.work.as_mut().poll(context)
    }
}

/// The schedule: one sweep a minute.
pub(crate) async fn sweep(world: Arc<World>) {
    let (table, clock) = (DynamoDb::new(&world, "sweep"), Arc::new(Clock::new(&world)));
    let circuit = world.breaker(Arc::new(table.clone()));
    let limits = Limits {
        first_wait: Duration::from_mins(1),
        rows: 1_000,
    };
    let sqs = Sqs(Arc::clone(&world));
    let handler = RepublishBrands::new(table, sqs, circuit, clock.clone(), limits);
    let handler = Arc::new(handler);
    let mut next = world.begun + world.plan.sweep_at;
    loop {
        sleep_until(next).await;
        next += Duration::from_mins(1);
        if !has_work_for_sweep(&world) {
            continue;
        }
        let (deadline, handler) = (clock.now().plus(SWEEP).as_millis(), Arc::clone(&handler));
        let lifetime = if world.strikes(Fault::ProcessKilled) {
            world.chance.millis(0..1_000)
        } else {
            SWEEP
        };
        let swept = async move {
            handler
                .handle(&Trace::of_request(None, None), Some(deadline))
                .await
        };
        let mut task = tokio::spawn(swept);
        match timeout(lifetime, &mut task).await {
            Ok(Ok(Ok(report))) if report.notified > 0 => {
                let notified = report.notified;
                world.tell("sweep", format_args!("reminds of {notified}"));
            }
            Ok(Err(_)) => world.break_promise("the sweep panicked"),
            Ok(_) => {}
            Err(_) => {
                task.abort();
                let _ = task.await;
                world.tell("sweep", "dies");
            }
        }
    }
}

/// Whether a sweep would find something to do. Most would not, and days have many.
fn has_work_for_sweep(world: &World) -> bool {
    let soon = world.now().plus(Duration::from_secs(10));
    let circuit = circuit::CircuitStore::load(&world.circuits, CMS_SUBSCRIBER);
    let circuit = futures::FutureExt::now_or_never(circuit).unwrap().unwrap();
    if let Some(opening) = circuit.open {
        let is_soon = |at: workflow::Timestamp| at.as_millis() <= soon.as_millis();
        return opening
            .probing()
            .is_some_and(|probing| is_soon(probing.probe_at));
    }
    let rows = world.brands.all_rows();
    rows.iter()
        .any(|row| row.due_at.is_some_and(|due| due <= soon))
}
