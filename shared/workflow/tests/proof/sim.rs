//! A machine that can be cut anywhere: its clock, its workers, and what happens at each of their operations.
//!
//! An *operation* is what a worker does to the world outside of its process: a write to the journal, or an effect. Each
//! has a number, in the order in which they are made; a plan says at which numbers something happens, and what.

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
use workflow::{Environment, Timestamp};

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cut {
    /// The process dies before the operation is made.
    DieBefore,
    /// The process dies after it is made.
    DieAfter,
    /// It is not made, and the worker gets a transient error.
    LoseRequest,
    /// It is made, and the worker gets a transient error.
    LoseReply,
    /// The process stands still before the operation, while its lease ends and another worker takes over; then it goes on.
    FreezeBefore,
    /// It stands still after it.
    FreezeAfter,
    /// An effect is not made, and is refused for good. (The journal's writes are lost instead.)
    RefuseBefore,
    /// An effect is made, and then refused for good.
    RefuseAfter,
    /// An effect is not made, and no answer ever comes.
    HangBefore,
    /// An effect is made, and no answer ever comes.
    HangAfter,
    /// The step panics before the effect is made.
    PanicBefore,
    /// Somebody asks for the run to be cancelled while the operation is under way.
    Cancel,
}

impl Cut {
    pub(crate) const ALL: [Self; 12] = [
        Self::DieBefore,
        Self::DieAfter,
        Self::LoseRequest,
        Self::LoseReply,
        Self::FreezeBefore,
        Self::FreezeAfter,
        Self::RefuseBefore,
        Self::RefuseAfter,
        Self::HangBefore,
        Self::HangAfter,
        Self::PanicBefore,
        Self::Cancel,
    ];
}

/// How an operation came out for the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Fine,
    Lost,
    Refused,
}

#[derive(Default)]
struct State {
    timers: BTreeMap<u64, u32>,
    operations: usize,
    plan: BTreeMap<usize, Cut>,
    cuts: usize,
    dead: bool,
    frozen: bool,
    cancel: Option<Box<dyn FnOnce() + Send>>,
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
    Ended(T),
    /// The process died.
    Died,
    /// It stands still; it can be given another turn.
    Froze,
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

    /// What asks for the run to be cancelled, when that is planned.
    pub(crate) fn on_cancel(&self, cancel: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().cancel = Some(Box::new(cancel));
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.now
            .fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Makes an operation, or what the plan has in store for it.
    pub(crate) async fn operate<T>(
        &self,
        is_effect: bool,
        make: impl FnOnce() -> T,
    ) -> (Option<T>, Reply) {
        let cut = {
            let mut state = self.state.lock().unwrap();
            let number = state.operations;
            state.operations += 1;
            let cut = state.plan.get(&number).copied();
            state.cuts += usize::from(cut.is_some());
            cut
        };
        let cut = match cut {
            Some(Cut::RefuseBefore | Cut::HangBefore | Cut::PanicBefore) if !is_effect => {
                Some(Cut::LoseRequest)
            }
            Some(Cut::RefuseAfter | Cut::HangAfter) if !is_effect => Some(Cut::LoseReply),
            cut => cut,
        };
        match cut {
            None => (Some(make()), Reply::Fine),
            Some(Cut::DieBefore) => self.die().await,
            Some(Cut::DieAfter) => {
                make();
                self.die().await
            }
            Some(Cut::LoseRequest) => (None, Reply::Lost),
            Some(Cut::LoseReply) => (Some(make()), Reply::Lost),
            Some(Cut::FreezeBefore) => {
                self.freeze().await;
                (Some(make()), Reply::Fine)
            }
            Some(Cut::FreezeAfter) => {
                let value = make();
                self.freeze().await;
                (Some(value), Reply::Fine)
            }
            Some(Cut::RefuseBefore) => (None, Reply::Refused),
            Some(Cut::RefuseAfter) => (Some(make()), Reply::Refused),
            Some(Cut::HangBefore) => std::future::pending().await,
            Some(Cut::HangAfter) => {
                make();
                std::future::pending().await
            }
            Some(Cut::PanicBefore) => panic!("as planned"),
            Some(Cut::Cancel) => {
                let cancel = self.state.lock().unwrap().cancel.take();
                if let Some(cancel) = cancel {
                    cancel();
                }
                (Some(make()), Reply::Fine)
            }
        }
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
            if let Poll::Ready(ended) = worker
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                return Turn::Ended(ended);
            }
            let mut state = self.state.lock().unwrap();
            if std::mem::take(&mut state.dead) {
                return Turn::Died;
            }
            if std::mem::take(&mut state.frozen) {
                return Turn::Froze;
            }
            let now = self.now.load(Ordering::SeqCst);
            let next = state.timers.range(now + 1..).next().map(|(at, _)| *at);
            self.now
                .store(next.expect("a worker waits for nothing"), Ordering::SeqCst);
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
