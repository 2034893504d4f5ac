//! A machine that can be cut anywhere: its clock, its workers, and what happens at each of their operations.
//!
//! An *operation* is what a worker does to the world outside of its process: a write to the journal, or a request to the
//! other side. Each has a number, in the order in which they are made; a plan says at which numbers something happens, and
//! what.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use workflow::{EngineConfig, Environment, Timestamp};

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cut {
    /// The process dies before the operation is made.
    DieBefore,
    /// The process dies after it is made.
    DieAfter,
    /// The process dies, and the operation is made at the last moment that the margin allows.
    DieLate,
    /// It is not made, and not answered.
    LoseRequest,
    /// It is made, and not answered.
    LoseReply,
    /// It is not answered, and made at the last moment that the margin allows.
    Late,
    /// The process stands still before the operation, while its lease ends and another worker takes over; then it goes on.
    FreezeBefore,
    /// It stands still after it.
    FreezeAfter,
    /// A request is answered: it failed, and a later one may succeed. (The journal's writes are lost instead.)
    Busy,
    /// A request is refused for good.
    RefuseBefore,
    /// A request acts, and is then refused for good.
    RefuseAfter,
    /// A request is not made, and no answer ever comes.
    HangBefore,
    /// A request is made, and no answer ever comes.
    HangAfter,
    /// No answer ever comes, and it is made at the last moment that the margin allows after the time-out.
    HangLate,
    /// The step panics before the request.
    PanicBefore,
    /// The run is cancelled while the operation is under way.
    Cancel,
}

impl Cut {
    pub(crate) const ALL: [Self; 16] = [
        Self::DieBefore,
        Self::DieAfter,
        Self::DieLate,
        Self::LoseRequest,
        Self::LoseReply,
        Self::Late,
        Self::FreezeBefore,
        Self::FreezeAfter,
        Self::Busy,
        Self::RefuseBefore,
        Self::RefuseAfter,
        Self::HangBefore,
        Self::HangAfter,
        Self::HangLate,
        Self::PanicBefore,
        Self::Cancel,
    ];
}

type Event = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    timers: BTreeMap<u64, u32>,
    /// What takes effect late, and when.
    events: Vec<(u64, Event)>,
    operations: usize,
    plan: BTreeMap<usize, Cut>,
    cuts: usize,
    dead: bool,
    frozen: bool,
    cancel: Option<Event>,
}

/// The machine: shared by all workers, of which one runs at a time.
#[derive(Clone, Default)]
pub(crate) struct Machine {
    now: Arc<AtomicU64>,
    random: Arc<AtomicU64>,
    state: Arc<Mutex<State>>,
}

/// What a worker does: it goes on when it is given a turn.
pub(crate) type Worker<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// How a worker's turn came out.
pub(crate) enum Turn<T> {
    End(T),
    /// The process died.
    Death,
    /// It stands still; it can be given another turn.
    Freeze,
}

