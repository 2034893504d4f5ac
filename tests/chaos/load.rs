//! All clients, and what became of their requests.

use std::sync::Arc;

use brand::BrandId;
use system_tests::Stack;
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

use crate::{
    chaos::Chaos,
    client::{Acknowledged, Asked, Client},
    plan::Fate,
    settings::Settings,
};

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// How many clients gave up.
    pub(crate) given_up: usize,
    /// How many requests were not answered, or with a failure.
    pub(crate) failures: usize,
    /// How many clients asked again after they had been answered, and got an answer.
    pub(crate) repeated: usize,
    /// How many changes were acknowledged.
    pub(crate) renamed: usize,
    pub(crate) deleted: usize,
    /// What must not happen.
    pub(crate) problems: Vec<String>,
}

/// Has all brands created, in waves of as many clients as may be at work at once. The last wave comes when three quarters of
/// the window are over.
pub(crate) async fn create_all(
    settings: &Settings,
    stack: &Arc<Stack>,
    chaos: &Arc<Chaos>,
    told: impl Fn(BrandId) + Clone + Send + 'static,
) -> Load {
    let waves = settings.brands.div_ceil(settings.concurrency).max(1);
    let apart = settings.window * 3 / 4 / u32::try_from(waves).unwrap_or(u32::MAX);
    let places = Arc::new(Semaphore::new(settings.concurrency));
    let mut clients = JoinSet::new();
    for number in 0..settings.brands {
        let begins = apart * u32::try_from(number / settings.concurrency).unwrap_or_default();
        let client = Client {
            stack: Arc::clone(stack),
            chaos: Arc::clone(chaos),
            name: Fate::of(number).name(number),
            key: format!("{}-{number}", settings.seed),
        };
        let (places, told) = (Arc::clone(&places), told.clone());
        clients.spawn(async move {
            sleep(begins).await;
            let _place = places.acquire().await;
            client.work(told).await
        });
    }
    let mut load = Load::default();
    while let Some(ended) = clients.join_next().await {
        match ended {
            Ok(asked) => load.add(asked),
            Err(panic) => load.problems.push(format!("a client panicked: {panic}")),
        }
    }
    load
}

impl Load {
    fn add(&mut self, asked: Asked) {
        match asked.acknowledged {
            Some(acknowledged) => self.acknowledged.push(acknowledged),
            None => self.given_up += 1,
        }
        self.failures += asked.failures;
        self.repeated += usize::from(asked.repeated);
        self.renamed += usize::from(asked.renamed);
        self.deleted += usize::from(asked.deleted);
        self.problems.extend(asked.problems);
    }
}
