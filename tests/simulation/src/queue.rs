//! A simulated SQS: at least once, in any order, late, lost, doubled; with visibility time-outs, receive counts and dead letters.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use brand::{Brand, BrandEvents, CloudEvent, EventError, Reminders, SyncDue, Timestamp};
use dead_letters::DeadLetter;
use futures::future::{Either, select};
use sync_brand::{Parking, ParkingError};
use telemetry::Trace;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

use crate::{plan::Fault, world::World};

/// As in the template.
const VISIBILITY: Duration = Duration::from_mins(3);
const MAX_RECEIVES: u32 = 5;
const WEEK: Duration = Duration::from_hours(7 * 24);

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    visible_at: Instant,
    receives: u32,
}

#[derive(Default)]
pub(crate) struct Queue {
    messages: Mutex<Vec<Message>>,
    sent: AtomicU64,
    arrived: Notify,
    /// Ids of the messages that are parked.
    pub(crate) parked: Mutex<Vec<String>>,
}

impl Queue {
    /// Takes a message in, with what happens to messages.
    pub(crate) fn send(&self, world: &World, body: &str) {
        if world.strikes(Fault::MessageLost) {
            world.tell("queue", "loses a message");
            return;
        }
        let copies = 1 + u32::from(world.strikes(Fault::MessageDoubled));
        for _ in 0..copies {
            let delay = if world.strikes(Fault::MessageWeekLate) {
                world.tell("queue", "keeps a message for a week");
                WEEK
            } else if world.strikes(Fault::MessageLate) {
                world.chance.millis(1_000..1_800_000)
            } else {
                world.chance.millis(5..80)
            };
            let number = self.sent.fetch_add(1, Relaxed);
            self.messages.lock().unwrap().push(Message {
                id: format!("m{number}"),
                body: body.to_owned(),
                visible_at: Instant::now() + delay,
                receives: 0,
            });
        }
        self.arrived.notify_one();
    }

    /// Delivers up to ten messages.
    pub(crate) fn receive(&self, world: &World) -> Vec<Message> {
        let now = Instant::now();
        let mut messages = self.messages.lock().unwrap();
        messages.retain(|message| {
            let is_dead = message.receives >= MAX_RECEIVES && message.visible_at <= now;
            if is_dead {
                world.story.count(Fault::DeadLettered);
                world.tell("queue", format_args!("gives {} up", message.id));
            }
            !is_dead
        });
        let visible = messages
            .iter_mut()
            .filter(|message| message.visible_at <= now);
        let mut visible: Vec<&mut Message> = visible.collect();
        if visible.len() > 1 && world.strikes(Fault::MessageOutOfOrder) {
            for last in (1..visible.len()).rev() {
                visible.swap(last, world.chance.below(last + 1));
            }
        }
        let received = visible.into_iter().take(10).map(|message| {
            message.visible_at = now + VISIBILITY;
            message.receives += 1;
            message.clone()
        });
        received.collect()
    }

    /// Forgets a message that is acknowledged; sometimes it comes back.
    pub(crate) fn delete(&self, world: &World, id: &str) {
        let mut messages = self.messages.lock().unwrap();
        let Some(place) = messages.iter().position(|message| message.id == id) else {
            return;
        };
        if world.strikes(Fault::MessageRedelivered) {
            messages[place].visible_at = Instant::now() + world.chance.millis(0..200_000);
        } else {
            messages.remove(place);
        }
    }

    /// Waits until a message may be there.
    pub(crate) async fn wait(&self) {
        let next = self.next_at();
        let far = Instant::now() + WEEK;
        let timer = sleep_until(next.unwrap_or(far));
        match select(
            std::pin::pin!(self.arrived.notified()),
            std::pin::pin!(timer),
        )
        .await
        {
            Either::Left(_) | Either::Right(_) => {}
        }
    }

    /// When the next message can be received.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let messages = self.messages.lock().unwrap();
        messages.iter().map(|message| message.visible_at).min()
    }
}

/// The queue, as a process sends to it.
#[derive(Clone)]
pub(crate) struct Sqs(pub(crate) Arc<World>);

impl Sqs {
    async fn send(&self, body: String) -> Result<(), EventError> {
        let world = &self.0;
        sleep(world.chance.millis(2..20)).await;
        if world.strikes(Fault::SendUnanswered) {
            if world.chance.permille(500) {
                world.queue.send(world, &body);
            }
            sleep(world.chance.millis(100..2_000)).await;
            return Err(EventError(Arc::new(std::fmt::Error)));
        }
        world.queue.send(world, &body);
        Ok(())
    }
}

impl BrandEvents for Sqs {
    async fn announce(&self, brand: &Brand, _: &Trace) -> Result<(), EventError> {
        let event = CloudEvent::about(brand);
        self.send(serde_json::to_string(&event).unwrap()).await
    }
}

impl Reminders for Sqs {
    async fn remind(
        &self,
        due: &[SyncDue],
        now: Timestamp,
        _: &Trace,
    ) -> Vec<Result<(), EventError>> {
        let bodies = due.iter().map(|due| CloudEvent::reminding(due, now));
        let sent = bodies.map(|event| self.send(serde_json::to_string(&event).unwrap()));
        futures::future::join_all(sent).await
    }

    async fn waiting(&self) -> Result<u32, EventError> {
        sleep(self.0.chance.millis(2..20)).await;
        let now = Instant::now();
        let messages = self.0.queue.messages.lock().unwrap();
        let waiting = messages.iter().filter(|message| message.visible_at <= now);
        Ok(u32::try_from(waiting.count()).unwrap())
    }
}

impl Parking for Sqs {
    async fn park(&self, letter: &DeadLetter<'_>) -> Result<(), ParkingError> {
        let world = &self.0;
        sleep(world.chance.millis(2..20)).await;
        if world.strikes(Fault::ParkingFailed) {
            return Err(ParkingError(Arc::new(std::fmt::Error)));
        }
        world
            .queue
            .parked
            .lock()
            .unwrap()
            .push(letter.message_id.to_owned());
        if letter.body != POISON {
            world.break_promise(format_args!("a good message is parked: {}", letter.reason));
        }
        Ok(())
    }
}

/// A message that is not an event.
pub(crate) const POISON: &str = "{\"specversion\":";