impl Machine {
    pub(crate) fn new(plan: &[(usize, Cut)]) -> Self {
        let machine = Self::default();
        machine.now.store(1_000_000, Ordering::SeqCst);
        machine
            .random
            .store(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        machine.state.lock().unwrap().plan = plan.iter().copied().collect();
        machine
    }

    /// How many operations were made, cut ones included.
    pub(crate) fn operations(&self) -> usize {
        self.state.lock().unwrap().operations
    }

    /// How many of them were cut.
    pub(crate) fn cuts(&self) -> usize {
        self.state.lock().unwrap().cuts
    }

    /// What cancels the run, when that is planned.
    pub(crate) fn on_cancel(&self, cancel: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().cancel = Some(Box::new(cancel));
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.advance_to(self.now().plus(by));
    }

    /// Lets time go on until then, with what takes effect late meanwhile.
    pub(crate) fn advance_to(&self, at: Timestamp) {
        let at = at.as_millis();
        loop {
            let (time, event) = {
                let mut state = self.state.lock().unwrap();
                let due = (0..state.events.len()).min_by_key(|index| state.events[*index].0);
                match due.filter(|index| state.events[*index].0 <= at) {
                    Some(index) => state.events.remove(index),
                    None => break,
                }
            };
            self.now.fetch_max(time, Ordering::SeqCst);
            event();
        }
        self.now.fetch_max(at, Ordering::SeqCst);
    }

    /// Makes an operation, or what the plan has in store for it; none where it is not answered. Where the other side has
    /// something in store, `make` learns of that. `limit` says when a request's attempt ends.
    pub(crate) async fn operate<T: Send + 'static>(
        &self,
        limit: Option<Timestamp>,
        make: impl FnOnce(Option<Cut>) -> T + Send + 'static,
    ) -> Option<T> {
        let cut = {
            let mut state = self.state.lock().unwrap();
            let number = state.operations;
            state.operations += 1;
            let cut = state.plan.get(&number).copied();
            state.cuts += usize::from(cut.is_some());
            cut
        };
        let is_write = limit.is_none();
        let cut = match cut {
            Some(Cut::Busy | Cut::RefuseBefore | Cut::HangBefore | Cut::PanicBefore)
                if is_write =>
            {
                Some(Cut::LoseRequest)
            }
            Some(Cut::RefuseAfter | Cut::HangAfter) if is_write => Some(Cut::LoseReply),
            Some(Cut::HangLate) if is_write => Some(Cut::Late),
            cut => cut,
        };
        match cut {
            None => Some(make(None)),
            Some(Cut::DieBefore) => self.die().await,
            Some(Cut::DieAfter) => {
                make(None);
                self.die().await
            }
            Some(Cut::DieLate) => {
                self.later(self.now(), make);
                self.die().await
            }
            Some(Cut::LoseRequest) => None,
            Some(Cut::LoseReply) => {
                make(None);
                None
            }
            Some(Cut::Late) => {
                self.later(self.now(), make);
                None
            }
            Some(Cut::FreezeBefore) => {
                self.freeze().await;
                Some(make(None))
            }
            Some(Cut::FreezeAfter) => {
                let value = make(None);
                self.freeze().await;
                Some(value)
            }
            Some(Cut::Busy | Cut::RefuseBefore | Cut::RefuseAfter) => Some(make(cut)),
            Some(Cut::HangBefore) => std::future::pending().await,
            Some(Cut::HangAfter) => {
                make(None);
                std::future::pending().await
            }
            Some(Cut::HangLate) => {
                self.later(limit.unwrap(), make);
                std::future::pending().await
            }
            Some(Cut::PanicBefore) => panic!("as planned"),
            Some(Cut::Cancel) => {
                let cancel = self.state.lock().unwrap().cancel.take();
                if let Some(cancel) = cancel {
                    cancel();
                }
                Some(make(None))
            }
        }
    }

    /// Makes an operation at the last moment that the margin allows after that time.
    fn later<T>(&self, time: Timestamp, make: impl FnOnce(Option<Cut>) -> T + Send + 'static) {
        let margin = EngineConfig::default().lease_margin;
        let at = time.plus(margin).as_millis() - 1;
        let event: Event = Box::new(|| {
            make(None);
        });
        self.state.lock().unwrap().events.push((at, event));
    }

    async fn die<T>(&self) -> T {
        self.state.lock().unwrap().dead = true;
        std::future::pending().await
    }

    async fn freeze(&self) {
        self.state.lock().unwrap().frozen = true;
        let mut turns = 0;
        poll_fn(|_| {
            turns += 1;
            if turns == 1 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    /// Lets a worker run until it ends, dies or stands still. The clock goes on when the worker waits for it.
    pub(crate) fn turn<T>(&self, worker: &mut Worker<'_, T>) -> Turn<T> {
        loop {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(ended) = worker.as_mut().poll(&mut context) {
                return Turn::End(ended);
            }
            let next = {
                let mut state = self.state.lock().unwrap();
                if std::mem::take(&mut state.dead) {
                    return Turn::Death;
                }
                if std::mem::take(&mut state.frozen) {
                    return Turn::Freeze;
                }
                let now = self.now.load(Ordering::SeqCst);
                let next = state.timers.range(now + 1..).next().map(|(at, _)| *at);
                next.expect("a worker waits for nothing")
            };
            self.advance_to(Timestamp::from_millis(next));
        }
    }
}

/// A timer, which goes with the future that waits for it.
struct Timer {
    machine: Machine,
    at: u64,
}

impl Timer {
    fn new(machine: &Machine, at: u64) -> Self {
        *machine.state.lock().unwrap().timers.entry(at).or_default() += 1;
        Self {
            machine: machine.clone(),
            at,
        }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.machine.now.load(Ordering::SeqCst) >= self.at {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut state = self.machine.state.lock().unwrap();
        let count = state.timers.get_mut(&self.at).unwrap();
        *count -= 1;
        if *count == 0 {
            state.timers.remove(&self.at);
        }
    }
}

impl Environment for Machine {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let at = self.now.load(Ordering::SeqCst) + u64::try_from(duration.as_millis()).unwrap();
        Timer::new(self, at).boxed()
    }

    /// `SplitMix64`.
    fn random(&self) -> u64 {
        let mut z = self
            .random
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
