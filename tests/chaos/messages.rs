//! Messages that the test itself sends, to the queue directly: events that come twice and late, and what is no event.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use brand::{Brand, BrandId, BrandVersion, CloudEvent};
use dead_letters::FailureKind;
use serde_json::json;
use system_tests::Stack;
use tokio::time::sleep;

use crate::{
    chaos::{Chaos, Phase},
    fault::Fault,
};

/// How late a duplicate comes, at most, in seconds.
const LATE: u32 = 15;
/// How long it is, at most, from one message to the next.
const BETWEEN: Duration = Duration::from_millis(800);

/// A message that is no event, and what it is to be parked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Poison {
    pub(crate) body: String,
    pub(crate) kind: FailureKind,
}

/// The ids of brands that are known to be created.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Vec<BrandId>>);

impl Known {
    pub(crate) fn add(&self, id: BrandId) {
        self.ids(|ids| ids.push(id));
    }

    pub(crate) fn number(&self) -> usize {
        self.ids(|ids| ids.len())
    }

    fn any(&self, chaos: &Chaos) -> Option<BrandId> {
        self.ids(|ids| {
            let number = u32::try_from(ids.len()).ok().filter(|number| *number > 0)?;
            ids.get(usize::try_from(chaos.draw(0..number)).ok()?)
                .copied()
        })
    }

    fn ids<T>(&self, with: impl FnOnce(&mut Vec<BrandId>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sends such messages for as long as there are faults, and answers those that are no events.
pub(crate) async fn disturb(stack: &Stack, chaos: &Chaos, known: &Known) -> Vec<Poison> {
    let mut poison = vec![];
    for number in 0_usize.. {
        sleep(chaos.moment(BETWEEN)).await;
        if chaos.phase() != Phase::Faulty {
            break;
        }
        if number % 3 == 0 {
            let message = no_event(number);
            if send(stack, &message.body, 0).await {
                chaos.injected.count(Fault::Poison);
                poison.push(message);
            }
        } else if let Some(id) = known.any(chaos)
            && let Some(row) = stack.row(id).await
            && let Ok(body) = serde_json::to_string(&event_about(row.brand, chaos))
            && send(stack, &body, chaos.draw(1..LATE + 1)).await
        {
            chaos.injected.count(Fault::DelayedDuplicate);
        }
    }
    poison
}

/// The event of the brand's version, or of one before.
fn event_about(brand: Brand, chaos: &Chaos) -> CloudEvent<BrandVersion> {
    let version = chaos.draw(1..brand.version + 1);
    CloudEvent::about(&Brand { version, ..brand })
}

fn no_event(number: usize) -> Poison {
    let name = format!("no event, number {number}");
    let (body, kind) = match number % 9 {
        0 => (name, FailureKind::Malformed),
        3 => {
            let event = json!({
                "specversion": "1.0",
                "id": name,
                "source": "/elsewhere",
                "type": "brand.exploded",
                "data": {},
            });
            (event.to_string(), FailureKind::UnknownType)
        }
        _ => {
            let long = "x".repeat(sync_brand::MAX_EVENT);
            (format!("{name} {long}"), FailureKind::TooLarge)
        }
    };
    Poison { body, kind }
}

async fn send(stack: &Stack, body: &str, delay: u32) -> bool {
    let request = stack
        .sqs
        .send_message()
        .queue_url(&stack.brand_events_queue_url)
        .message_body(body)
        .delay_seconds(i32::try_from(delay).unwrap_or_default());
    request.send().await.is_ok()
}
